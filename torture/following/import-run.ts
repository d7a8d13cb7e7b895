/** An import under way: writer processes, subscriber processes that come and go, and a transaction that never ends. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openBook } from 'daybook'
import { Child } from '../child.ts'
import type { ImportWriterConfig, Phase } from '../processes/import-writer.ts'
import type { SubscriberConfig } from '../processes/subscriber.ts'
import { Random } from '../random.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { holdSnapshot, makeNotes, readNotes } from '../stores/own-transaction.ts'
import { ExpectedLog } from './expected-log.ts'
import { type Group, grouped, subscribers, tallies } from './subscribers.ts'
import { Witness } from './witness.ts'

/** How large and how slow it is. */
export interface ImportScale {
  readonly events: number
  /** Over how many processes the 32 writers and the 20 subscribers are spread. */
  readonly writerProcesses: number
  readonly subscriberProcesses: number
  readonly longestPauseMs: number
  readonly longPauses: ImportWriterConfig['longPauses']
  /** How long a subscriber process lives, at least and at most, in ms. */
  readonly livesMs: readonly [number, number]
  /** How long a phase of the writers lasts, at least and at most, in ms. */
  readonly phaseMs: readonly [number, number]
  /** How long the unrelated transaction is left open, in ms. */
  readonly snapshotMs: number
}

const writers = 32
/** How long subscribers may take to catch up once the last event is written, in ms. */
const catchUpMs = 120_000

export class ImportRun {
  readonly witness = new Witness()
  readonly problems: string[] = []
  kills = 0
  stops = 0
  readonly #address: BookAddress
  readonly #folder: string
  readonly #scale: ImportScale
  readonly #random: Random
  readonly #seed: string
  /** Aborted when the writers are done: subscribers live on until they have seen everything. */
  readonly #written = new AbortController()
  readonly #caughtUp = new AbortController()
  /** Those that keep the read model. */
  readonly #folding = new Set<Child>()
  #lives = 0

  constructor(address: BookAddress, folder: string, scale: ImportScale, seed: string) {
    this.#address = address
    this.#folder = folder
    this.#scale = scale
    this.#seed = seed
    this.#random = new Random(seed)
  }

  /** Imports until there are enough events and everybody has seen them; returns the log. */
  async run(progress: (events: number) => void, signal: AbortSignal): Promise<ExpectedLog> {
    await (await openBook({ store: storeAt(this.#address) })).close()
    await makeNotes(this.#address)
    const groups = grouped(this.#scale.subscriberProcesses)
    const following = Promise.all(groups.map((names) => this.#keepFollowing(names)))
    const snapshots = this.#holdSnapshots()
    await this.#write(progress, signal)
    this.#written.abort()
    const log = await ExpectedLog.read(this.#address)
    const startMs = performance.now()
    while (subscribers.some((subscriber) => !this.witness.hasSeenAll(subscriber, log))) {
      if (performance.now() - startMs > catchUpMs) break
      await sleep(20)
    }
    if (this.problems.length === 0) await this.#tallyProblems(log)
    this.#caughtUp.abort()
    await Promise.all([following, snapshots])
    this.problems.push(...this.witness.writerProblems(log, await readNotes(this.#address)))
    this.problems.push(...this.witness.problems, ...this.witness.subscriberProblems(log))
    return log
  }

  async #write(progress: (events: number) => void, signal: AbortSignal): Promise<void> {
    const { events, writerProcesses, longestPauseMs, longPauses } = this.#scale
    const children = Array.from({ length: writerProcesses }, (_, index) => {
      const name = `${this.#seed}.${index}`
      const share = writers / writerProcesses
      const config: ImportWriterConfig = {
        address: this.#address,
        name,
        writers: share,
        longestPauseMs,
        longPauses,
      }
      return new Child('import-writer', config, (message) => this.witness.hearWriter(message))
    })
    const tell = (phase: Phase): void => {
      for (const child of children) child.send({ phase })
    }
    await Promise.all(children.map((child) => child.spoke))
    const ended = Promise.all(children.map((child) => child.ended))
    let isEnded = false
    void ended.then(() => {
      isEnded = true
    })
    for (let phase = 0; this.witness.committedEvents < events && !signal.aborted && !isEnded; phase++) {
      tell((['steady', 'idle', 'burst'] as const)[phase % 3] as Phase)
      if (phase % 3 === 2) this.#rebuild()
      await sleep(this.#between(this.#scale.phaseMs))
      progress(this.witness.committedEvents)
    }
    tell('stop')
    for (const [index, { code }] of (await ended).entries())
      if (code !== 0) this.problems.push(`a writer ended with ${code}: ${children[index]?.errors}`)
  }

  /** Some process that runs the projection folds it anew, while others go on folding it. */
  #rebuild(): void {
    const [child] = this.#random.shuffled([...this.#folding])
    child?.send({ rebuild: true })
  }

  /** Starts a process of subscribers again and again; most are killed, some are stopped. */
  async #keepFollowing(group: Group): Promise<void> {
    const config: SubscriberConfig = { address: this.#address, ...group, folder: this.#folder }
    while (!this.#caughtUp.signal.aborted) {
      const life = ++this.#lives
      const child = new Child('subscriber', config, (message) => this.witness.hearSubscriber(life, message))
      if (group.folds) this.#folding.add(child)
      const isKilled = await this.#live(child)
      const { code } = await child.ended
      this.#folding.delete(child)
      if (!isKilled && code !== 0) {
        this.problems.push(`a subscriber ended with ${code}: ${child.errors}`)
        return
      }
      await this.#wait(this.#random.next() * 500, this.#caughtUp.signal)
    }
  }

  /** Lets it live for a while; true when it was killed. */
  async #live(child: Child): Promise<boolean> {
    await child.spoke
    const lifeMs = this.#between(this.#scale.livesMs)
    await Promise.race([this.#wait(lifeMs, this.#written.signal), child.ended])
    if (this.#written.signal.aborted) {
      // The last life lasts until everything was seen.
      await Promise.race([this.#wait(catchUpMs * 2, this.#caughtUp.signal), child.ended])
    } else if (this.#random.chance(0.7)) {
      child.kill()
      this.kills++
      return true
    }
    this.stops++
    child.send({ stop: true })
    return false
  }

  /** One unrelated session after the other. */
  async #holdSnapshots(): Promise<void> {
    while (!this.#written.signal.aborted) {
      const end = await holdSnapshot(this.#address)
      await this.#wait(this.#scale.snapshotMs, this.#written.signal)
      await end()
      await this.#wait(200, this.#written.signal)
    }
  }

  async #tallyProblems(log: ExpectedLog): Promise<void> {
    await using book = await openBook({
      store: storeAt(this.#address),
      projections: [tallies],
      follow: false,
    })
    const freshness = { notBefore: log.rows.length, timeoutMs: catchUpMs }
    for (const [category, expected] of log.tallies()) {
      const tally = await book.read(tallies).get(category, freshness).catch(String)
      if (JSON.stringify(tally) !== JSON.stringify(expected))
        this.problems.push(
          `the read model of ${category} has ${JSON.stringify(tally)}, not ${JSON.stringify(expected)}`,
        )
    }
    const { firstBad } = await book.verify()
    if (firstBad !== undefined) this.problems.push(`the log does not verify: ${JSON.stringify(firstBad)}`)
  }

  #between([least, most]: readonly [number, number]): number {
    return least + this.#random.next() * (most - least)
  }

  #wait(timeMs: number, signal: AbortSignal): Promise<void> {
    return sleep(timeMs, undefined, { signal }).catch(() => undefined)
  }
}
