/** One book, written and killed round after round, with its ledger. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../child.ts'
import { unsoundness } from '../found-log.ts'
import { Ledger } from '../ledger.ts'
import { operationOf } from '../operations.ts'
import type { KillFollowerConfig } from '../processes/kill-follower.ts'
import type { KillWriterConfig } from '../processes/kill-writer.ts'
import { Random } from '../random.ts'
import type { BookAddress } from '../stores/address.ts'
import { type Books, copyOf, readFoundLogAt } from '../stores/books.ts'
import { killDatabase } from './database.ts'
import { readModelProblems } from './read-model-problems.ts'

/** What a control does wrong: it acknowledges before it appends, or before the append is on the disk. */
export type Sabotage = 'early' | 'unflushed'

/** Longer than any recovery of so small a database takes on a busy machine. */
const progressWithinMs = 30_000

export class BookUnderKill {
  kills = 0
  databaseKills = 0
  /** Operations that the product refused because the database was away. */
  refused = 0
  events = 0
  readonly #books: Books
  readonly #address: BookAddress
  readonly #random: Random
  readonly #seed: string
  readonly #sabotage: Sabotage | undefined
  readonly #ledger = new Ledger()
  /** Called when a writer says that something was acknowledged, with the time: ns of the machine's monotonic clock. */
  readonly #progress = new Map<Child, (at: number) => void>()
  #round = 0

  constructor(books: Books, name: string, seed: string, sabotage?: Sabotage) {
    this.#books = books
    this.#address = books.address(name)
    this.#seed = seed
    this.#random = new Random(seed)
    this.#sabotage = sabotage
  }

  get acknowledged(): number {
    return this.#ledger.acknowledged.length
  }

  /** Starts writers and perhaps a follower, kills them all and the database below them, and returns what is then wrong. */
  async round(): Promise<string[]> {
    const random = this.#random
    const writers = random.pick([1, 1, 2, 3])
    this.#round++
    const children = Array.from({ length: writers }, (_, index) => this.#write(index))
    const follower = this.#sabotage === undefined && random.chance(0.3) ? [this.#follow()] : []
    const problems = await this.#killDatabase(children)
    const ends = await Promise.all([...children, ...follower].map((child) => this.#killSoon(child)))
    this.#progress.clear()
    return [...problems, ...ends.flat(), ...(await this.#verify())]
  }

  #write(index: number): Child {
    const random = this.#random
    const isKeyed = (op: string): boolean => operationOf(op).hasKey
    const known = this.#ledger.acknowledged.filter(isKeyed)
    const repeats = known.length === 0 ? [] : [random.pick(known), random.pick(known)]
    const isSabotaged = this.#sabotage !== undefined
    const config: KillWriterConfig = {
      address: this.#address,
      name: `${this.#seed}.${this.#round}.${index}`,
      // Every writer repeats what is in doubt, so that several repeat it at once.
      again: isSabotaged ? [] : [...this.#ledger.doubtful.filter(isKeyed).slice(-20), ...repeats],
      acknowledge: this.#sabotage === 'early' ? 'before' : 'after',
      isFlushed: this.#sabotage !== 'unflushed',
      callers: isSabotaged ? 32 : random.pick([1, 4, 16]),
    }
    const child = new Child('kill-writer', config, (message) => {
      if (typeof message.begun === 'string') this.#ledger.begin(message.begun)
      if (typeof message.refused === 'string') {
        this.#ledger.refuse(message.refused)
        this.refused++
      }
      if (typeof message.acknowledged === 'string') {
        const answer = { first: Number(message.first), last: Number(message.last) }
        this.#ledger.acknowledge(message.acknowledged, answer)
        this.#progress.get(child)?.(Number(message.at))
      }
    })
    return child
  }

  #follow(): Child {
    const config: KillFollowerConfig = { address: this.#address }
    return new Child('kill-follower', config, () => undefined)
  }

  /** Kills the database, or one of its processes, once or twice; each time every writer must go on by itself. */
  async #killDatabase(writers: readonly Child[]): Promise<string[]> {
    const { server } = this.#books
    if (server === undefined || this.#sabotage === 'early') return []
    const random = this.#random
    const problems: string[] = []
    for (let left = random.integer(1, 2); left > 0; left--) {
      await Promise.all(writers.map((writer) => writer.spoke))
      // The control is to have something to lose.
      const now = Number(process.hrtime.bigint())
      if (this.#sabotage !== undefined)
        await Promise.all(writers.map((writer) => this.#hasProgress(writer, now)))
      await sleep(random.next() * 80)
      const victim = await killDatabase(server, random)
      this.kills++
      this.databaseKills++
      // Without a flush there is no telling what an append after the crash stands on; the loss is seen at once.
      if (this.#sabotage !== undefined) return problems
      const killedAt = Number(process.hrtime.bigint())
      const progress = await Promise.all(writers.map((writer) => this.#hasProgress(writer, killedAt)))
      if (progress.includes(false)) problems.push(`no append was acknowledged after the kill of ${victim}`)
    }
    return problems
  }

  /** Resolves with true when the writer was told of another append since, with false when it takes too long. */
  async #hasProgress(writer: Child, since: number): Promise<boolean> {
    const waiting = new AbortController()
    const moved = new Promise<boolean>((resolve) =>
      this.#progress.set(writer, (at) => {
        if (at > since) resolve(true)
      }),
    )
    const ended = writer.ended.then(() => true)
    const late = sleep(progressWithinMs, false, { signal: waiting.signal }).catch(() => false)
    const hasMoved = await Promise.race([moved, ended, late])
    waiting.abort()
    return hasMoved
  }

  /** Kills a child at a random moment: mostly at work, sometimes while it opens the book. */
  async #killSoon(child: Child): Promise<string[]> {
    const random = this.#random
    const isAtWork = this.#sabotage !== undefined || random.chance(0.85)
    const delayMs = isAtWork ? random.next() * 80 : 80 + random.next() * 200
    if (isAtWork) await child.spoke
    await sleep(delayMs)
    child.kill()
    const { signal, code } = await child.ended
    this.kills++
    return signal === 'SIGKILL' ? [] : [`a process ended by itself with ${code}: ${child.errors}`]
  }

  /** Checks the book, or a copy of its file: then the next round goes on from the very bytes that the kill left. */
  #verify(): Promise<string[]> {
    const address = this.#address
    const isCopied = address.store === 'sqlite' && this.#random.chance(0.5)
    return this.#verifyAt(isCopied ? copyOf(address) : address)
  }

  async #verifyAt(address: BookAddress): Promise<string[]> {
    const found = await readFoundLogAt(address)
    if (found.rows.length === 0 && this.acknowledged === 0) return []
    this.events = found.rows.length
    return [
      ...unsoundness(found),
      ...this.#ledger.problems(found),
      ...(await readModelProblems(address, found)),
    ]
  }
}
