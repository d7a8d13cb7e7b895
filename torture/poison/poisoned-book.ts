/** A book with poisonous events, and processes that run its errands; who dies is replaced, who loops is killed once replaced. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, openBook, type ParkedEvent } from 'daybook'
import type { OpenStore } from '../../library/src/core/ports/store.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { Child, type Message } from '../child.ts'
import type { ErrandRunnerConfig } from '../processes/errand-runner.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { readFoundLogAt } from '../stores/books.ts'
import { type Deed, type Errand, type ErrandSettings, errandEvents, errands, maxAttempts } from './errands.ts'

/** However busy the machine is. */
const mostMs = 120_000
const subscription = 'subscription errands@1'
const lease = { ttlMs: 500, renewMs: 100 }

export type RunnerSettings = Omit<ErrandRunnerConfig, 'address' | 'lease'>

interface Tried {
  readonly position: number
  readonly attempt: number
}

interface Done {
  readonly position: number
  readonly stream: string
  /** Of the machine's clock that only goes on, in ns. */
  readonly at: number
}

export class PoisonedBook implements AsyncDisposable {
  readonly tried: Tried[] = []
  readonly done: Done[] = []
  /** What was said of parking, and of stopping. */
  readonly parkings: string[] = []
  isStopped = false
  /** Processes that died of an event, or were killed since they hung in one. */
  deaths = 0
  /** Leases that were lost, by who was slow as well. */
  lost = 0
  readonly #address: BookAddress
  readonly #settings: RunnerSettings
  readonly #book: Book
  readonly #store: OpenStore
  readonly #running = new Set<Child>()
  #isEnding = false
  /** Who began something of which nothing was heard since. */
  readonly #inLoop = new Set<Child>()
  #lives: Promise<void>[] = []
  #poison = new Map<number, Deed>()

  private constructor(address: BookAddress, settings: RunnerSettings, book: Book, store: OpenStore) {
    this.#address = address
    this.#settings = settings
    this.#book = book
    this.#store = store
  }

  static async open(address: BookAddress, settings: RunnerSettings): Promise<PoisonedBook> {
    const { onFailure, timeoutMs }: ErrandSettings = settings
    const subscriptions = [errands({ onFailure, timeoutMs }, () => undefined)]
    const book = await openBook({ store: storeAt(address), subscriptions, follow: false })
    return new PoisonedBook(address, settings, book, await storeAt(address).open(nodeHost()))
  }

  /** Asks for so many errands in each of some streams, in turn; the first streams get one poisonous errand in their midst. */
  async ask(perStream: number, streams: number, deeds: readonly Deed[]): Promise<void> {
    const appendedAtOnce = 500
    const writes: { stream: string; data: Errand }[] = []
    for (let nth = 0; nth < perStream; nth++)
      for (let id = 0; id < streams; id++) {
        const deed = nth === Math.floor(perStream / 2) ? deeds[id] : undefined
        writes.push({ stream: `errand-${id}`, data: deed === undefined ? {} : { deed } })
      }
    for (let from = 0; from < writes.length; from += appendedAtOnce) {
      const byStream = Map.groupBy(writes.slice(from, from + appendedAtOnce), ({ stream }) => stream)
      await this.#book.append(
        [...byStream].map(([stream, own]) => ({
          stream,
          events: own.map(({ data }) => errandEvents.Asked(data)),
        })),
      )
    }
    const { rows } = await readFoundLogAt(this.#address)
    const poison = rows.flatMap(({ position, data }) => {
      const { deed } = JSON.parse(data) as Errand
      return deed === undefined ? [] : [[position, deed] as const]
    })
    this.#poison = new Map(poison)
  }

  /** Starts processes; each is replaced when it dies. */
  start(processes: number): void {
    this.#lives = Array.from({ length: processes }, () => this.#live())
    this.#lives.push(this.#watchLoops())
  }

  /** Lets what throws fail for the last time. */
  letFail(): void {
    for (const child of this.#running) child.send({ fail: true })
  }

  /** Positions that are not poisonous and do not come after what is, in their stream. */
  async others(): Promise<readonly number[]> {
    const { rows } = await readFoundLogAt(this.#address)
    const blocked = new Set<string>()
    return rows.flatMap(({ position, stream }) => {
      if (this.#poison.has(position)) blocked.add(stream)
      return blocked.has(stream) ? [] : [position]
    })
  }

  hasDone(positions: readonly number[]): boolean {
    const done = new Set(this.done.map(({ position }) => position))
    return positions.every((position) => done.has(position))
  }

  async until(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
    const startMs = performance.now()
    while (performance.now() - startMs < mostMs) {
      if (await isSo()) return true
      await sleep(10)
    }
    return false
  }

  /** The poisonous events that are aside, whatever for. */
  async aside(): Promise<readonly ParkedEvent[]> {
    const all = await this.#book.subscriptions.parked({ limit: 10_000 })
    return all.filter(({ position }) => this.#poison.has(position))
  }

  async hasParkedAll(): Promise<boolean> {
    const aside = await this.aside()
    return aside.length === this.#poison.size && aside.every(({ status }) => status === 'parked')
  }

  /** Kills every process. What they said has been heard then; as long as they run, the store may be ahead of it. */
  async killAll(): Promise<void> {
    this.#isEnding = true
    for (const child of this.#running) child.kill()
    await Promise.all(this.#lives)
    this.#isEnding = false
  }

  /** Each poisonous event parked once, after its tries. */
  async parkedProblems(): Promise<string[]> {
    const problems: string[] = []
    const aside = await this.aside()
    for (const [position, deed] of this.#poison) {
      const own = aside.filter((event) => event.position === position)
      const [parked] = own
      const tries = this.tried.filter((each) => each.position === position).length
      // The first try of an owner that dies of it is not noted: only its successor takes care. One that was cut off
      // since its lease was lost does not count either.
      const most = maxAttempts + 1 + this.lost
      // Nor is one heard of whose process dies, or is cut off, before it has told.
      const least = maxAttempts - this.deaths - this.lost
      if (own.length !== 1 || parked?.status !== 'parked')
        problems.push(`${deed}: it is ${parked?.status ?? 'not aside'}, ${own.length} times`)
      else if (parked.attempts !== maxAttempts)
        problems.push(`${deed}: it was parked after ${parked.attempts} attempts`)
      if (tries < least || tries > most) problems.push(`${deed}: it was tried ${tries} times`)
      const parkings = this.parkings.filter((text) => text.includes(`event ${position},`)).length
      if (parkings > 1) problems.push(`${deed}: it was parked ${parkings} times`)
    }
    return problems
  }

  /** Processes start again; then a person skips what is poisonous, and all the rest must come, in order. */
  async skipAll(processes: number): Promise<string[]> {
    const tries = this.tried.length
    this.start(processes)
    await this.ask(2, 6, [])
    const others = await this.others()
    const problems: string[] = []
    if (!(await this.until(() => this.hasDone(others)))) problems.push('others did not go on after a restart')
    for (const position of this.#poison.keys())
      await this.#book.subscriptions.skip('errands', position, { reason: 'poison', actor: 'torture' })
    const { rows } = await readFoundLogAt(this.#address)
    const all = rows.map(({ position }) => position).filter((position) => !this.#poison.has(position))
    if (!(await this.until(() => this.hasDone(all)))) problems.push('what waited was not done after the skip')
    if (this.tried.length !== tries) problems.push('what was parked was tried again')
    return [...problems, ...this.#orderProblems()]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll()
    await this.#book.close()
    await this.#store.close()
  }

  #orderProblems(): string[] {
    const seen = new Set<number>()
    const last = new Map<string, number>()
    const problems: string[] = []
    for (const { position, stream } of this.done.toSorted((a, b) => a.at - b.at)) {
      if (seen.has(position)) continue
      seen.add(position)
      if (position < (last.get(stream) ?? 0))
        problems.push(`${position} of ${stream} was done after ${last.get(stream)}`)
      last.set(stream, position)
    }
    return problems
  }

  async #live(): Promise<void> {
    while (!this.#isEnding) {
      const config: ErrandRunnerConfig = { address: this.#address, lease, ...this.#settings }
      const child: Child = new Child('errand-runner', config, (message) => this.#hear(child, message))
      this.#running.add(child)
      await child.ended
      this.#running.delete(child)
      this.#inLoop.delete(child)
      if (!this.#isEnding) this.deaths++
    }
  }

  #hear(child: Child, message: Message): void {
    const { tried, deed, attempt, done, stream, at, lost } = message
    if (typeof tried === 'number') {
      this.tried.push({ position: tried, attempt: Number(attempt) })
      if (deed === 'loop' && this.#settings.isPoisonous) this.#inLoop.add(child)
    }
    if (typeof done === 'number') this.done.push({ position: done, stream: String(stream), at: Number(at) })
    if (typeof message['event-parked'] === 'string') this.parkings.push(message['event-parked'])
    if (typeof message['subscription-stopped'] === 'string') this.isStopped = true
    if (typeof lost === 'string') this.lost++
  }

  /** Nothing but another process notices one that loops; somebody kills it when it has been replaced. */
  async #watchLoops(): Promise<void> {
    while (!this.#isEnding) {
      await sleep(20)
      if (this.#inLoop.size === 0) continue
      const leases = await this.#store.following.leases()
      const owner = leases.find((each) => each.subscription === subscription)?.owner
      for (const child of this.#inLoop) {
        const isReplaced = owner !== undefined && Number(owner.split('/').at(-2)) !== child.process.pid
        if (!isReplaced) continue
        this.#inLoop.delete(child)
        child.kill()
      }
    }
  }
}
