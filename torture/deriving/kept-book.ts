/** A book that is written while processes keep its read models; they are killed, and frozen for longer than their leases. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, type LeaseSettings, openBook, type SqlProjection } from 'daybook'
import type { OpenStore } from '../../library/src/core/ports/store.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { Child, type Message } from '../child.ts'
import type { KeeperConfig, KeeperWish } from '../processes/keeper.ts'
import { Random } from '../random.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { type Books, readFoundLogAt } from '../stores/books.ts'
import { effects, keptEvents, ledger, tallies } from './kept.ts'
import { documentProblems, Effects, tableProblems } from './verdict.ts'

/** However busy the machine is. */
const mostMs = 120_000
const streams = 24

/** What is frozen right before a write: who keeps the documents, the table, or tells of withdrawals. */
export const kinds = { documents: 'tallies@', table: 'ledger@', effects: 'subscription effects@' } as const
export type Kind = keyof typeof kinds

export interface KeptOptions {
  readonly lease: LeaseSettings
  /** A pause after each append, in ms. */
  readonly pauseMs: number
  readonly processes: number
  readonly isFenced?: boolean
}

/** One process, and what it said of its freezing. */
interface Keeper {
  readonly child: Child
  frozen: { readonly subscription: string; readonly token: number } | undefined
  late: { readonly isAccepted: boolean } | undefined
  /** True from when it is told to stop before a write until it answers that it does not any more. */
  isArmed: boolean
}

export class KeptBook implements AsyncDisposable {
  readonly problems: string[] = []
  kills = 0
  freezes = 0
  /** Freezes after which somebody else held the lease, so that what came late was stale. */
  stale = 0
  /** Writes that were refused since another owner held the lease. */
  refused = 0
  readonly #address: BookAddress
  readonly #options: KeptOptions
  readonly #random: Random
  readonly #book: Book
  readonly #ledger: SqlProjection
  readonly #store: OpenStore
  readonly #keepers: Keeper[] = []
  readonly #told = new Effects()
  readonly #stop = new AbortController()
  readonly #writing: Promise<void>

  private constructor(
    address: BookAddress,
    options: KeptOptions,
    random: Random,
    opened: { readonly book: Book; readonly ledger: SqlProjection; readonly store: OpenStore },
  ) {
    this.#address = address
    this.#options = options
    this.#random = random
    this.#book = opened.book
    this.#ledger = opened.ledger
    this.#store = opened.store
    this.#writing = this.#write()
    for (let count = 0; count < options.processes; count++) this.#start()
  }

  static async open(books: Books, name: string, seed: string, options: KeptOptions): Promise<KeptBook> {
    const address = books.address(name)
    const table = ledger(address)
    // It keeps nothing itself, but everything begins with its first event.
    const book = await openBook({
      store: storeAt(address),
      projections: [tallies],
      sqlProjections: [table],
      subscriptions: [effects(() => undefined)],
      follow: false,
    })
    const store = await storeAt(address).open(nodeHost())
    return new KeptBook(address, options, new Random(seed), { book, ledger: table, store })
  }

  /** Kills a process at a random moment, mostly at work, sometimes while it opens the book; another takes its place. */
  async kill(): Promise<void> {
    const random = this.#random
    const index = random.integer(0, this.#keepers.length - 1)
    const { child } = this.#keepers[index] as Keeper
    if (random.chance(0.9)) await child.spoke
    await sleep(random.next() * (random.chance(0.2) ? 700 : 150))
    child.kill()
    const { signal, code } = await child.ended
    this.#keepers.splice(index, 1)
    this.#start()
    if (signal === 'SIGKILL') this.kills++
    else this.problems.push(`a process ended by itself with ${code}: ${child.errors}`)
  }

  /** Stops a process wherever it is, for so long. */
  async freezeAnywhere(timeMs: number): Promise<void> {
    const { child } = this.#random.pick(this.#keepers)
    await child.spoke
    await sleep(this.#random.next() * 200)
    child.process.kill('SIGSTOP')
    await sleep(timeMs)
    child.process.kill('SIGCONT')
    this.freezes++
  }

  /**
   * Stops an owner right before a write under its lease, for at least so long and until another owner has passed it, and
   * lets it go on: the write must be refused.
   */
  async freezeBefore(kind: Kind, timeMs: number): Promise<void> {
    const { keeper, subscription, token } = await this.#stopBefore(kinds[kind])
    const frozenMs = performance.now()
    const isPassed = await this.#until(() => this.#isPassed(subscription, token))
    if (!isPassed) this.problems.push(`nobody took over ${subscription} from an owner that was frozen`)
    await sleep(Math.max(0, timeMs - (performance.now() - frozenMs)))
    const isBack = await this.#until(async () => {
      // Again, should the first have come before the process had stopped.
      keeper.child.process.kill('SIGCONT')
      return keeper.late !== undefined
    })
    this.freezes++
    if (!isBack) this.problems.push(`${subscription}: a thawed owner never wrote`)
    if (isPassed) this.stale++
    if (isPassed && keeper.late?.isAccepted) this.problems.push(`${subscription}: a stale write was accepted`)
    keeper.frozen = undefined
    keeper.late = undefined
  }

  /** Ends the writing, waits until everything is kept, and returns how it differs from the folds by hand. */
  async verify(): Promise<string[]> {
    this.#stop.abort()
    await this.#writing
    const address = this.#address
    const { rows } = await readFoundLogAt(address)
    const freshness = { notBefore: rows.length, timeoutMs: mostMs }
    const stalled: string[] = []
    const note = (error: unknown): unknown => stalled.push(String(error))
    await this.#book.whenReached(tallies, freshness).catch(note)
    await this.#book.whenReached(this.#ledger, freshness).catch(note)
    await this.#until(async () => this.#told.hasAll(rows))
    // What is told late is told by then: nothing is under way any more.
    await this.#end()
    const interruptions = this.kills + this.freezes
    return [
      ...this.problems.splice(0),
      ...stalled,
      ...(await documentProblems(this.#book, rows)),
      ...(await tableProblems(address, rows)),
      ...this.#told.problems(rows, interruptions),
    ]
  }

  get repeats(): number {
    return this.#told.repeats
  }

  async events(): Promise<number> {
    return this.#book.head()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#writing
    await this.#end()
    await this.#book.close()
    await this.#store.close()
  }

  #start(): void {
    const { lease, isFenced = true } = this.#options
    const config: KeeperConfig = { address: this.#address, lease, isFenced }
    const keeper: Keeper = {
      child: new Child('keeper', config, (message) => this.#hear(keeper, message)),
      frozen: undefined,
      late: undefined,
      isArmed: false,
    }
    this.#keepers.push(keeper)
  }

  #hear(keeper: Keeper, message: Message): void {
    const { frozen, token, late, isAccepted, refused, isFenced, lost, problem } = message
    if (typeof message.told === 'number') this.#told.hear(message)
    if (typeof frozen === 'string') keeper.frozen = { subscription: frozen, token: Number(token) }
    if (message.disarmed === true) keeper.isArmed = false
    if (typeof late === 'string') keeper.late = { isAccepted: isAccepted === true }
    if (typeof refused === 'string' && isFenced === true) this.refused++
    if (typeof lost === 'string') this.#told.lost++
    if (typeof problem === 'string') this.problems.push(problem)
  }

  /** Has whoever holds a lease stop before a write; the owner may change before it comes to it. */
  async #stopBefore(prefix: string): Promise<{ keeper: Keeper; subscription: string; token: number }> {
    const armed = new Set<Keeper>()
    const wish: KeeperWish = { freezeBefore: prefix }
    const startMs = performance.now()
    while (performance.now() - startMs < mostMs) {
      const stopped = [...armed].find(({ frozen }) => frozen !== undefined)
      if (stopped?.frozen !== undefined) {
        armed.delete(stopped)
        await Promise.all([...armed].map((keeper) => this.#disarm(keeper)))
        return { keeper: stopped, ...stopped.frozen }
      }
      const owners = await this.#owners(prefix)
      for (const keeper of this.#keepers)
        if (owners.has(keeper.child.process.pid) && !armed.has(keeper)) {
          armed.add(keeper)
          keeper.isArmed = true
          keeper.child.send(wish)
          // One at a time: another must be there to take over.
          break
        }
      await sleep(10)
    }
    const leases = await this.#store.following.leases()
    const held = leases.filter(({ subscription }) => subscription.startsWith(prefix))
    const said = this.#keepers.map(({ child }) => child.errors).join(' ')
    throw new Error(`no owner of ${prefix} came to write in time; ${JSON.stringify(held)}; ${said}`)
  }

  /** One that stops in this very moment goes on at once: nobody would be there to take over. */
  async #disarm(keeper: Keeper): Promise<void> {
    keeper.child.send({} satisfies KeeperWish)
    await this.#until(async () => keeper.frozen !== undefined || !keeper.isArmed)
    if (keeper.frozen !== undefined) await this.#thaw(keeper)
  }

  async #thaw(keeper: Keeper): Promise<void> {
    await this.#until(async () => {
      keeper.child.process.kill('SIGCONT')
      return keeper.late !== undefined
    })
    keeper.frozen = undefined
    keeper.late = undefined
  }

  /** The processes that hold leases whose names begin so: an owner's name has its process in it. */
  async #owners(prefix: string): Promise<ReadonlySet<number | undefined>> {
    const leases = await this.#store.following.leases()
    const owners = leases.filter(({ subscription }) => subscription.startsWith(prefix))
    return new Set(owners.map(({ owner }) => Number(owner?.split('/').at(-2))))
  }

  /** True when a later owner has moved the checkpoint. */
  async #isPassed(subscription: string, token: number): Promise<boolean> {
    const leases = await this.#store.following.leases()
    const lease = leases.find((each) => each.subscription === subscription)
    if (lease === undefined || lease.token <= token) return false
    const start = await this.#store.readModels.checkpoint(subscription)
    return this.#until(async () => {
      const checkpoint = await this.#store.readModels.checkpoint(subscription)
      return (checkpoint?.position ?? 0) > (start?.position ?? 0)
    })
  }

  async #until(isSo: () => Promise<boolean>): Promise<boolean> {
    const startMs = performance.now()
    while (performance.now() - startMs < mostMs) {
      if (await isSo()) return true
      await sleep(20)
    }
    return false
  }

  async #write(): Promise<void> {
    const random = this.#random
    for (let nth = 0; !this.#stop.signal.aborted; nth++) {
      const places = random.shuffled(Array.from({ length: streams }, (_, id) => `account-${id}`))
      const writes = places.slice(0, random.integer(1, 4)).map((stream) => ({
        stream,
        events: Array.from({ length: random.integer(1, 3) }, () =>
          random.chance(0.25) ? keptEvents.Withdrawn({ cents: nth }) : keptEvents.Deposited({ cents: nth }),
        ),
      }))
      try {
        await this.#book.append(writes)
      } catch (error) {
        this.problems.push(`an append ended with ${String(error)}`)
        return
      }
      await sleep(this.#options.pauseMs)
    }
  }

  async #end(): Promise<void> {
    for (const { child } of this.#keepers) child.kill()
    await Promise.all(this.#keepers.map(({ child }) => child.ended))
  }
}
