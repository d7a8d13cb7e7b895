import { DaybookError } from './errors.ts'
import { definitionsOf, type EventSet, type RecordedEvent, type RecordedEventOf } from './event.ts'
import { printable } from './limits.ts'
import { legalCategory, legalName } from './names.ts'
import type { QueryItem } from './query.ts'

/** What a reaction gets with its event. */
export interface ReactionContext {
  /** The event's id: the same on every try, so that the other side can tell a repeat. */
  readonly idempotencyKey: string
  /** 1 for the first try. */
  readonly attempt: number
  /** Aborted when the book closes. */
  readonly signal: AbortSignal
}

/** A side effect; see `reaction`. */
export interface Reaction {
  readonly definition: ReactionDefinition
}

/** A reaction as the engine runs it. */
export interface ReactionDefinition {
  readonly name: string
  readonly subscription: string
  readonly items: readonly QueryItem[]
  readonly startAt: 'now' | 'beginning'
  readonly maxAttempts: number
  readonly run: (event: RecordedEvent, context: ReactionContext) => unknown
}

/**
 * Defines a side effect: a mail, a payment, a call. It runs after commit, in order, at least once per event, with
 * the event's id as idempotency key; never for an append that rolled back, never again on replay.
 * A reaction new to a book starts at the end of the log (`startAt: 'now'`), so that adding one does not repeat
 * years of mails. One that keeps failing stops at its event after `maxAttempts` (default 10) and is reported; it
 * skips nothing, and tries again when the book is opened the next time.
 */
export function reaction<Definitions, Types extends keyof Definitions & string>(
  name: string,
  options: {
    readonly from: EventSet<Definitions>
    readonly types: readonly Types[]
    /** Only events of these categories; every category unless given. */
    readonly categories?: readonly string[]
    readonly startAt?: 'now' | 'beginning'
    readonly maxAttempts?: number
    readonly run: (
      event: Extract<RecordedEventOf<Definitions>, { readonly type: Types }>,
      context: ReactionContext,
    ) => unknown
  },
): Reaction {
  legalName('reaction', name)
  const unknownType = options.types.find((type) => !options.from[definitionsOf].has(type))
  if (unknownType !== undefined || options.types.length === 0) {
    throw new DaybookError(
      'DEFINITION_INVALID',
      `reaction "${name}" names ${printable(unknownType)}, which is no event of "from"`,
      { name },
    )
  }
  const categories = options.categories?.map(legalCategory)
  return {
    definition: {
      name,
      subscription: `reaction ${name}`,
      items: [{ types: options.types, ...(categories ? { categories } : {}) }],
      startAt: options.startAt ?? 'now',
      maxAttempts: options.maxAttempts ?? 10,
      run: options.run as ReactionDefinition['run'],
    },
  }
}
