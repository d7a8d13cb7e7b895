import type { LeaseStatus, ParkedEvent } from '../core/ports/following.ts'
import type { Checkpoint } from '../core/ports/read-models.ts'

/** What is known of one shard of a follower at one moment, by the store's clock. */
export interface Observed {
  readonly nowMs: number
  readonly checkpoint: Checkpoint
  readonly lease: LeaseStatus | undefined
  /** When the first event after the checkpoint was recorded; undefined when there is none. */
  readonly nextRecordedAtMs: number | undefined
  /** The event it has stopped at. */
  readonly stoppedAt: ParkedEvent | undefined
  /** True where everybody who appends moves it: an inline read model has no owner. */
  readonly isShared: boolean
}

/** Why a follower does not get on, and since when. */
export interface Stuck {
  readonly cause: string
  readonly sinceMs: number
}

/** Who has not moved for so long, although there is something to do, is stuck. */
const stillMs = 3_000
/** A lease is overdue when this part of its time has passed since it was renewed: 3 s of 5. */
const overdue = 0.6

/** Says why a follower does not get on; undefined for one that does, has nothing to do, or is paused. */
export function stuckBecause(observed: Observed): Stuck | undefined {
  const { lease, stoppedAt, checkpoint, nowMs } = observed
  if (lease?.isPaused) return undefined
  if (stoppedAt !== undefined) {
    const { position, attempts, error, failedAtMs } = stoppedAt
    const cause = `it stopped at the event at position ${position}, after ${attempts} attempts: ${error}`
    return { cause, sinceMs: failedAtMs }
  }
  if (observed.isShared) return undefined
  const at = `position ${checkpoint.position}`
  if (lease?.owner !== undefined) {
    const silentMs = nowMs - lease.renewedAtMs
    if (silentMs > overdue * (lease.untilMs - lease.renewedAtMs)) {
      const cause = `${lease.owner} has not renewed its lease for ${silentMs} ms: it died or hangs, at ${at}`
      return { cause, sinceMs: lease.renewedAtMs }
    }
  }
  const { nextRecordedAtMs } = observed
  if (nextRecordedAtMs === undefined) return undefined
  const sinceMs = Math.max(checkpoint.updatedAtMs, nextRecordedAtMs)
  if (nowMs - sinceMs <= stillMs) return undefined
  const owner = lease?.owner
  const cause =
    owner === undefined
      ? `no process runs it, at ${at}`
      : `${owner} holds the lease and does not get on, at ${at}`
  return { cause, sinceMs }
}
