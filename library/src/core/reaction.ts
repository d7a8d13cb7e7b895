import type { EventSet, RecordedEvent, RecordedEventOf } from './event.ts'
import { printable } from './limits.ts'
import { legalName } from './names.ts'
import {
  type FailurePolicy,
  retryFrom,
  type Subscription,
  type SubscriptionContext,
  type SubscriptionRetry,
  subscribedItem,
} from './subscription.ts'

/** What a reaction gets with its event. */
export type ReactionContext = SubscriptionContext

/** A side effect; see `reaction`. */
export type Reaction = Subscription

/**
 * Defines a side effect: a mail, a payment, a call. It runs after commit, in order per stream, at least once per event,
 * with the event's id as idempotency key; never for an append that rolled back, never again on replay.
 * A reaction new to a book starts at the end of the log (`startAt: 'now'`), so that adding one does not repeat
 * years of mails. An event that keeps failing is parked after `maxAttempts` (default 10): it waits for a person, and
 * later events of its stream behind it, while other streams go on. With `onFailure: 'stop'` everything stops at it.
 *
 * @throws DaybookError `DEFINITION_INVALID`, `ILLEGAL_NAME`, `ILLEGAL_ARGUMENT`
 */
export function reaction<Definitions, Types extends keyof Definitions & string>(
  name: string,
  options: {
    readonly from: EventSet<Definitions>
    readonly types: readonly Types[]
    /** Only events of these categories; every category unless given. */
    readonly categories?: readonly string[]
    /** Only events that carry all of these tags. */
    readonly tags?: readonly string[]
    readonly startAt?: 'now' | 'beginning'
    /** The same as `retry.maxAttempts`. */
    readonly maxAttempts?: number
    readonly onFailure?: FailurePolicy
    readonly retry?: Partial<SubscriptionRetry>
    /** After so many ms an attempt has failed, and its signal is aborted. 1 to 86,400,000; default 30,000. */
    readonly timeoutMs?: number
    /** See `subscription`. */
    readonly inbox?: boolean
    readonly run: (
      event: Extract<RecordedEventOf<Definitions>, { readonly type: Types }>,
      context: ReactionContext,
    ) => unknown
  },
): Reaction {
  legalName('reaction', name)
  const run = options.run as (event: RecordedEvent, context: ReactionContext) => unknown
  const { maxAttempts, retry } = options
  return {
    definition: {
      kind: 'reaction',
      name,
      version: undefined,
      subscription: `reaction ${name}`,
      shards: 1,
      items: [subscribedItem(`reaction ${printable(name)}`, options)],
      startAt: options.startAt ?? 'now',
      batch: 1,
      onFailure: options.onFailure ?? 'park-stream',
      retry: retryFrom(name, { ...retry, ...(maxAttempts === undefined ? {} : { maxAttempts }) }),
      timeoutMs: options.timeoutMs ?? 30_000,
      inbox: options.inbox ?? false,
      run: ([event], context) => run(event as RecordedEvent, context),
    },
  }
}
