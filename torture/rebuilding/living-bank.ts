/** A bank at work: somebody appends, somebody reads and measures its waits, a side effect runs; its read model is rebuilt. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, openBook, type StreamAppend } from 'daybook'
import { Child, type Message } from '../child.ts'
import type { RebuilderConfig } from '../processes/rebuilder.ts'
import type { Random } from '../random.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { rawRows } from '../stores/raw-rows.ts'
import { auditor, BankReference, bankEvents, type Sum, sumsOf } from './bank.ts'

/** However busy the machine is. */
const mostMs = 300_000
const accounts = 500

type Model = ReturnType<typeof sumsOf>

export class LivingBank implements AsyncDisposable {
  readonly problems: string[] = []
  kills = 0
  reads = 0
  /** The longest that a reader waited since it was last asked, in ms. */
  longestWaitMs = 0
  readonly effects: number[]
  readonly #address: BookAddress
  readonly #random: Random
  readonly #model: Model
  readonly #book: Book
  readonly #stop = new AbortController()
  #living: Promise<unknown> = Promise.resolve()

  private constructor(
    address: BookAddress,
    random: Random,
    opened: { readonly book: Book; readonly model: Model; readonly effects: number[] },
  ) {
    this.#address = address
    this.#random = random
    this.#book = opened.book
    this.#model = opened.model
    this.effects = opened.effects
  }

  static async open(address: BookAddress, random: Random): Promise<LivingBank> {
    const effects: number[] = []
    const model = sumsOf(false)
    const book = await openBook({
      store: storeAt(address),
      projections: [model],
      reactions: [auditor((position) => effects.push(position))],
    })
    return new LivingBank(address, random, { book, model, effects })
  }

  head(): Promise<number> {
    return this.#book.head()
  }

  /** Appends so many events, as fast as it can, and waits until they are in the read model. */
  async fill(events: number): Promise<void> {
    const batch = 1_000
    for (let left = events; left > 0; left -= batch)
      await this.#book.append(this.#writes(Math.min(batch, left)))
    await this.#book.whenReached(this.#model, { notBefore: events, timeoutMs: mostMs })
  }

  /** Begins to append and to read, until `rest`. */
  live(): void {
    this.#living = Promise.all([this.#append(), this.#read()])
  }

  /** Rebuilds in processes that are killed on the way, each further than the one before. */
  async rebuild(kills: number, isWrong: boolean): Promise<Message> {
    const head = await this.head()
    const config: RebuilderConfig = { address: this.#address, isWrong }
    // So slowly that there is a way on which to be killed.
    const slowly = { ...config, eventsPerSecond: Math.max(1_000, Math.ceil(head / (kills + 1))) }
    for (let kill = 1; kill <= kills; kill++) {
      const goal = (head * (kill - this.#random.next())) / (kills + 1)
      await this.#killAt(slowly, goal)
    }
    const last = new Rebuilder(config)
    const result = await last.heard(({ outcome }) => outcome !== undefined)
    await last.child.ended
    if (result?.outcome !== 'swapped')
      throw new Error(`a rebuild ended with ${JSON.stringify(result)}: ${last.child.errors}`)
    return result
  }

  async #killAt(config: RebuilderConfig, goal: number): Promise<void> {
    const rebuilder = new Rebuilder(config)
    const isAtGoal = ({ position, state, outcome }: Message): boolean =>
      outcome !== undefined || (state === 'filling' && Number(position) >= goal)
    await rebuilder.heard(isAtGoal)
    rebuilder.child.kill()
    const { signal, code } = await rebuilder.child.ended
    if (signal === 'SIGKILL') this.kills++
    else if (code !== 0)
      this.problems.push(`a rebuild ended by itself with ${code}: ${rebuilder.child.errors}`)
  }

  /** Ends the appending and reading. */
  async rest(): Promise<void> {
    this.#stop.abort()
    await this.#living
  }

  /** What serves, what served before, and the effects, against the log; both copies are folded to its end. */
  async verify(): Promise<string[]> {
    const reference = new BankReference()
    let head = 0
    for await (const page of rawRows(this.#address))
      for (const row of page) {
        reference.add(row)
        head = row.position
      }
    await this.#untilEffects(reference.audited.length)
    const problems = [
      ...this.problems,
      ...reference.problems('the rebuilt copy', await this.#documents(head)),
      ...reference.effectProblems(this.effects),
    ]
    for await (const { key, field, serving, other } of this.#book.rebuilds.compare(this.#model, { limit: 5 }))
      problems.push(`the copies differ in ${key} ${field}: ${String(serving)} and ${String(other)}`)
    await this.#book.rebuilds.undo(this.#model)
    problems.push(...reference.problems('the copy before', await this.#documents(head)))
    return problems
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest()
    await this.#book.close()
  }

  /**
   * All documents of the copy that serves, when it has reached a position, in a book opened for it: an open one hears of a
   * swap within a second.
   */
  async #documents(notBefore: number): Promise<Map<string, Sum>> {
    const found = new Map<string, Sum>()
    const store = storeAt(this.#address)
    await using book = await openBook({ store, projections: [this.#model], follow: false })
    await book.whenReached(this.#model, { notBefore, timeoutMs: mostMs })
    for await (const { key, document } of book.read(this.#model).all()) found.set(key, document)
    return found
  }

  async #untilEffects(count: number): Promise<void> {
    const startMs = performance.now()
    while (this.effects.length < count && performance.now() - startMs < mostMs) await sleep(10)
  }

  #writes(events: number): StreamAppend[] {
    const random = this.#random
    const byStream = new Map<string, StreamAppend['events'][number][]>()
    for (let count = 0; count < events; count++) {
      const stream = `account-${random.integer(0, accounts - 1)}`
      const part = random.next()
      const movement = { cents: random.integer(1, 10_000) }
      const event =
        part < 0.7
          ? bankEvents.Deposited(movement)
          : part < 0.98
            ? bankEvents.Withdrawn(movement)
            : bankEvents.Audited(movement)
      const own = byStream.get(stream) ?? []
      own.push(event)
      byStream.set(stream, own)
    }
    return [...byStream].map(([stream, own]) => ({ stream, events: own }))
  }

  async #append(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#book.append(this.#writes(this.#random.integer(1, 20)))
      await sleep(5)
    }
  }

  /** Reads one document after the other; what is read must never go back. */
  async #read(): Promise<void> {
    const last = new Map<string, number>()
    while (!this.#stop.signal.aborted) {
      const key = `account-${this.#random.integer(0, accounts - 1)}`
      const startMs = performance.now()
      const { movements } = (await this.#book.read(this.#model).get(key)) ?? { movements: 0 }
      this.longestWaitMs = Math.max(this.longestWaitMs, performance.now() - startMs)
      this.reads++
      if (movements < (last.get(key) ?? 0))
        this.problems.push(`a reader of ${key} saw ${movements} movements after ${last.get(key)}`)
      last.set(key, movements)
      await sleep(1)
    }
  }
}

/** A process that rebuilds. */
class Rebuilder {
  readonly child: Child
  #isIt: (message: Message) => boolean = () => false
  #resolve: (message: Message | undefined) => void = () => undefined

  constructor(config: RebuilderConfig) {
    this.child = new Child('rebuilder', config, (message) => {
      if (this.#isIt(message)) this.#resolve(message)
    })
  }

  /** The first word of which something is so; undefined when it ended without. */
  async heard(isIt: (message: Message) => boolean): Promise<Message | undefined> {
    const { promise, resolve } = Promise.withResolvers<Message | undefined>()
    this.#isIt = isIt
    this.#resolve = resolve
    void this.child.ended.then(() => resolve(undefined))
    return promise
  }
}
