import { Mutex } from '../core/mutex.ts'
import type {
  Acquired,
  FollowingStore,
  FollowingTransaction,
  Lease,
  LeaseStatus,
  ParkedEvent,
  ParkedFilter,
  ParkedStatus,
  ReadModelRecord,
  Trial,
} from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint } from '../core/ports/read-models.ts'
import type { MemoryLeases } from './leases.ts'
import type { MemoryReadModels } from './read-models.ts'

/** What transactions change: copied when one begins, kept when it ends well. */
interface State {
  /** By subscription and position. */
  readonly parked: Map<string, ParkedEvent>
  /** Positions of seen event ids, by subscription. */
  readonly seen: Map<string, ReadonlyMap<string, number>>
  readonly readModels: Map<string, ReadModelRecord>
}

/** Leases, parked events, inboxes and copies of read models in memory. */
export class MemoryFollowing implements FollowingStore {
  readonly #host: Host
  readonly #models: MemoryReadModels
  readonly #leases: MemoryLeases
  readonly #members = new Map<string, Map<string, number>>()
  readonly #turn = new Mutex()
  #state: State = { parked: new Map(), seen: new Map(), readModels: new Map() }

  constructor(host: Host, models: MemoryReadModels, leases: MemoryLeases) {
    this.#host = host
    this.#models = models
    this.#leases = leases
  }

  now(): Promise<number> {
    return Promise.resolve(this.#host.now())
  }

  async acquire(subscription: string, owner: string, leaseMs: number): Promise<Acquired | undefined> {
    if ((await this.#models.checkpoint(subscription)) === undefined) return undefined
    return this.#leases.acquire(subscription, owner, leaseMs, this.#host.now())
  }

  renew(lease: Lease, leaseMs: number): Promise<boolean> {
    return Promise.resolve(this.#leases.renew(lease, leaseMs, this.#host.now()))
  }

  release(lease: Lease): Promise<void> {
    this.#leases.release(lease)
    return Promise.resolve()
  }

  noteTrial(lease: Lease, trial: Trial | undefined): Promise<boolean> {
    return Promise.resolve(this.#leases.noteTrial(lease, trial))
  }

  async leases(): Promise<readonly LeaseStatus[]> {
    const prepared = await this.#models.checkpoints()
    return prepared.map(({ subscription }) => this.#leases.status(subscription)).sort(bySubscription)
  }

  pause(subscription: string, isPaused: boolean): Promise<void> {
    this.#leases.pause(subscription, isPaused)
    return Promise.resolve()
  }

  join(group: string, owner: string, memberMs: number): Promise<readonly string[]> {
    const nowMs = this.#host.now()
    const members = this.#members.get(group) ?? new Map<string, number>()
    this.#members.set(group, members.set(owner, nowMs + memberMs))
    for (const [member, untilMs] of members) if (untilMs <= nowMs) members.delete(member)
    return Promise.resolve([...members.keys()].sort())
  }

  leave(group: string, owner: string): Promise<void> {
    this.#members.get(group)?.delete(owner)
    return Promise.resolve()
  }

  parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]> {
    return Promise.resolve(select(this.#state.parked, filter))
  }

  countParked(): Promise<
    readonly { readonly subscription: string; readonly status: ParkedStatus; readonly count: number }[]
  > {
    const counts = new Map<string, { subscription: string; status: ParkedStatus; count: number }>()
    for (const { subscription, status } of this.#state.parked.values()) {
      const key = JSON.stringify([subscription, status])
      const counted = counts.get(key) ?? { subscription, status, count: 0 }
      counts.set(key, { ...counted, count: counted.count + 1 })
    }
    return Promise.resolve([...counts.values()].sort(bySubscription))
  }

  readModels(): Promise<readonly ReadModelRecord[]> {
    return Promise.resolve([...this.#state.readModels.values()].sort((a, b) => (a.name < b.name ? -1 : 1)))
  }

  transaction<Result>(work: (transaction: FollowingTransaction) => Promise<Result>): Promise<Result> {
    return this.#turn.run(async () => {
      for (;;) {
        const models = this.#models.begin()
        const state: State = {
          parked: new Map(this.#state.parked),
          seen: new Map(this.#state.seen),
          readModels: new Map(this.#state.readModels),
        }
        const result = await work(transactionOn(models, state, this.#leases))
        if (!this.#models.commit(models)) continue
        this.#state = state
        return result
      }
    })
  }
}

function transactionOn(models: MemoryReadModels, state: State, leases: MemoryLeases): FollowingTransaction {
  return {
    checkpoint: (subscription) => models.checkpoint(subscription),
    documents: (shape, keys) => models.documents(shape, keys),
    change: (change) => models.change(change),
    move: (subscription: string, fromPosition: number, checkpoint: Checkpoint, lease?: Lease) =>
      models.moveCheckpoint(subscription, fromPosition, checkpoint, lease),
    holds: (lease) => Promise.resolve(leases.holds(lease)),
    putParked: async (event) => void state.parked.set(parkedKey(event.subscription, event.position), event),
    dropParked: async (subscription, position) => void state.parked.delete(parkedKey(subscription, position)),
    parked: (filter) => Promise.resolve(select(state.parked, filter)),
    seen: (subscription, eventIds) => {
      const held = state.seen.get(subscription)
      return Promise.resolve(new Set(eventIds.filter((id) => held?.has(id))))
    },
    remember: async (subscription, events) => {
      const held = new Map(state.seen.get(subscription))
      for (const { id, position } of events) held.set(id, position)
      state.seen.set(subscription, held)
    },
    forgetSeen: async (subscription, throughPosition) => {
      const held = [...(state.seen.get(subscription) ?? [])]
      state.seen.set(subscription, new Map(held.filter(([, position]) => position > throughPosition)))
    },
    readModel: (name) => Promise.resolve(state.readModels.get(name)),
    putReadModel: async (record) => void state.readModels.set(record.name, record),
    sql: undefined,
  }
}

function parkedKey(subscription: string, position: number): string {
  return JSON.stringify([subscription, position])
}

function select(held: ReadonlyMap<string, ParkedEvent>, filter: ParkedFilter): readonly ParkedEvent[] {
  return [...held.values()]
    .filter(
      (event) =>
        (filter.subscription ?? event.subscription) === event.subscription &&
        (filter.statuses?.includes(event.status) ?? true) &&
        (filter.stream ?? event.stream) === event.stream &&
        (filter.position ?? event.position) === event.position &&
        event.position > (filter.afterPosition ?? 0) &&
        (filter.dueAtMs === undefined || (event.nextAtMs !== null && event.nextAtMs <= filter.dueAtMs)),
    )
    .sort((a, b) => bySubscription(a, b) || a.position - b.position)
    .slice(0, filter.limit)
}

function bySubscription(a: { readonly subscription: string }, b: { readonly subscription: string }): number {
  if (a.subscription === b.subscription) return 0
  return a.subscription < b.subscription ? -1 : 1
}
