import { DaybookError } from './errors.ts'
import { type AnyEventSet, definitionsOf, type RecordedEvent, type RecordedEventFrom } from './event.ts'
import { integerWithin, printable } from './limits.ts'
import { legalCategory, legalName } from './names.ts'
import type { QueryItem } from './query.ts'

/**
 * What becomes of an event whose handling fails. It is tried again first, and later events of its stream wait meanwhile;
 * other streams go on. When the attempts are used up: `park-stream` parks it and lets its stream wait for a person, `park`
 * parks it and lets its stream go on, `stop` stops everything at the event, with no try in between for other streams.
 */
export type FailurePolicy = 'park-stream' | 'park' | 'stop'

/** Where a subscription begins when a book first meets it; `previous`: where its last version had got. */
export type SubscriptionStart = 'beginning' | 'now' | 'previous'

/** How often and when a failed event is tried again; the wait doubles each time, with jitter. */
export interface SubscriptionRetry {
  /** 1 to 1,000; default 10. */
  readonly maxAttempts: number
  /** Wait after the first failure in ms, 1 to 3,600,000; default 10. */
  readonly delayMs: number
  /** Longest wait in ms, 1 to 86,400,000; default 10,000. */
  readonly maxDelayMs: number
}

/** What the function of a subscription gets with its event. */
export interface SubscriptionContext {
  /** The event's id: the same on every try, so that the other side can tell a repeat. */
  readonly idempotencyKey: string
  /** 1 for the first try. */
  readonly attempt: number
  /** True when an earlier try may have reached the destination; exact with `inbox`, else false only as far as is known. */
  readonly isRepeat: boolean
  /** Aborted when the time is up, the lease is lost or the book closes. */
  readonly signal: AbortSignal
}

/** What the function of a subscription gets with several events; their ids are their idempotency keys. */
export type BatchContext = Omit<SubscriptionContext, 'idempotencyKey'>

/** The types of events of a set, or of several. */
export type EventTypeFrom<From> = RecordedEventFrom<From>['type']

/** What a subscription is defined by. */
export type SubscriptionOptions<From, Types extends string> = SubscriptionSettings<From, Types> &
  (
    | {
        /** Handles one event. It is done when this resolves. */
        readonly run: (
          event: Extract<RecordedEventFrom<From>, { readonly type: Types }>,
          context: SubscriptionContext,
        ) => unknown
        readonly runBatch?: never
        readonly batch?: 1
      }
    | {
        /** Handles up to `batch` events; when it fails they are tried one by one. */
        readonly runBatch: (
          events: readonly Extract<RecordedEventFrom<From>, { readonly type: Types }>[],
          context: BatchContext,
        ) => unknown
        readonly run?: never
        /** 1 to 1,000; default 100. */
        readonly batch?: number
      }
  )

interface SubscriptionSettings<From, Types extends string> {
  /** The events it may want: a set, or several. */
  readonly from: From
  /** Only these types; every type of `from` unless given. */
  readonly types?: readonly Types[]
  /** Only events of these categories; every category unless given. */
  readonly categories?: readonly string[]
  /** Only events that carry all of these tags. */
  readonly tags?: readonly string[]
  /** Default: the beginning of the log. */
  readonly startAt?: SubscriptionStart
  /** A new version begins anew, beside the old. 1 to 1,000,000; default 1. */
  readonly version?: number
  /** Shares the work by stream over all processes: 1 to 64 shards, default 1. Another number needs another version. */
  readonly shards?: number
  /** Default: `park-stream`. */
  readonly onFailure?: FailurePolicy
  readonly retry?: Partial<SubscriptionRetry>
  /** After so many ms an attempt has failed, and its signal is aborted. 1 to 86,400,000; default 30,000. */
  readonly timeoutMs?: number
  /** Notes each event durably before it is handled and ids that are done, at the price of a write to the disk for each. */
  readonly inbox?: boolean
}

/** A subscription; see `subscription`. */
export interface Subscription {
  readonly definition: SubscriptionDefinition
}

/** A subscription as the engine runs it; reactions are defined by it too. */
export interface SubscriptionDefinition {
  readonly kind: 'subscription' | 'reaction' | 'process'
  readonly name: string
  /** Undefined where there are no versions. */
  readonly version: number | undefined
  /** The name its checkpoint is kept under; with several shards each has its own, see `shardNames`. */
  readonly subscription: string
  readonly shards: number
  readonly items: readonly QueryItem[]
  readonly startAt: SubscriptionStart
  /** Most events that `run` gets at once. */
  readonly batch: number
  readonly onFailure: FailurePolicy
  readonly retry: SubscriptionRetry
  readonly timeoutMs: number
  readonly inbox: boolean
  readonly run: (events: readonly RecordedEvent[], context: SubscriptionContext) => unknown
}

const subscriptionName = /^[a-z][a-z0-9_-]{0,47}$/

/**
 * Defines a subscription: a plain follower of the log for anything that is not a read model of this book, a search engine, a
 * cache, another service. Every event at least once, in order per stream; an event that cannot be handled does not hold
 * other streams up.
 *
 * @throws DaybookError `DEFINITION_INVALID`, `ILLEGAL_NAME`, `ILLEGAL_ARGUMENT`
 */
export function subscription<
  const From extends AnyEventSet | readonly AnyEventSet[],
  const Types extends EventTypeFrom<From> = EventTypeFrom<From>,
>(name: string, options: SubscriptionOptions<From, Types>): Subscription {
  if (!subscriptionName.test(name)) {
    throw invalid(name, 'its name must be 1 to 48 of a-z, 0-9, _ and -, beginning with a letter')
  }
  const version = within(name, 'version', options.version ?? 1, 1_000_000)
  const { run, batch } = runOf(name, options)
  return {
    definition: {
      kind: 'subscription',
      name,
      version,
      subscription: `subscription ${name}@${version}`,
      shards: within(name, 'shards', options.shards ?? 1, 64),
      items: [subscribedItem(`subscription ${printable(name)}`, options)],
      startAt: options.startAt ?? 'beginning',
      batch,
      onFailure: options.onFailure ?? 'park-stream',
      retry: retryFrom(name, options.retry),
      timeoutMs: within(name, 'timeoutMs', options.timeoutMs ?? 30_000, 86_400_000),
      inbox: options.inbox ?? false,
      run,
    },
  }
}

/** The names of its checkpoints: its own, or one for each shard: `subscription search@1#0`. */
export function shardNames({ subscription, shards }: SubscriptionDefinition): readonly string[] {
  if (shards === 1) return [subscription]
  return Array.from({ length: shards }, (_, shard) => `${subscription}#${shard}`)
}

/** The policy of retries, completed with the defaults. Throws `ILLEGAL_ARGUMENT`. */
export function retryFrom(name: string, given: Partial<SubscriptionRetry> = {}): SubscriptionRetry {
  return {
    maxAttempts: within(name, 'retry.maxAttempts', given.maxAttempts ?? 10, 1_000),
    delayMs: within(name, 'retry.delayMs', given.delayMs ?? 10, 3_600_000),
    maxDelayMs: within(name, 'retry.maxDelayMs', given.maxDelayMs ?? 10_000, 86_400_000),
  }
}

/** The filter of a subscription. Throws `DEFINITION_INVALID` for a type that is none of `from`. */
export function subscribedItem(
  title: string,
  given: {
    readonly from: AnyEventSet | readonly AnyEventSet[]
    readonly types?: readonly string[]
    readonly categories?: readonly string[]
    readonly tags?: readonly string[]
  },
): QueryItem {
  const sets = 'length' in given.from ? given.from : [given.from]
  const known = new Set(sets.flatMap((set) => [...set[definitionsOf].keys()]))
  const types = given.types ?? [...known]
  const unknownType = types.find((type) => !known.has(type))
  if (unknownType !== undefined || types.length === 0) {
    throw new DaybookError(
      'DEFINITION_INVALID',
      `${title} names ${printable(unknownType)}, which is no event of "from"`,
      { title, type: unknownType },
    )
  }
  const categories = given.categories?.map(legalCategory)
  const tags = given.tags?.map((tag) => legalName('tag', tag))
  return { types: [...new Set(types)], ...(categories ? { categories } : {}), ...(tags ? { tags } : {}) }
}

interface AnyRun {
  readonly run?: (event: never, context: SubscriptionContext) => unknown
  readonly runBatch?: (events: readonly never[], context: BatchContext) => unknown
  readonly batch?: number
}

function runOf(name: string, given: AnyRun): Pick<SubscriptionDefinition, 'run' | 'batch'> {
  const { batch } = given
  const run = given.run as ((event: RecordedEvent, context: SubscriptionContext) => unknown) | undefined
  const runBatch = given.runBatch as SubscriptionDefinition['run'] | undefined
  if ((run === undefined) === (runBatch === undefined)) throw invalid(name, 'it needs either run or runBatch')
  if (runBatch !== undefined) return { run: runBatch, batch: within(name, 'batch', batch ?? 100, 1_000) }
  if (batch !== undefined && batch !== 1) throw invalid(name, 'run gets one event; runBatch gets several')
  return { run: ([event], context) => run?.(event as RecordedEvent, context), batch: 1 }
}

function within(name: string, setting: string, value: number, most: number): number {
  return integerWithin(`${setting} of ${printable(name)}`, value, 1, most)
}

function invalid(name: string, problem: string): DaybookError {
  return new DaybookError('DEFINITION_INVALID', `subscription ${printable(name)}: ${problem}`, {
    subscription: name,
  })
}
