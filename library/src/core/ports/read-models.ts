import type { DocumentQuery } from '../document-query.ts'
import type { Lease } from './following.ts'

/** The type of a declared column; a column of a document that lacks the field is null. */
export type ColumnType = 'integer' | 'real' | 'text' | 'boolean'

/** A value of a declared column. */
export type ColumnValue = string | number | boolean | null

/** The shape of one version of a read model. */
export interface ReadModelShape {
  /** Name and version: `balances`, 2. */
  readonly name: string
  readonly version: number
  /** Which copy: 1 (the default) was filled when the version was new, 2, 3 … by rebuilding it beside. */
  readonly generation?: number
  readonly columns: { readonly [column: string]: ColumnType }
}

/** A document as stored: JSON text and its declared columns. */
export interface DocumentRow {
  readonly key: string
  readonly document: string
  readonly columns: readonly ColumnValue[]
}

/** How far a subscription has come, and of which history. */
export interface Checkpoint {
  readonly position: number
  readonly epoch: number
  /** Fingerprint of the code that got there. */
  readonly fingerprint: string
  /** When it moved last, ms since 1970-01-01 UTC. */
  readonly updatedAtMs: number
}

/** Changes to one read model and the move of its checkpoint: committed together or not at all. */
export interface ReadModelChange {
  readonly shape: ReadModelShape
  readonly subscription: string
  /** The checkpoint must still be here (exclusive start of what was folded) … */
  readonly fromPosition: number
  /** … and moves to here. */
  readonly checkpoint: Checkpoint
  readonly upserts: readonly DocumentRow[]
  readonly deletes: readonly string[]
  /** Must still be held; without one whoever finds the checkpoint where it was may move it. */
  readonly lease?: Lease | undefined
}

/** Where a fold begins: the checkpoint of a subscription. */
export interface FoldStart {
  readonly subscription: string
  readonly position: number
}

/** Reading and changing read models inside a transaction of the store. */
export interface ReadModelTransaction {
  checkpoint(subscription: string): Promise<Checkpoint | undefined>
  /**
   * The documents of the keys that have one.
   *
   * @param from what a fold begins from: rejects with `TRANSACTION_ABORTED` when the documents are not those of this
   * checkpoint. Somebody else's change may be seen before it is durable, and be gone after a crash of the database.
   */
  documents(
    shape: ReadModelShape,
    keys: readonly string[],
    from?: FoldStart,
  ): Promise<ReadonlyMap<string, string>>
  /** False, and nothing changed, when the checkpoint is not at `fromPosition`, or the lease is not held or another's. */
  change(change: ReadModelChange): Promise<boolean>
}

/** Where read models and checkpoints are kept. All of it can be thrown away and comes back the same. */
export interface ReadModelStore extends ReadModelTransaction {
  /**
   * Creates what the shape needs and, when there is none, the checkpoint. Idempotent; safe when many start at once.
   *
   * @param isIndexed false leaves the indexes of the columns to `index`: a copy is filled faster without
   */
  prepare(shape: ReadModelShape, subscription: string, start: Checkpoint, isIndexed?: boolean): Promise<void>
  /** Which of the declared columns the stored copy has, of the same type; none when there is no copy. */
  storedColumns(shape: ReadModelShape): Promise<ReadonlySet<string>>
  /** Creates the indexes of the declared columns that are missing. */
  index(shape: ReadModelShape): Promise<void>
  /** Removes a copy, its checkpoint with the lease, and what is parked or seen of its subscription. Idempotent. */
  drop(shape: ReadModelShape, subscription: string): Promise<void>
  /** As `prepare`, for a subscription without a read model. */
  prepareSubscription(subscription: string, start: Checkpoint): Promise<void>
  /** Moves a checkpoint; false when it is not at `fromPosition`, or the lease is not held any more. */
  moveCheckpoint(
    subscription: string,
    fromPosition: number,
    checkpoint: Checkpoint,
    lease?: Lease,
  ): Promise<boolean>
  checkpoints(): Promise<readonly { readonly subscription: string; readonly checkpoint: Checkpoint }[]>
  find(
    shape: ReadModelShape,
    query: DocumentQuery,
  ): Promise<readonly { readonly key: string; readonly document: string }[]>
  count(shape: ReadModelShape, query: DocumentQuery): Promise<number>
  /**
   * Empties the read model, sets its checkpoint and forgets what is parked or seen, for all of it is met again, in one
   * transaction. What a person skipped stays so.
   */
  reset(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void>
}
