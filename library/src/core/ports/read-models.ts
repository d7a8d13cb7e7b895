import type { DocumentQuery } from '../document-query.ts'

/** The type of a declared column; a column of a document that lacks the field is null. */
export type ColumnType = 'integer' | 'real' | 'text' | 'boolean'

/** A value of a declared column. */
export type ColumnValue = string | number | boolean | null

/** The shape of one version of a read model. */
export interface ReadModelShape {
  /** Name and version: `balances`, 2. */
  readonly name: string
  readonly version: number
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
  /** False, and nothing changed, when the checkpoint is not at `fromPosition`. */
  change(change: ReadModelChange): Promise<boolean>
}

/** Where read models and checkpoints are kept. All of it can be thrown away and comes back the same. */
export interface ReadModelStore extends ReadModelTransaction {
  /** Creates what the shape needs and, when there is none, the checkpoint. Idempotent; safe when many start at once. */
  prepare(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void>
  /** As `prepare`, for a subscription without a read model. */
  prepareSubscription(subscription: string, start: Checkpoint): Promise<void>
  /** Moves a checkpoint; false when it is not at `fromPosition`. */
  moveCheckpoint(subscription: string, fromPosition: number, checkpoint: Checkpoint): Promise<boolean>
  checkpoints(): Promise<readonly { readonly subscription: string; readonly checkpoint: Checkpoint }[]>
  find(
    shape: ReadModelShape,
    query: DocumentQuery,
  ): Promise<readonly { readonly key: string; readonly document: string }[]>
  count(shape: ReadModelShape, query: DocumentQuery): Promise<number>
  /** Empties the read model and sets its checkpoint, in one transaction. */
  reset(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void>
}
