import { messageOf } from '../core/errors.ts'
import type { LeaseStatus, ParkedEvent } from '../core/ports/following.ts'
import type { Checkpoint } from '../core/ports/read-models.ts'
import type { Follower, FollowerState } from '../processing/follower.ts'
import type { LagWindow } from '../processing/lag-window.ts'
import { stuckBecause } from '../processing/liveness.ts'
import type { BookContext } from './context.ts'
import { type FollowerStatus, noneParked, type ParkedCounts, type ShardStatus } from './follower-status.ts'
import type { OpenSqlProjection } from './open-sql-projection.ts'
import type { OpenSubscription } from './open-subscription.ts'
import type { OpenProjection } from './read-model.ts'

/** What the store knows of all followers, read once. */
interface Stored {
  readonly head: number
  readonly nowMs: number
  readonly checkpoints: ReadonlyMap<string, Checkpoint>
  readonly leases: ReadonlyMap<string, LeaseStatus>
  readonly parked: ReadonlyMap<string, ParkedCounts>
  /** When the first event after a position was recorded, for each position that a follower is at. */
  readonly nextRecordedAtMs: ReadonlyMap<number, number>
  /** What followers have stopped at. */
  readonly stops: ReadonlyMap<string, ParkedEvent>
}

/** Where everything stands that follows a book. */
export async function followerStatuses(
  context: BookContext,
  projections: readonly (OpenProjection | OpenSqlProjection)[],
  subscriptions: readonly OpenSubscription[],
): Promise<readonly FollowerStatus[]> {
  const names = [
    ...projections.flatMap((open) =>
      'mode' in open && open.mode === 'live' ? [] : [open.projecting.definition.subscription],
    ),
    ...subscriptions.flatMap(({ shards }) => shards.map(({ subscribing }) => subscribing.parts.subscription)),
  ]
  const stored = await readStored(context, names)
  return [
    ...projections.map((open) => projectionStatus(stored, open)),
    ...subscriptions.map((open) => subscriptionStatus(stored, open)),
  ]
}

async function readStored({ store }: BookContext, names: readonly string[]): Promise<Stored> {
  const { following, readModels, log } = store
  const [held, leases, counts, nowMs] = await Promise.all([
    readModels.checkpoints(),
    following.leases(),
    following.countParked(),
    following.now(),
  ])
  const parked = new Map<string, ParkedCounts>()
  for (const { subscription, status, count } of counts)
    parked.set(subscription, { ...(parked.get(subscription) ?? noneParked), [status]: count })
  const checkpoints = new Map(held.map(({ subscription, checkpoint }) => [subscription, checkpoint]))
  // Read last: no checkpoint is beyond it.
  const head = (await log.head()).position
  const nextRecordedAtMs = new Map<number, number>()
  const stops = new Map<string, ParkedEvent>()
  for (const subscription of names) {
    const position = checkpoints.get(subscription)?.position ?? 0
    if (position < head && !nextRecordedAtMs.has(position)) {
      const slice = { afterPosition: position, toPosition: position + 1, items: undefined, limit: 1 }
      const [next] = (await log.readLog(slice)).rows
      if (next !== undefined) nextRecordedAtMs.set(position, next.recordedAtMs)
    }
    if ((parked.get(subscription)?.parked ?? 0) === 0) continue
    const filter = { subscription, statuses: ['parked'], afterPosition: position, limit: 1 } as const
    const [stop] = await following.parked(filter)
    if (stop !== undefined) stops.set(subscription, stop)
  }
  const byName = new Map(leases.map((lease) => [lease.subscription, lease]))
  return { head, nowMs, checkpoints, leases: byName, parked, nextRecordedAtMs, stops }
}

function projectionStatus(stored: Stored, open: OpenProjection | OpenSqlProjection): FollowerStatus {
  if (!('mode' in open)) return sqlProjectionStatus(stored, open)
  const { shape } = open.definition
  const identity = { kind: 'projection', name: shape.name, version: shape.version, mode: open.mode } as const
  if (open.mode !== 'live')
    return {
      ...identity,
      ...runOf([open.follower]),
      ...standingOf(stored, [open.projecting.definition.subscription], open.mode === 'inline'),
      ...lagOf(open.lag),
      isChanged: open.isChanged,
    }
  return {
    ...identity,
    state: 'live',
    position: stored.head,
    behind: 0,
    behindMs: 0,
    isChanged: false,
    isPaused: false,
    isStuck: false,
    parked: noneParked,
    shards: [],
  }
}

function sqlProjectionStatus(stored: Stored, open: OpenSqlProjection): FollowerStatus {
  const { name, version, subscription } = open.definition
  return {
    kind: 'projection',
    name,
    version,
    mode: 'sql',
    ...runOf([open.follower]),
    ...standingOf(stored, [subscription], false),
    ...lagOf(open.lag),
    isChanged: open.isChanged,
  }
}

function subscriptionStatus(stored: Stored, { definition, shards, lag }: OpenSubscription): FollowerStatus {
  const { kind, name, version } = definition
  return {
    kind,
    name,
    ...(version === undefined ? {} : { version }),
    mode: kind,
    ...runOf(shards.map(({ follower }) => follower)),
    ...standingOf(
      stored,
      shards.map(({ subscribing }) => subscribing.parts.subscription),
      false,
    ),
    ...lagOf(lag),
    isChanged: false,
  }
}

/** The states of a follower, the one that tells most first. */
const telling: readonly FollowerState[] = ['stopped', 'running', 'waiting', 'standing-by', 'idle']

function runOf(followers: readonly Follower[]): Pick<FollowerStatus, 'state' | 'error'> {
  const state = telling.find((each) => followers.some((follower) => follower.state === each)) ?? 'idle'
  const failed = followers.find(({ error }) => error !== undefined)
  return failed === undefined ? { state } : { state, error: messageOf(failed.error) }
}

function lagOf(window: LagWindow): Pick<FollowerStatus, 'lag'> {
  const lag = window.quantiles()
  return lag === undefined ? {} : { lag }
}

function standingOf(
  stored: Stored,
  subscriptions: readonly string[],
  isShared: boolean,
): Omit<FollowerStatus, 'kind' | 'name' | 'mode' | 'state' | 'isChanged' | 'error' | 'lag'> {
  const shards = subscriptions.map((subscription) => shardStatus(stored, subscription, isShared))
  const position = Math.min(...shards.map((shard) => shard.position))
  const stuck = shards.find(({ cause }) => cause !== undefined)
  const [only] = shards.length === 1 ? shards : []
  return {
    position,
    behind: Math.max(0, stored.head - position),
    behindMs: Math.max(...shards.map(({ behindMs }) => behindMs)),
    movedAtMs: Math.max(...shards.map(({ movedAtMs }) => movedAtMs)),
    isPaused: shards.some(({ isPaused }) => isPaused),
    ...(only?.owner === undefined ? {} : { owner: only.owner }),
    ...(only?.leaseAgeMs === undefined ? {} : { leaseAgeMs: only.leaseAgeMs }),
    isStuck: stuck !== undefined,
    ...(stuck?.cause === undefined ? {} : { cause: stuck.cause }),
    ...(stuck?.stuckMs === undefined ? {} : { stuckMs: stuck.stuckMs }),
    parked: subscriptions.map((subscription) => stored.parked.get(subscription) ?? noneParked).reduce(added),
    shards,
  }
}

function shardStatus(stored: Stored, subscription: string, isShared: boolean): ShardStatus {
  const { checkpoints, leases, nowMs, stops } = stored
  const checkpoint = checkpoints.get(subscription) ?? unprepared
  const lease = leases.get(subscription)
  const nextRecordedAtMs = stored.nextRecordedAtMs.get(checkpoint.position)
  const stoppedAt = stops.get(subscription)
  const stuck = stuckBecause({ nowMs, checkpoint, lease, nextRecordedAtMs, stoppedAt, isShared })
  return {
    subscription,
    position: checkpoint.position,
    behindMs: nextRecordedAtMs === undefined ? 0 : Math.max(0, nowMs - nextRecordedAtMs),
    movedAtMs: checkpoint.updatedAtMs,
    ...(lease?.owner === undefined
      ? {}
      : { owner: lease.owner, leaseAgeMs: Math.max(0, nowMs - lease.renewedAtMs) }),
    isPaused: lease?.isPaused ?? false,
    ...(stuck === undefined ? {} : { cause: stuck.cause, stuckMs: Math.max(0, nowMs - stuck.sinceMs) }),
  }
}

/** Of a follower that only ever was opened for reading. */
const unprepared: Checkpoint = { position: 0, epoch: 0, fingerprint: '', updatedAtMs: 0 }

function added(one: ParkedCounts, other: ParkedCounts): ParkedCounts {
  return {
    retrying: one.retrying + other.retrying,
    waiting: one.waiting + other.waiting,
    parked: one.parked + other.parked,
    skipped: one.skipped + other.skipped,
  }
}
