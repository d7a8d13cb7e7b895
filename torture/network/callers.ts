/** Callers of a book behind a bad network: they append, repeat under their key what is in doubt, and follow the log. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, isDaybookError } from 'daybook'
import type { Written } from '../accounts.ts'
import type { FoundLog } from '../found-log.ts'
import { Ledger } from '../ledger.ts'
import { type Operation, operationOf, perform } from '../operations.ts'
import { Random } from '../random.ts'

/** What a caller may be told while the network is bad; everything else is a fault of the book. */
const excused = new Set([
  'STORE_UNREACHABLE',
  'APPEND_IN_DOUBT',
  'STORE_BUSY',
  'STORE_CANCELLED',
  'TRANSACTION_ABORTED',
])

export interface CallersOptions {
  /** Begins the name of every operation, and decides what they are. */
  readonly seed: string
  readonly callers: number
  /** The same book, opened by somebody whose network is good, for one more caller. */
  readonly beside: Book
  /** No call may take longer, in ms, however bad the network is. */
  readonly mostMs: number
  /** The control: repeats what failed, without a key. */
  readonly isBlind: boolean
}

export class Callers {
  readonly problems: string[] = []
  /** How often callers were told what. */
  readonly told = new Map<string, number>()
  /** The longest that a caller waited for an answer of each kind, in ms. */
  readonly slowestMs = { append: 0, command: 0 }
  readonly #book: Book
  readonly #options: CallersOptions
  readonly #random: Random
  readonly #ledger = new Ledger()
  /** Of these the caller was told that nothing was written. */
  readonly #notWritten = new Set<string>()
  readonly #stop = new AbortController()
  readonly #stopFollowing = new AbortController()
  readonly #calling: Promise<unknown>
  readonly #following: Promise<void>
  #followed = 0
  #next = 0

  constructor(book: Book, options: CallersOptions) {
    this.#book = book
    this.#options = options
    this.#random = new Random(options.seed)
    const books = [options.beside, ...Array.from({ length: options.callers }, () => book)]
    this.#calling = Promise.all(books.map((one) => this.#call(one)))
    this.#following = this.#follow()
  }

  get acknowledged(): number {
    return this.#ledger.acknowledged.length
  }

  /** Appends once more, under a key; resolves with the time in ms until it is acknowledged. */
  async probe(): Promise<number> {
    const startMs = performance.now()
    await this.#perform(this.#book, true)
    return performance.now() - startMs
  }

  /** Waits until the follower has seen the log up to its head, then ends everybody. */
  async end(): Promise<void> {
    const { mostMs } = this.#options
    this.#stop.abort()
    await this.#calling
    this.#stopFollowing.abort()
    const isDone = await Promise.race([
      this.#following.then(() => true),
      sleep(mostMs, false, { ref: false }),
    ])
    if (!isDone) this.problems.push(`the follower is not at the head ${mostMs} ms after the last append`)
  }

  /** What the log contradicts of what the callers were told. */
  contradictions(found: FoundLog): string[] {
    const wrong = found.rows.filter(({ data }) => this.#notWritten.has((JSON.parse(data) as Written).op))
    return [
      ...this.problems,
      ...this.#ledger.problems(found),
      ...wrong.map(({ position }) => `position ${position} was reported as not appended`),
      ...(this.#followed === found.rows.length
        ? []
        : [`the follower saw ${this.#followed} of ${found.rows.length} events`]),
    ]
  }

  async #call(book: Book): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#perform(book, this.#random.chance(0.7))
      // The neighbour is not to fill the log while everybody else waits.
      if (book !== this.#book) await sleep(10)
    }
  }

  /** One operation: with a key until it is acknowledged, without one once. */
  async #perform(book: Book, hasKey: boolean): Promise<void> {
    const { isBlind, seed, mostMs } = this.#options
    const id = `${seed}.${this.#next++}`
    const operation = { ...operationOf(id), hasKey: hasKey && !isBlind }
    this.#ledger.begin(id)
    const startMs = performance.now()
    while (performance.now() - startMs < mostMs * 4) {
      try {
        const answer = await this.#timed(operation, perform(book, operation))
        if (answer !== undefined) this.#ledger.acknowledge(id, answer)
        return
      } catch (error) {
        const code = isDaybookError(error) ? error.code : String(error)
        this.told.set(code, (this.told.get(code) ?? 0) + 1)
        if (!excused.has(code)) this.problems.push(`${id} ended with ${code}: ${String(error)}`)
        if (!operation.hasKey && !isBlind) {
          if (code !== 'APPEND_IN_DOUBT') this.#notWritten.add(id)
          return
        }
      }
      await sleep(20)
    }
    this.problems.push(`${id} was not acknowledged within ${mostMs * 4} ms`)
  }

  /** Waits for an answer much longer than it may take, so that one that comes too late tells how late it was. */
  async #timed<Answer>({ id, kind }: Operation, answer: Promise<Answer>): Promise<Answer | undefined> {
    const { mostMs } = this.#options
    const startMs = performance.now()
    const overdue = new AbortController()
    const never = sleep(4 * mostMs, undefined, { signal: overdue.signal }).then(() => undefined)
    try {
      return await Promise.race([answer, never])
    } finally {
      overdue.abort()
      const tookMs = performance.now() - startMs
      const asked = kind === 'command' ? 'command' : 'append'
      if (tookMs > mostMs) this.problems.push(`${asked} ${id} took ${Math.round(tookMs)} ms`)
      this.slowestMs[asked] = Math.max(this.slowestMs[asked], tookMs)
    }
  }

  /** Reads everything, each event once and in order, from where it was when reading failed. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopFollowing
    while (!(signal.aborted && (await this.#hasFollowed()))) {
      try {
        const more = signal.aborted ? {} : { follow: true, signal }
        for await (const { position } of this.#book.readLog({ afterPosition: this.#followed, ...more })) {
          if (position !== this.#followed + 1)
            this.problems.push(`position ${position} follows ${this.#followed}`)
          this.#followed = position
        }
      } catch (error) {
        if (!isDaybookError(error) || !excused.has(error.code))
          this.problems.push(`the follower met ${String(error)}`)
      }
    }
  }

  async #hasFollowed(): Promise<boolean> {
    return this.#followed === (await this.#book.head().catch(() => -1))
  }
}
