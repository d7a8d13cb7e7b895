/** A book at work: callers that append, a reader that follows, and an observer that is asked what holds things up. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, isDaybookError, openBook } from 'daybook'
import { balances, referenceBalances } from '../accounts.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { readFoundLogAt } from '../stores/books.ts'

/** How long a caller waits for the lock, in ms. */
export const patienceMs = 1_000
const lookMs = 50

export class WatchedBook {
  readonly address: BookAddress
  readonly problems: string[] = []
  /** What callers were told who waited for the lock in vain. */
  readonly complaints: string[] = []
  readonly #book: Book
  readonly #observer: Book
  readonly #stop = new AbortController()
  readonly #stopFollowing = new AbortController()
  readonly #running: Promise<unknown>
  readonly #following: Promise<void>
  #acknowledged = 0
  #lastAppendMs = performance.now()
  #followed = 0

  private constructor(address: BookAddress, book: Book, observer: Book) {
    this.address = address
    this.#book = book
    this.#observer = observer
    this.#running = Promise.all(['a', 'b'].map((id) => this.#call(id)))
    this.#following = this.#follow()
  }

  static async open(address: BookAddress): Promise<WatchedBook> {
    const book = await openBook({ store: storeAt(address, { timeoutMs: patienceMs }) })
    // The observer runs no projection, but knows of those that others run.
    const observer = await openBook({ store: storeAt(address), projections: [balances], follow: false })
    return new WatchedBook(address, book, observer)
  }

  get book(): Book {
    return this.#book
  }

  get followed(): number {
    return this.#followed
  }

  head(): Promise<number> {
    return this.#observer.head()
  }

  /**
   * Time in ms until callers who wait are told by whom they are held up, and where there is a server to ask, until the
   * observer's report says it too; infinity after `mostMs`.
   */
  async namedBy(isIt: (problem: string) => boolean, mostMs: number): Promise<number> {
    let isReported = this.address.store === 'sqlite'
    return this.#until(mostMs, async () => {
      isReported ||= (await this.#observer.inspect()).problems.some(({ message }) => isIt(message))
      return isReported && this.complaints.some(isIt)
    })
  }

  /** Time in ms until the projection is seen to be behind and to have stood still for a second. */
  async followerNamed(mostMs: number): Promise<number> {
    return this.#until(mostMs, async () => {
      const [status] = await this.#observer.status()
      return (status?.behind ?? 0) > 0 && Date.now() - (status?.movedAtMs ?? Date.now()) >= 1_000
    })
  }

  /** Time in ms until the next append is acknowledged; infinity after `mostMs`. */
  async progress(mostMs: number): Promise<number> {
    const before = this.#acknowledged
    return this.#until(mostMs, async () => this.#acknowledged > before, 2)
  }

  /** How long nothing has been acknowledged, in ms. */
  get silentMs(): number {
    return performance.now() - this.#lastAppendMs
  }

  /** Ends the callers, and waits until the reader has seen everything. */
  async end(): Promise<void> {
    this.#stop.abort()
    await this.#running
    const head = await this.head()
    const followedMs = await this.#until(5_000, async () => this.#followed >= head)
    if (followedMs === Number.POSITIVE_INFINITY)
      this.problems.push(`the reader saw ${this.#followed} of ${head} events`)
    this.#stopFollowing.abort()
    await this.#following
  }

  /** How the read model that others kept differs from a fold by hand. */
  async balanceProblems(): Promise<string[]> {
    const { rows } = await readFoundLogAt(this.address)
    const problems: string[] = []
    for (const [stream, expected] of referenceBalances(rows).balances) {
      const balance = await this.#observer.read(balances).get(stream, { notBefore: rows.length })
      if (JSON.stringify(balance) !== JSON.stringify(expected))
        problems.push(
          `read model of ${stream} has ${JSON.stringify(balance)}, not ${JSON.stringify(expected)}`,
        )
    }
    return problems
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#stopFollowing.abort()
    await this.#book.close()
    await this.#observer.close()
  }

  async #until(mostMs: number, isSo: () => Promise<boolean>, everyMs = lookMs): Promise<number> {
    const startMs = performance.now()
    while (performance.now() - startMs < mostMs) {
      if (await isSo()) return performance.now() - startMs
      await sleep(everyMs)
    }
    return Number.POSITIVE_INFINITY
  }

  async #call(id: string): Promise<void> {
    for (let index = 0; !this.#stop.signal.aborted; index++) {
      const data = { op: `${id}.${index}`, cents: index % 10, index: 0, of: 1 }
      try {
        await this.#book.append(`account-${id}`, { type: 'Deposited', data })
        this.#acknowledged++
        this.#lastAppendMs = performance.now()
        await sleep(5)
      } catch (error) {
        if (isDaybookError(error, 'STORE_BUSY')) this.complaints.push(error.message)
        else this.problems.push(`an append ended with ${String(error)}`)
      }
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopFollowing
    for await (const { position } of this.#book.readLog({ follow: true, signal })) {
      if (position !== this.#followed + 1)
        this.problems.push(`position ${position} follows ${this.#followed}`)
      this.#followed = position
    }
  }
}
