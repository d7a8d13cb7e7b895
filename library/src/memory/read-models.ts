import { type DocumentQuery, type HeldDocument, selectDocuments } from '../core/document-query.ts'
import { DaybookError } from '../core/errors.ts'
import type { Lease } from '../core/ports/following.ts'
import type {
  Checkpoint,
  ColumnValue,
  DocumentRow,
  FoldStart,
  ReadModelChange,
  ReadModelShape,
  ReadModelStore,
} from '../core/ports/read-models.ts'
import { type Kept, nothingKept, without } from './kept.ts'
import type { MemoryLeases } from './leases.ts'

interface StoredDocument extends HeldDocument {
  readonly document: string
}

type Documents = ReadonlyMap<string, StoredDocument>

/**
 * Read models, checkpoints and what else subscriptions keep, as immutable maps, so that a transaction is a copy that is
 * kept or dropped.
 */
export class MemoryReadModels implements ReadModelStore {
  readonly #leases: MemoryLeases
  readonly #columns = new Map<string, ReadModelShape['columns']>()
  #models: ReadonlyMap<string, Documents> = new Map()
  #checkpoints: ReadonlyMap<string, Checkpoint> = new Map()
  #kept: Kept = nothingKept
  #changes = 0
  #begunAt = 0

  constructor(leases: MemoryLeases) {
    this.#leases = leases
  }

  /** A transaction: works on a copy until `commit`. */
  begin(): MemoryReadModels {
    const copy = new MemoryReadModels(this.#leases)
    copy.#models = this.#models
    copy.#checkpoints = this.#checkpoints
    copy.#kept = this.#kept
    copy.#begunAt = this.#changes
    return copy
  }

  /** False, and nothing changed, when something else changed since `begin`. */
  commit(transaction: MemoryReadModels): boolean {
    if (transaction.#begunAt !== this.#changes) return false
    this.#models = transaction.#models
    this.#kept = transaction.#kept
    this.#setCheckpoints(transaction.#checkpoints)
    return true
  }

  get kept(): Kept {
    return this.#kept
  }

  keep(kept: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...kept }
    this.#changes++
  }

  async prepare(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void> {
    this.#columns.set(nameOf(shape), shape.columns)
    await this.prepareSubscription(subscription, start)
  }

  prepareSubscription(subscription: string, start: Checkpoint): Promise<void> {
    if (!this.#checkpoints.has(subscription)) this.#setCheckpoint(subscription, start)
    return Promise.resolve()
  }

  checkpoint(subscription: string): Promise<Checkpoint | undefined> {
    return Promise.resolve(this.#checkpoints.get(subscription))
  }

  checkpoints(): Promise<readonly { readonly subscription: string; readonly checkpoint: Checkpoint }[]> {
    return Promise.resolve(
      [...this.#checkpoints].map(([subscription, checkpoint]) => ({ subscription, checkpoint })),
    )
  }

  async documents(
    shape: ReadModelShape,
    keys: readonly string[],
    from?: FoldStart,
  ): Promise<ReadonlyMap<string, string>> {
    if (from !== undefined && !this.#isAt(from.subscription, from.position, undefined)) {
      throw new DaybookError('TRANSACTION_ABORTED', `somebody else moved ${from.subscription}`, { ...from })
    }
    const held = this.#documents(shape)
    return new Map(keys.flatMap((key) => entryOf(held.get(key))))
  }

  change({
    shape,
    subscription,
    fromPosition,
    checkpoint,
    upserts,
    deletes,
    lease,
  }: ReadModelChange): Promise<boolean> {
    if (!this.#isAt(subscription, fromPosition, lease)) return Promise.resolve(false)
    const documents = new Map(this.#documents(shape))
    for (const row of upserts) documents.set(row.key, heldDocument(shape, row))
    for (const key of deletes) documents.delete(key)
    this.#models = new Map(this.#models).set(nameOf(shape), documents)
    this.#setCheckpoint(subscription, checkpoint)
    return Promise.resolve(true)
  }

  moveCheckpoint(
    subscription: string,
    fromPosition: number,
    checkpoint: Checkpoint,
    lease?: Lease,
  ): Promise<boolean> {
    const isThere = this.#isAt(subscription, fromPosition, lease)
    if (isThere) this.#setCheckpoint(subscription, checkpoint)
    return Promise.resolve(isThere)
  }

  find(shape: ReadModelShape, query: DocumentQuery): Promise<readonly StoredDocument[]> {
    return Promise.resolve(selectDocuments(this.#documents(shape).values(), query))
  }

  count(shape: ReadModelShape, query: DocumentQuery): Promise<number> {
    return Promise.resolve(
      selectDocuments(this.#documents(shape).values(), { ...query, limit: Number.MAX_SAFE_INTEGER }).length,
    )
  }

  reset(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void> {
    this.#models = new Map(this.#models).set(nameOf(shape), new Map())
    // The log is read anew, and would meet these twice; what a person decided stays.
    this.#kept = without(this.#kept, subscription, ({ status }) => status === 'skipped')
    this.#setCheckpoint(subscription, start)
    return Promise.resolve()
  }

  storedColumns(shape: ReadModelShape): Promise<ReadonlySet<string>> {
    const stored = this.#columns.get(nameOf(shape)) ?? {}
    const same = Object.entries(shape.columns).filter(([column, type]) => stored[column] === type)
    return Promise.resolve(new Set(same.map(([column]) => column)))
  }

  // Documents are found without indexes here.
  async index(): Promise<void> {}

  drop(shape: ReadModelShape, subscription: string): Promise<void> {
    const models = new Map(this.#models)
    models.delete(nameOf(shape))
    this.#models = models
    this.#columns.delete(nameOf(shape))
    const checkpoints = new Map(this.#checkpoints)
    checkpoints.delete(subscription)
    this.#kept = without(this.#kept, subscription)
    this.#setCheckpoints(checkpoints)
    this.#leases.drop(subscription)
    return Promise.resolve()
  }

  #isAt(subscription: string, fromPosition: number, lease: Lease | undefined): boolean {
    // A lease of another subscription gives no right to this one.
    if (lease !== undefined && lease.subscription !== subscription) return false
    if (lease !== undefined && !this.#leases.holds(lease)) return false
    return this.#checkpoints.get(subscription)?.position === fromPosition
  }

  #documents(shape: ReadModelShape): Documents {
    return this.#models.get(nameOf(shape)) ?? new Map()
  }

  #setCheckpoint(subscription: string, checkpoint: Checkpoint): void {
    this.#setCheckpoints(new Map(this.#checkpoints).set(subscription, checkpoint))
  }

  // Every change of documents moves or sets a checkpoint, so counting here counts them all.
  #setCheckpoints(checkpoints: ReadonlyMap<string, Checkpoint>): void {
    this.#checkpoints = checkpoints
    this.#changes++
  }
}

function nameOf(shape: ReadModelShape): string {
  return `${shape.name}@${shape.version}.${shape.generation ?? 1}`
}

function entryOf(held: StoredDocument | undefined): [string, string][] {
  return held === undefined ? [] : [[held.key, held.document]]
}

function heldDocument(shape: ReadModelShape, row: DocumentRow): StoredDocument {
  const names = Object.keys(shape.columns)
  const columns: { [column: string]: ColumnValue } = {}
  for (const [index, column] of names.entries()) columns[column] = row.columns[index] ?? null
  return { key: row.key, document: row.document, columns }
}
