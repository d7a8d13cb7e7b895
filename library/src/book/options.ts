import type { AnyDecider } from '../core/decider.ts'
import type { Limits } from '../core/limits.ts'
import type { Host } from '../core/ports/host.ts'
import type { Store } from '../core/ports/store.ts'
import type { AnyProcessManager } from '../core/process-manager.ts'
import type { AnyProjection } from '../core/projection.ts'
import type { Reaction } from '../core/reaction.ts'
import type { SqlProjection } from '../core/sql-projection.ts'
import type { Subscription } from '../core/subscription.ts'
import type { LeaseSettings } from '../processing/lease-keeper.ts'
import type { Diagnostic } from './context.ts'
import type { Meter } from './metrics.ts'
import type { RetryPolicy } from './retrying.ts'
import type { SnapshotPolicy } from './snapshotting.ts'
import type { LagSettings } from './watch.ts'

/** What a book consists of and how it runs. */
export interface BookOptions {
  /** Where it is kept: `sqlite('bank.db')`, `memory()`. */
  readonly store: Store
  readonly deciders?: readonly AnyDecider[]
  readonly projections?: readonly AnyProjection[]
  /** Projections into the application's own tables; stores with SQL alone take them. */
  readonly sqlProjections?: readonly SqlProjection[]
  readonly reactions?: readonly Reaction[]
  readonly subscriptions?: readonly Subscription[]
  readonly processes?: readonly AnyProcessManager[]
  readonly limits?: Partial<Limits>
  /** Default: every 100 events. */
  readonly snapshots?: SnapshotPolicy
  readonly retries?: Partial<RetryPolicy>
  /** False: nothing that follows the book is run by this process. Default true. */
  readonly follow?: boolean
  /** How soon another process takes over from one that died. Default: 5,000 ms, renewed every 1,000. */
  readonly lease?: Partial<LeaseSettings>
  /** When a follower is too far behind, and who is told besides `onDiagnostic`. Default: 2,000 ms. */
  readonly lag?: Partial<LagSettings>
  /** Measures everything that follows the book; one of `@opentelemetry/api`, say. Default: nothing is measured. */
  readonly meter?: Meter
  /** Told of what is no error of a caller's: snapshots ignored, followers stopped. */
  readonly onDiagnostic?: (diagnostic: Diagnostic) => void
  /** Replaces the clock, ids, chance or timers: for tests, and for imports that must come out the same each time. */
  readonly host?: Partial<Host>
}

/** The same value as `openBook` takes, without opening it: what `daybook.config.ts` exports by default. */
export function defineBook(options: BookOptions): BookOptions {
  return options
}
