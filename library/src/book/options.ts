import type { AnyDecider } from '../core/decider.ts'
import type { Limits } from '../core/limits.ts'
import type { Host } from '../core/ports/host.ts'
import type { Store } from '../core/ports/store.ts'
import type { AnyProjection } from '../core/projection.ts'
import type { Reaction } from '../core/reaction.ts'
import type { Diagnostic } from './context.ts'
import type { RetryPolicy } from './retrying.ts'
import type { SnapshotPolicy } from './snapshotting.ts'

/** What a book consists of and how it runs. */
export interface BookOptions {
  /** Where it is kept: `sqlite('bank.db')`, `memory()`. */
  readonly store: Store
  readonly deciders?: readonly AnyDecider[]
  readonly projections?: readonly AnyProjection[]
  readonly reactions?: readonly Reaction[]
  readonly limits?: Partial<Limits>
  /** Default: every 100 events. */
  readonly snapshots?: SnapshotPolicy
  readonly retries?: Partial<RetryPolicy>
  /** False: projections and reactions are not run by this process. Default true. */
  readonly follow?: boolean
  /** Told of what is no error of a caller's: snapshots ignored, followers stopped. */
  readonly onDiagnostic?: (diagnostic: Diagnostic) => void
  /** Replaces the clock, ids, chance or timers: for tests, and for imports that must come out the same each time. */
  readonly host?: Partial<Host>
}

/** The same value as `openBook` takes, without opening it: what `daybook.config.ts` exports by default. */
export function defineBook(options: BookOptions): BookOptions {
  return options
}
