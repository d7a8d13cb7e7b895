import { messageOf } from '../core/errors.ts'
import type { FollowingTransaction, ParkedEvent, ParkedStatus } from '../core/ports/following.ts'
import type { FailurePolicy } from '../core/subscription.ts'

/** What is said of an event while an attempt is under way: whoever finds it later knows that the attempt never ended. */
export const begunError = 'an attempt was begun, and has not ended'
/** Why an event is parked whose handling ended the process. */
export const endedError = 'the process ended while handling it'

/** What identifies an event that is put aside. */
export interface AsideEvent {
  readonly position: number
  readonly id: string
  readonly stream: string
  readonly type: string
}

/** An event to be put aside: because it failed, or because an earlier one of its stream did. */
export interface PutAside {
  readonly event: AsideEvent
  readonly failed:
    | { readonly attempts: number; readonly error: string; readonly nextAtMs: number | null }
    | undefined
  /** Of one that waits: it may have been begun together with others, which counts as an attempt. */
  readonly wasBegun?: boolean
}

/** The statuses that make later events of a stream wait. */
export function blockingStatuses(policy: FailurePolicy): readonly ParkedStatus[] {
  return policy === 'park' ? ['retrying', 'waiting'] : ['retrying', 'waiting', 'parked']
}

/** The record of an event put aside. */
export function parkedEvent(
  subscription: string,
  event: AsideEvent,
  nowMs: number,
  state: Pick<ParkedEvent, 'status' | 'attempts' | 'error' | 'nextAtMs'>,
): ParkedEvent {
  return {
    subscription,
    position: event.position,
    eventId: event.id,
    stream: event.stream,
    type: event.type,
    failedAtMs: nowMs,
    changedAtMs: nowMs,
    reason: null,
    actor: null,
    ...state,
  }
}

/** An error as it is kept: short enough for a column. */
export function errorText(error: unknown): string {
  const text = messageOf(error).toWellFormed().replaceAll('\0', '\\0')
  return text.length > 2_000 ? `${text.slice(0, 2_000).toWellFormed()}…` : text
}

/**
 * Puts events aside, in order, in the transaction that moves the checkpoint over them. An event that has no earlier one to
 * wait for, since a person has let its stream go on meanwhile, is to be tried at once. Returns when the first is due.
 */
export async function putAside(
  transaction: FollowingTransaction,
  subscription: string,
  policy: FailurePolicy,
  events: readonly PutAside[],
  nowMs: number,
): Promise<number> {
  const blocked = new Map<string, boolean>()
  let dueAtMs = Number.POSITIVE_INFINITY
  for (const { event, failed, wasBegun = false } of events) {
    const { stream } = event
    if (failed !== undefined) {
      const status = failed.nextAtMs === null ? 'parked' : 'retrying'
      await transaction.putParked(parkedEvent(subscription, event, nowMs, { status, ...failed }))
      dueAtMs = Math.min(dueAtMs, failed.nextAtMs ?? dueAtMs)
      if (status === 'retrying' || policy !== 'park') blocked.set(stream, true)
      continue
    }
    const isBlocked =
      blocked.get(stream) ??
      (await firstOf(transaction, subscription, stream, blockingStatuses(policy))) !== undefined
    const state = isBlocked
      ? { status: 'waiting' as const, nextAtMs: null }
      : { status: 'retrying' as const, nextAtMs: nowMs }
    if (!isBlocked) dueAtMs = nowMs
    await transaction.putParked(
      parkedEvent(subscription, event, nowMs, { ...state, attempts: wasBegun ? 1 : 0, error: null }),
    )
    blocked.set(stream, true)
  }
  return dueAtMs
}

/** The first event of a stream that has one of these statuses. */
export async function firstOf(
  transaction: Pick<FollowingTransaction, 'parked'>,
  subscription: string,
  stream: string,
  statuses: readonly ParkedStatus[],
): Promise<ParkedEvent | undefined> {
  return (await transaction.parked({ subscription, stream, statuses, limit: 1 }))[0]
}

/**
 * Lets a stream go on, whose first event was dropped or skipped: the first that waits behind it is to be tried at once. The
 * caller holds the checkpoint.
 */
export async function releaseStream(
  transaction: FollowingTransaction,
  subscription: string,
  stream: string,
  nowMs: number,
): Promise<void> {
  if ((await firstOf(transaction, subscription, stream, ['retrying'])) !== undefined) return
  const next = await firstOf(transaction, subscription, stream, ['waiting'])
  if (next !== undefined)
    await transaction.putParked({ ...next, status: 'retrying', nextAtMs: nowMs, changedAtMs: nowMs })
}
