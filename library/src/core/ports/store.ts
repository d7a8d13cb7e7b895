import type { AppendOutcome, KeyRecord, LogHead } from '../append-plan.ts'
import type { AppendRequest } from '../append-request.ts'
import type { QueryItem } from '../query.ts'
import type { BriefRow, EventRow, ParsedRow, RowHashes } from '../row-hash.ts'
import type { FollowingStore } from './following.ts'
import type { Host } from './host.ts'
import type { ReadModelStore, ReadModelTransaction } from './read-models.ts'
import type { SnapshotStore } from './snapshots.ts'

/** A store described, not yet opened: what `sqlite('bank.db')` returns. */
export interface Store {
  /** For people: `sqlite:bank.db`. */
  readonly name: string
  open(host: Host): Promise<OpenStore>
  /** The same book, to be opened for reading only, where the store makes a difference of it. */
  readOnly?(): Store
}

/** One book, opened. */
export interface OpenStore {
  readonly name: string
  readonly identity: BookIdentity
  /** True when nothing can be written: no appends, and nothing derived is kept up to date. */
  readonly isReadOnly: boolean
  readonly log: EventLog
  readonly snapshots: SnapshotStore
  readonly readModels: ReadModelStore
  readonly following: FollowingStore
  /** What the store can tell of itself, for people and for `daybook doctor`. */
  inspect(): Promise<StoreReport>
  /** Waits for work under way, then releases everything. Safe to call twice. */
  close(): Promise<void>
}

/** Which history this is. A restore keeps the id and changes the epoch. */
export interface BookIdentity {
  readonly bookId: string
  readonly epoch: number
}

/** Findings about a store's configuration and health, in the order a person should read them. */
export interface StoreReport {
  readonly facts: { readonly [name: string]: string | number | boolean }
  readonly problems: readonly { readonly code: string; readonly message: string; readonly hint: string }[]
}

/** Reading the log. Every method sees one committed state of it. */
export interface LogReader {
  head(): Promise<LogHead>
  /** One page of a stream. */
  readStream(slice: StreamSlice): Promise<StreamPage>
  /** One page of the log. */
  readLog(slice: LogSlice): Promise<LogPage>
  /**
   * As `readStream` and `readLog`, parsed where that comes faster: for who makes no more than one event of each row, since
   * two would share their objects. A store that gains nothing by that leaves them out.
   */
  readStreamParsed?(slice: StreamSlice): Promise<ParsedStreamPage>
  readLogParsed?(slice: LogSlice): Promise<ParsedLogPage>
  /** As `readLog`, without ids, metadata and tags; a store that gains nothing by that leaves it out. */
  readBriefly?(slice: LogSlice): Promise<BriefPage>
  /** The hashes of up to `limit` rows after a position, in order: what a verifier reads. */
  readHashes(afterPosition: number, limit: number): Promise<readonly RowHashes[]>
  /** What an idempotency key led to. */
  findKey(key: string): Promise<KeyRecord | undefined>
}

/** The log of one book: reading, and the one way to write. */
export interface EventLog extends LogReader {
  /**
   * Decides and writes a batch in one durable transaction, under the log's lock; answers each request by itself.
   * Rejects only when the whole transaction failed, and then nothing was written.
   *
   * @param inline runs inside the transaction after the rows are written; if it rejects, so does the append
   * @param next called, once at most, by a store that takes up another batch while this one is not answered yet: it may
   * be given now. Appends are written in the order in which they are given, whenever that is.
   */
  append(
    requests: readonly AppendRequest[],
    inline?: InlineStep,
    next?: () => void,
  ): Promise<readonly AppendOutcome[]>
  /**
   * Resolves when every event up to a position would survive a crash. Reading shows what is committed, which may be
   * a few milliseconds before it is on the disk: whoever acts on the world outside of this database asks first.
   * Rejects when that cannot be said, so that the event must be read again.
   *
   * @param proof the id of the event at the position, or its chain hash: makes sure that it is still the event that was
   * read. Without one the position must be one that was acknowledged, the head of a page that was read here a
   * moment ago, or nothing but a lower bound.
   */
  whenDurable(position: number, proof?: string | Uint8Array): Promise<void>
  /** The log as seen, and written to, from inside the caller's own open transaction. Throws `TRANSACTION_INVALID`, `UNSUPPORTED`. */
  within(transaction: unknown): EventLog
  /** Calls back, after commit, when there may be new events: a hint, never a promise. Must not throw. Returns how to stop. */
  onAppended(listener: () => void): () => void
}

/** What happens in the append's own transaction: inline projections. */
export type InlineStep = (
  rows: readonly EventRow[],
  transaction: ReadModelTransaction,
  log: LogReader,
) => Promise<void>

/** Which events of a stream, in which direction. Versions and positions include both ends. */
export interface StreamSlice {
  readonly stream: string
  readonly direction: 'forwards' | 'backwards'
  readonly fromVersion: number
  readonly toVersion: number
  readonly types: readonly string[] | undefined
  /** Most events of the page; the store may return fewer to bound memory. */
  readonly limit: number
}

export interface StreamPage extends ParsedStreamPage {
  readonly rows: readonly EventRow[]
}

export interface ParsedStreamPage {
  readonly rows: readonly ParsedRow[]
  /** True when nothing in the slice is left after these rows. */
  readonly isEnd: boolean
}

/** Which events of the log, forwards: after a position (exclusive) up to one (inclusive). */
export interface LogSlice {
  readonly afterPosition: number
  readonly toPosition: number
  /** No items: every event. */
  readonly items: readonly QueryItem[] | undefined
  readonly limit: number
}

export interface LogPage extends ParsedLogPage {
  readonly rows: readonly EventRow[]
}

export interface ParsedLogPage extends BriefPage {
  readonly rows: readonly ParsedRow[]
  /** About how many characters of data and metadata the rows came as, where these do not say so themselves. */
  readonly characters?: number
}

export interface BriefPage {
  readonly rows: readonly BriefRow[]
  /** Everything up to here was looked at, also where nothing matched. */
  readonly scannedTo: number
  /** Position of the last event when the page was read. */
  readonly head: number
}
