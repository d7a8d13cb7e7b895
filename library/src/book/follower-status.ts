import type { FollowerKind } from '../core/follower-name.ts'
import type { ParkedStatus } from '../core/ports/following.ts'
import type { ProjectionMode } from '../core/projection.ts'
import type { FollowerState } from '../processing/follower.ts'
import type { LagQuantiles } from '../processing/lag-window.ts'

/** How many events a follower has aside, by status. */
export type ParkedCounts = { readonly [status in ParkedStatus]: number }

/** Where one shard of a follower stands; one that is not sharded has one. */
export interface ShardStatus {
  /** The name of its checkpoint. */
  readonly subscription: string
  readonly position: number
  /** Age of its oldest event that is not done, in ms; 0 when none is. */
  readonly behindMs: number
  readonly movedAtMs: number
  /** Who runs it: machine, process and a mark of its own. Undefined when nobody does. */
  readonly owner?: string
  /** Time since the lease was taken or last renewed. */
  readonly leaseAgeMs?: number
  readonly isPaused: boolean
  /** Why it does not get on, and for how long. */
  readonly cause?: string
  readonly stuckMs?: number
}

/** Where a projection, a subscription, a reaction or a process stands. */
export interface FollowerStatus {
  readonly kind: FollowerKind
  readonly name: string
  /** A reaction has none. */
  readonly version?: number
  readonly mode: ProjectionMode | 'sql' | 'subscription' | 'reaction' | 'process'
  /** What it does in this process. */
  readonly state: FollowerState | 'live'
  /** Everything up to here is done, or put aside. */
  readonly position: number
  /** Events of the log after `position`. */
  readonly behind: number
  /** Age of the oldest event that is not done, in ms; 0 when none is. Events put aside do not count. */
  readonly behindMs: number
  /** When the position last moved, in ms since 1970. */
  readonly movedAtMs?: number
  /** True when the stored read model was made by other code of the same version. */
  readonly isChanged: boolean
  /** True when nobody may run it: see `book.subscriptions.pause`. */
  readonly isPaused: boolean
  /** Who runs it, where that is one process. */
  readonly owner?: string
  readonly leaseAgeMs?: number
  /** True when it has events to handle and does not get on, whoever should run it; `cause` says why. */
  readonly isStuck: boolean
  readonly cause?: string
  readonly stuckMs?: number
  /** How long events took from being recorded to being done, in the last minute, in the process that runs it. */
  readonly lag?: LagQuantiles
  readonly parked: ParkedCounts
  /** What stopped it or is being retried. */
  readonly error?: string
  readonly shards: readonly ShardStatus[]
}

export const noneParked: ParkedCounts = { retrying: 0, waiting: 0, parked: 0, skipped: 0 }
