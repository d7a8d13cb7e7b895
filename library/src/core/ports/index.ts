/** `daybook/store`: what a store of one's own is made of. It is proven by the conformance suite in `daybook/testing`. */
export {
  type AppendNeeds,
  type AppendOutcome,
  type AppendPlan,
  type HeldFacts,
  type KeyRecord,
  type LogHead,
  needsOf,
  type PlannedRow,
  planAppend,
} from '../append-plan.ts'
export type { AppendRequest, EncodedEvent } from '../append-request.ts'
export {
  type ColumnCondition,
  type DocumentQuery,
  type HeldDocument,
  selectDocuments,
} from '../document-query.ts'
export { followingTransaction, type RunInTransaction } from '../following-transaction.ts'
export { matchesQuery, type QueryItem } from '../query.ts'
export {
  type BriefRow,
  type EventRow,
  genesisHash,
  type ParsedRow,
  RowHasher,
  type RowHashes,
} from '../row-hash.ts'
export type {
  Acquired,
  FollowingStore,
  FollowingTransaction,
  Lease,
  LeaseStatus,
  ParkedEvent,
  ParkedFilter,
  ParkedStatus,
  ReadModelCopy,
  ReadModelRecord,
  SqlTransaction,
  Trial,
} from './following.ts'
export type { Host } from './host.ts'
export type {
  Checkpoint,
  ColumnType,
  ColumnValue,
  DocumentRow,
  FoldStart,
  ReadModelChange,
  ReadModelShape,
  ReadModelStore,
  ReadModelTransaction,
} from './read-models.ts'
export type { SnapshotRow, SnapshotStore } from './snapshots.ts'
export type {
  BookIdentity,
  BriefPage,
  EventLog,
  InlineStep,
  LogPage,
  LogReader,
  LogSlice,
  OpenStore,
  ParsedLogPage,
  ParsedStreamPage,
  Store,
  StoreReport,
  StreamPage,
  StreamSlice,
} from './store.ts'
