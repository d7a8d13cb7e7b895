import { compareCodePoints } from '../core/document-query.ts'
import { followingTransaction } from '../core/following-transaction.ts'
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
import { bySubscription, parkedKey, selectParked } from './kept.ts'
import type { MemoryLeases } from './leases.ts'
import type { MemoryReadModels } from './read-models.ts'

/** Leases, parked events, inboxes and copies of read models in memory. */
export class MemoryFollowing implements FollowingStore {
  readonly #host: Host
  readonly #models: MemoryReadModels
  readonly #leases: MemoryLeases
  readonly #members = new Map<string, Map<string, number>>()
  // Leases change between transactions, so that one that is held in a transaction stays held until its end.
  readonly #turn = new Mutex()

  constructor(host: Host, models: MemoryReadModels, leases: MemoryLeases) {
    this.#host = host
    this.#models = models
    this.#leases = leases
  }

  now(): Promise<number> {
    return Promise.resolve(this.#host.now())
  }

  acquire(subscription: string, owner: string, leaseMs: number): Promise<Acquired | undefined> {
    return this.#turn.run(async () => {
      if ((await this.#models.checkpoint(subscription)) === undefined) return undefined
      return this.#leases.acquire(subscription, owner, leaseMs, this.#host.now())
    })
  }

  renew(lease: Lease, leaseMs: number): Promise<boolean> {
    return this.#turn.run(() => this.#leases.renew(lease, leaseMs, this.#host.now()))
  }

  release(lease: Lease): Promise<void> {
    return this.#turn.run(() => this.#leases.release(lease))
  }

  noteTrial(lease: Lease, trial: Trial | undefined): Promise<boolean> {
    return this.#turn.run(() => this.#leases.noteTrial(lease, trial))
  }

  async leases(): Promise<readonly LeaseStatus[]> {
    const prepared = await this.#models.checkpoints()
    return prepared.map(({ subscription }) => this.#leases.status(subscription)).sort(bySubscription)
  }

  pause(subscription: string, isPaused: boolean): Promise<void> {
    return this.#turn.run(async () => {
      if ((await this.#models.checkpoint(subscription)) === undefined) return
      this.#leases.pause(subscription, isPaused)
    })
  }

  join(group: string, owner: string, memberMs: number): Promise<readonly string[]> {
    const nowMs = this.#host.now()
    const members = this.#members.get(group) ?? new Map<string, number>()
    this.#members.set(group, members.set(owner, nowMs + memberMs))
    for (const [member, untilMs] of members) if (untilMs <= nowMs) members.delete(member)
    return Promise.resolve([...members.keys()].sort(compareCodePoints))
  }

  leave(group: string, owner: string): Promise<void> {
    this.#members.get(group)?.delete(owner)
    return Promise.resolve()
  }

  parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]> {
    return Promise.resolve(selectParked(this.#models.kept, filter))
  }

  countParked(): Promise<
    readonly { readonly subscription: string; readonly status: ParkedStatus; readonly count: number }[]
  > {
    const counts = new Map<string, { subscription: string; status: ParkedStatus; count: number }>()
    for (const { subscription, status } of this.#models.kept.parked.values()) {
      const key = JSON.stringify([subscription, status])
      const counted = counts.get(key) ?? { subscription, status, count: 0 }
      counts.set(key, { ...counted, count: counted.count + 1 })
    }
    const sorted = [...counts.values()].sort(
      (a, b) => bySubscription(a, b) || compareCodePoints(a.status, b.status),
    )
    return Promise.resolve(sorted)
  }

  readModels(): Promise<readonly ReadModelRecord[]> {
    const records = [...this.#models.kept.readModels.values()]
    return Promise.resolve(records.sort((a, b) => compareCodePoints(a.name, b.name)))
  }

  transaction<Result>(work: (transaction: FollowingTransaction) => Promise<Result>): Promise<Result> {
    return this.#turn.run(() =>
      followingTransaction(
        'memory:',
        async (body) => {
          for (;;) {
            const models = this.#models.begin()
            const result = await body(transactionOn(models, this.#leases))
            if (this.#models.commit(models)) return result
          }
        },
        work,
      ),
    )
  }
}

function transactionOn(models: MemoryReadModels, leases: MemoryLeases): FollowingTransaction {
  return {
    checkpoint: (subscription) => models.checkpoint(subscription),
    documents: (shape, keys, from) => models.documents(shape, keys, from),
    change: (change) => models.change(change),
    move: (subscription, fromPosition, checkpoint, lease) =>
      models.moveCheckpoint(subscription, fromPosition, checkpoint, lease),
    holds: (lease) => Promise.resolve(leases.holds(lease)),
    putParked: async (event) => {
      const key = parkedKey(event.subscription, event.position)
      models.keep({ parked: new Map(models.kept.parked).set(key, event) })
    },
    dropParked: async (subscription, position) => {
      const parked = new Map(models.kept.parked)
      parked.delete(parkedKey(subscription, position))
      models.keep({ parked })
    },
    parked: async (filter) => selectParked(models.kept, filter),
    seen: async (subscription, eventIds) => {
      const held = models.kept.seen.get(subscription)
      return new Set(eventIds.filter((id) => held?.has(id)))
    },
    remember: async (subscription, events) => {
      const held = new Map(models.kept.seen.get(subscription))
      for (const { id, position } of events) held.set(id, position)
      models.keep({ seen: new Map(models.kept.seen).set(subscription, held) })
    },
    forgetSeen: async (subscription, throughPosition) => {
      const held = [...(models.kept.seen.get(subscription) ?? [])]
      const kept = new Map(held.filter(([, position]) => position > throughPosition))
      models.keep({ seen: new Map(models.kept.seen).set(subscription, kept) })
    },
    readModel: async (name) => models.kept.readModels.get(name),
    putReadModel: async (record) => {
      models.keep({ readModels: new Map(models.kept.readModels).set(record.name, record) })
    },
    sql: undefined,
  }
}
