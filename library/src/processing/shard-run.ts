import type { FollowingStore, ParkedStatus } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint, ReadModelStore } from '../core/ports/read-models.ts'
import type { BookIdentity, EventLog } from '../core/ports/store.ts'
import type { SubscriptionDefinition } from '../core/subscription.ts'
import { blockingStatuses } from './aside.ts'
import { BlockedStreams } from './blocked-streams.ts'
import type { HeldLease } from './lease-keeper.ts'
import type { PageSizes } from './page-sizes.ts'

/** Something that happened to an event of a subscription. */
export interface Happening {
  readonly kind: 'event-retrying' | 'event-parked'
  readonly position: number
  readonly attempt: number
  readonly error: unknown
}

/** What running one shard of a subscription needs. */
export interface ShardParts {
  readonly definition: SubscriptionDefinition
  /** Name of its checkpoint. */
  readonly subscription: string
  readonly shard: number
  readonly log: EventLog
  readonly models: ReadModelStore
  readonly following: FollowingStore
  readonly identity: BookIdentity
  readonly host: Host
  /** Of all that read the book in this process. */
  readonly pageSizes: PageSizes
  readonly report: (happening: Happening) => void
  /** Told how long after it was recorded an event was done, in ms. */
  readonly onDone: (lagMs: number) => void
}

/** One run of a shard under one lease: what its main lane and its lane of retries share. */
export class ShardRun {
  readonly parts: ShardParts
  readonly held: HeldLease
  readonly blocked: BlockedStreams
  /** Statuses of events that later ones of their stream wait for. */
  readonly blockingStatuses: readonly ParkedStatus[]
  /** How far the store's clock is ahead of the host's. */
  readonly #clockMs: number

  constructor(parts: ShardParts, held: HeldLease, storeNowMs: number) {
    this.parts = parts
    this.held = held
    this.#clockMs = storeNowMs - parts.host.now()
    const { following, subscription, definition } = parts
    this.blockingStatuses = blockingStatuses(definition.onFailure)
    this.blocked = new BlockedStreams(following, subscription, this.blockingStatuses)
  }

  /** The store's time, without asking it. */
  nowMs(): number {
    return this.parts.host.now() + this.#clockMs
  }

  /** Before anything is done that cannot be taken back: rejects when the lease may be another's by now, and is. */
  async ensureHeld(): Promise<void> {
    if (this.held.isOverdue && !(await this.held.confirm())) throw new Superseded(this.parts.subscription)
  }

  checkpointAt(position: number): Checkpoint {
    return shardCheckpoint(this.parts, position)
  }
}

/** A checkpoint of a shard; its fingerprint tells how many shards share the log, for a checkpoint is good for that only. */
export function shardCheckpoint(
  { identity, host, definition }: Pick<ShardParts, 'identity' | 'host' | 'definition'>,
  position: number,
): Checkpoint {
  const fingerprint = definition.shards === 1 ? '' : `${definition.shards} shards`
  return { position, epoch: identity.epoch, fingerprint, updatedAtMs: host.now() }
}

/** Thrown where a write was refused: by then somebody else runs the shard, or it was moved by hand. */
export class Superseded extends Error {
  constructor(subscription: string) {
    super(`${subscription} was moved by somebody else`)
    this.name = 'Superseded'
  }
}
