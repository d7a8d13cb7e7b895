/** Daybook: event sourcing for TypeScript. Stores are imported from `daybook/sqlite` and `daybook/memory`. */

export type { Appended, BookAppendOptions } from './book/appending.ts'
export type { ReadAsOf } from './book/as-of.ts'
export type { Book, StateAt } from './book/book.ts'
export type { ExecuteOptions } from './book/commands.ts'
export type { CompensationOptions, CompensationRefusal } from './book/compensation.ts'
export type { Diagnostic } from './book/context.ts'
export type { FollowerStatus, ParkedCounts, ShardStatus } from './book/follower-status.ts'
export type { AsOf } from './book/loading.ts'
export type { Meter, MetricAttributes, MetricGauge, MetricResult } from './book/metrics.ts'
export { openBook } from './book/open-book.ts'
export type { FoldAnewOptions } from './book/open-sql-projection.ts'
export { type BookOptions, defineBook } from './book/options.ts'
export { type Accepted, accepted, type Outcome, type Refused } from './book/outcome.ts'
export type { PendingOptions, PendingProcess, Processes, ProcessState, WaitsFor } from './book/processes.ts'
export type { Found, Freshness, Page, ReadModel } from './book/read-model.ts'
export type { Events, ReadLogOptions, ReadStreamOptions } from './book/reading.ts'
export type {
  CopyStatus,
  RebuildEstimate,
  RebuildOptions,
  RebuildResult,
  RebuildStatus,
  SwapResult,
} from './book/rebuild-options.ts'
export type { CompareOptions, Rebuilds } from './book/rebuilds.ts'
export type { Repository } from './book/repository.ts'
export type { RetryPolicy } from './book/retrying.ts'
export type { SnapshotPolicy } from './book/snapshotting.ts'
export type { ParkedOptions, SkipReason, SubscriptionControl } from './book/subscriptions.ts'
export type { LagAlarm, LagSettings } from './book/watch.ts'
export {
  type Aggregate,
  type AggregateClass,
  type AnyAggregate,
  type Appliers,
  aggregate,
} from './core/aggregate.ts'
export type { AppendOptions, StreamAppend } from './core/append-request.ts'
export {
  type AnyDecider,
  type Command,
  type Decider,
  type DeciderDefinition,
  decider,
  type StreamRef,
} from './core/decider.ts'
export {
  appendTo,
  type BoundaryRef,
  type BoundaryState,
  boundary,
  type Decision,
  type DecisionCommand,
  decision,
  type StatesOf,
  type StreamState,
  type Write,
} from './core/decision.ts'
export type { FindOptions, Where } from './core/document-query.ts'
export {
  ConcurrencyError,
  ConditionError,
  DaybookError,
  type ErrorCode,
  errorRegistry,
  isConflict,
  isDaybookError,
} from './core/errors.ts'
export {
  type AnyEventSet,
  type DataInput,
  type DataOutput,
  defineEvents,
  type EventDefinition,
  type EventSet,
  event,
  type NewEvent,
  type NewEventOf,
  type RecordedEvent,
  type RecordedEventFrom,
  type RecordedEventOf,
} from './core/event.ts'
export type { ExpectedVersion } from './core/expected-version.ts'
export type { Json } from './core/legal-data.ts'
export type { Limits } from './core/limits.ts'
export type { Metadata, MetadataOptions } from './core/metadata.ts'
export type { ParkedEvent, ParkedStatus, SqlTransaction } from './core/ports/following.ts'
export type { Host } from './core/ports/host.ts'
export type { ColumnType } from './core/ports/read-models.ts'
export type { BookIdentity, Store, StoreReport } from './core/ports/store.ts'
export {
  type AnyDecisionMaker,
  type AnyProcessManager,
  type CommandFailure,
  type ProcessContext,
  type ProcessManager,
  type ProcessManagerOptions,
  processManager,
  type ReachedDeadline,
} from './core/process-manager.ts'
export {
  type AnyIssuable,
  type At,
  type CancelDeadline,
  type Duration,
  deadline,
  type Finish,
  finish,
  type ProcessDecision,
  type ProcessStep,
  type SetDeadline,
} from './core/process-steps.ts'
export type { IssuedCommand } from './core/process-stream.ts'
export { type AnyProjection, type Projection, type ProjectionMode, projection } from './core/projection.ts'
export type { AppendCondition, Query, QueryItem } from './core/query.ts'
export { type Reaction, type ReactionContext, reaction } from './core/reaction.ts'
export { correlationOf } from './core/recorded-event.ts'
export { CommandRefusedError, isRefusal, type Refusal, refuse } from './core/refusal.ts'
export type { Schema } from './core/schema.ts'
export {
  type SqlProjection,
  type SqlProjectionOptions,
  type SqlTexts,
  sqlProjection,
} from './core/sql-projection.ts'
export {
  type BatchContext,
  type EventTypeFrom,
  type FailurePolicy,
  type Subscription,
  type SubscriptionContext,
  type SubscriptionOptions,
  type SubscriptionRetry,
  type SubscriptionStart,
  subscription,
} from './core/subscription.ts'
export type { LagQuantiles } from './processing/lag-window.ts'
export type { LeaseSettings } from './processing/lease-keeper.ts'
export type { Difference } from './processing/rebuild-compare.ts'
export type { RebuildProgress, RebuildState } from './processing/rebuild-progress.ts'
export type { Verification, VerifyOptions } from './proof/verify.ts'
