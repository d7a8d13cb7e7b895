import type { AppendQueue } from '../core/append-queue.ts'
import type { Preparation } from '../core/append-request.ts'
import type { Host } from '../core/ports/host.ts'
import type { EventLog, InlineStep, OpenStore } from '../core/ports/store.ts'
import type { RowReader } from '../core/recorded-event.ts'
import type { InlineProjection } from '../processing/inline.ts'
import type { PageSizes } from '../processing/page-sizes.ts'

/** Something worth knowing that is no error of the caller's: a snapshot ignored, a follower stopped. */
export interface Diagnostic {
  readonly kind:
    | 'snapshot-ignored'
    | 'snapshot-failed'
    | 'projection-changed'
    | 'projection-stopped'
    | 'projection-swapped'
    | 'subscription-stopped'
    | 'reaction-stopped'
    | 'process-stopped'
    | 'process-failed'
    | 'process-pending'
    | 'follower-waiting'
    | 'event-retrying'
    | 'event-parked'
    | 'follower-stuck'
    | 'follower-recovered'
    | 'follower-lagging'
    | 'lease-lost'
  /** What it is about: a stream, a projection, a subscription. */
  readonly subject: string
  readonly message: string
  readonly error?: unknown
}

/** What the parts of an open book share. */
export interface BookContext {
  readonly store: OpenStore
  readonly host: Host
  readonly queue: AppendQueue
  readonly preparation: Preparation
  /** Turns rows into events; shared, for it remembers the last instant's text. */
  readonly rows: RowReader
  /** How large the pages of those may be who read the log. */
  readonly pageSizes: PageSizes
  /** Inline projections; undefined when there are none. */
  readonly inline: InlineStep | undefined
  readonly inlineProjections: readonly InlineProjection[]
  /** Hex SHA-256 of a text. */
  readonly digest: (text: string) => string
  readonly report: (diagnostic: Diagnostic) => void
}

/** The log as a caller sees it: committed, or from inside the caller's own transaction. */
export function logFor(context: BookContext, transaction: unknown): EventLog {
  return transaction === undefined ? context.store.log : context.store.log.within(transaction)
}
