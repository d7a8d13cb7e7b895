import type { DocumentQuery } from '../core/document-query.ts'
import { DaybookError } from '../core/errors.ts'
import type { Lease } from '../core/ports/following.ts'
import type {
  Checkpoint,
  ColumnValue,
  FoldStart,
  ReadModelChange,
  ReadModelShape,
  ReadModelStore,
  ReadModelTransaction,
} from '../core/ports/read-models.ts'
import { jsonArray, textArray } from './arrays.ts'
import type { Row, Runner, Session } from './connection.ts'
import type { DerivedWriter } from './derived-writer.ts'
import { followingStatements } from './following-statements.ts'
import { createMissingIndexes } from './indexing.ts'
import * as sql from './read-model-statements.ts'

/** What read models need. */
export interface ReadModelParts {
  readonly name: string
  readonly schema: string
  readonly reader: Session
  /** Used by read models and snapshots alone; their commits do not wait for the disk. */
  readonly derived: DerivedWriter
  readonly isReadOnly: boolean
}

/**
 * Read models in tables of their own, in the same database as the log. Their commits leave the flush to whatever is
 * flushed next: a crash may take the last changes together with their checkpoint, and they come back by folding again.
 */
export class PostgresReadModels implements ReadModelStore {
  readonly #parts: ReadModelParts
  readonly #checkpoints: sql.CheckpointStatements

  constructor(parts: ReadModelParts) {
    this.#parts = parts
    this.#checkpoints = sql.checkpointStatements(parts.schema)
  }

  async prepare(
    shape: ReadModelShape,
    subscription: string,
    start: Checkpoint,
    isIndexed = true,
  ): Promise<void> {
    const { schema, derived } = this.#parts
    const isNew = await derived.durableTransaction(async (transaction) => {
      const isMade = await createReadModel(transaction, schema, shape, isIndexed)
      await transaction.run(this.#checkpoints.start, [subscription, ...checkpointCells(start)])
      return isMade
    })
    if (isIndexed && !isNew) await this.index(shape)
  }

  storedColumns(shape: ReadModelShape): Promise<ReadonlySet<string>> {
    return this.#read(async (runner) => {
      const held = columnTypes(await runner.run(sql.readModelStatements(this.#parts.schema, shape).columns))
      const declared = Object.entries(shape.columns)
      return new Set(
        declared.flatMap(([name, type]) => (held.get(name) === sql.sqlTypes[type] ? [name] : [])),
      )
    })
  }

  index(shape: ReadModelShape): Promise<void> {
    return createMissingIndexes(this.#parts, shape)
  }

  async drop(shape: ReadModelShape, subscription: string): Promise<void> {
    const { schema, derived } = this.#parts
    const { dropAllParked, dropAllSeen } = followingStatements(schema)
    await derived.durableTransaction(async (transaction) => {
      await transaction.run(sql.readModelStatements(schema, shape).drop)
      for (const text of [this.#checkpoints.drop, dropAllParked, dropAllSeen])
        await transaction.run(text, [subscription])
    })
  }

  async prepareSubscription(subscription: string, start: Checkpoint): Promise<void> {
    await this.#parts.derived.durableTransaction((transaction) =>
      transaction.run(this.#checkpoints.start, [subscription, ...checkpointCells(start)]),
    )
  }

  checkpoint(subscription: string): Promise<Checkpoint | undefined> {
    return this.#read((runner) => readCheckpoint(runner, this.#checkpoints, subscription))
  }

  checkpoints(): Promise<readonly { readonly subscription: string; readonly checkpoint: Checkpoint }[]> {
    return this.#read(async (runner) =>
      (await runner.run(this.#checkpoints.readAll)).flatMap((row) => {
        const checkpoint = checkpointFrom(row)
        return checkpoint === undefined ? [] : [{ subscription: String(row[4]), checkpoint }]
      }),
    )
  }

  documents(
    shape: ReadModelShape,
    keys: readonly string[],
    from?: FoldStart,
  ): Promise<ReadonlyMap<string, string>> {
    const { schema, name } = this.#parts
    if (from === undefined) return this.#read((runner) => loadDocuments(runner, schema, shape, keys))
    return this.#read((runner) => loadDocumentsFrom(runner, { schema, name, shape, keys, from }))
  }

  change(change: ReadModelChange): Promise<boolean> {
    return this.#parts.derived.transaction((transaction) =>
      applyChange(transaction, this.#parts.schema, change),
    )
  }

  moveCheckpoint(
    subscription: string,
    fromPosition: number,
    checkpoint: Checkpoint,
    lease?: Lease,
  ): Promise<boolean> {
    return this.#parts.derived.transaction((transaction) =>
      moveCheckpoint(transaction, this.#parts.schema, { subscription, fromPosition, checkpoint, lease }),
    )
  }

  find(
    shape: ReadModelShape,
    query: DocumentQuery,
  ): Promise<readonly { readonly key: string; readonly document: string }[]> {
    const { text, values } = sql.findDocuments(this.#parts.schema, shape, query)
    return this.#read(async (runner) => {
      const rows = await runner.run(unnamed(text), values)
      return rows.map(([key, document]) => ({ key: String(key), document: String(document) }))
    })
  }

  count(shape: ReadModelShape, query: DocumentQuery): Promise<number> {
    const { text, values } = sql.countDocuments(this.#parts.schema, shape, query)
    return this.#read(async (runner) => Number((await runner.run(unnamed(text), values))[0]?.[0]))
  }

  async reset(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void> {
    const { schema, derived } = this.#parts
    const { dropUndecided, dropAllSeen } = followingStatements(schema)
    await derived.durableTransaction(async (transaction) => {
      await createReadModel(transaction, schema, shape, true)
      await transaction.run(sql.readModelStatements(schema, shape).clear)
      await transaction.run(this.#checkpoints.reset, [subscription, ...checkpointCells(start)])
      // The log is read anew, and would meet these twice.
      await transaction.run(dropUndecided, [subscription])
      await transaction.run(dropAllSeen, [subscription])
    })
  }

  #read<Result>(work: (runner: Runner) => Promise<Result>): Promise<Result> {
    return this.#parts.reader.repeatable(work)
  }
}

/** Texts of finds differ without bound, so they are not kept prepared. */
function unnamed(text: string): { readonly text: string; readonly name: string } {
  return { text, name: '' }
}

/** Read models as seen and changed by a transaction under way. */
export function changesIn(runner: Runner, schema: string): ReadModelTransaction {
  const checkpoints = sql.checkpointStatements(schema)
  return {
    checkpoint: (subscription) => readCheckpoint(runner, checkpoints, subscription),
    documents: (shape, keys, from) =>
      from === undefined
        ? loadDocuments(runner, schema, shape, keys)
        : loadDocumentsFrom(runner, { schema, name: schema, shape, keys, from }),
    change: (change) => applyChange(runner, schema, change),
  }
}

/** True when it was not there. One at a time: `CREATE TABLE IF NOT EXISTS` alone fails when two do. */
async function createReadModel(
  runner: Runner,
  schema: string,
  shape: ReadModelShape,
  isIndexed: boolean,
): Promise<boolean> {
  const { create, createIndexes, columns, share } = sql.readModelStatements(schema, shape)
  await runner.run(sql.checkpointStatements(schema).lockTables)
  const held = await runner.run(columns)
  if (held.length > 0) {
    refuseOtherColumns(held, shape)
    return false
  }
  await runner.run(create)
  if (isIndexed) for (const { text } of createIndexes) await runner.run(text)
  await runner.run(share)
  return true
}

/** Names and types of the columns that a table has. */
function columnTypes(rows: readonly Row[]): ReadonlyMap<string, string> {
  return new Map(rows.map(([name, type]) => [String(name), String(type)]))
}

/** A table made for other columns must not be written with these. Throws `PROJECTION_CHANGED`. */
function refuseOtherColumns(rows: readonly Row[], shape: ReadModelShape): void {
  const held = columnTypes(rows)
  const declared = Object.entries(shape.columns)
  const isSame =
    held.size === declared.length + 2 &&
    declared.every(([name, type]) => held.get(name) === sql.sqlTypes[type])
  if (isSame) return
  const readModel = `${shape.name}@${shape.version}`
  throw new DaybookError(
    'PROJECTION_CHANGED',
    `the read model ${readModel} was made with other columns (${[...held.keys()].slice(2).join(', ') || 'none'})`,
    { readModel, declared: Object.keys(shape.columns) },
  )
}

/** Moves a checkpoint that is where it must be, under the lease that must be held. */
export async function moveCheckpoint(
  runner: Runner,
  schema: string,
  moved: Pick<ReadModelChange, 'subscription' | 'fromPosition' | 'checkpoint' | 'lease'>,
): Promise<boolean> {
  if (isForAnother(moved)) return false
  const rows = await runner.run(sql.checkpointStatements(schema).move, moveCells(moved))
  return rows.length === 1
}

/** A lease of another subscription gives no right to this one. */
function isForAnother({ subscription, lease }: Pick<ReadModelChange, 'subscription' | 'lease'>): boolean {
  return lease !== undefined && lease.subscription !== subscription
}

function moveCells({
  subscription,
  fromPosition,
  checkpoint,
  lease,
}: Pick<ReadModelChange, 'subscription' | 'fromPosition' | 'checkpoint' | 'lease'>): readonly ColumnValue[] {
  const holder = [lease?.owner ?? null, lease?.token ?? null]
  return [subscription, fromPosition, ...checkpointCells(checkpoint), ...holder]
}

async function applyChange(runner: Runner, schema: string, change: ReadModelChange): Promise<boolean> {
  if (isForAnother(change)) return false
  const { shape, upserts, deletes } = change
  const columns = Object.keys(shape.columns).map((_column, index) =>
    upserts.map((upsert) => upsert.columns[index] ?? null),
  )
  const [row] = await runner.run(sql.readModelStatements(schema, shape).change, [
    ...moveCells(change),
    textArray(deletes),
    textArray(upserts.map(({ key }) => key)),
    jsonArray(upserts.map(({ document }) => document)),
    ...columns,
  ])
  return Number(row?.[0]) === 1
}

async function loadDocuments(
  runner: Runner,
  schema: string,
  shape: ReadModelShape,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (keys.length === 0) return new Map()
  const rows = await runner.run(sql.readModelStatements(schema, shape).load, [textArray(keys)])
  return new Map(rows.map(([key, document]) => [String(key), String(document)]))
}

async function loadDocumentsFrom(
  runner: Runner,
  {
    schema,
    name,
    shape,
    keys,
    from,
  }: {
    readonly schema: string
    readonly name: string
    readonly shape: ReadModelShape
    readonly keys: readonly string[]
    readonly from: FoldStart
  },
): Promise<ReadonlyMap<string, string>> {
  const { loadFrom } = sql.readModelStatements(schema, shape)
  const rows = await runner.run(loadFrom, [textArray(keys), from.subscription])
  if (Number(rows[0]?.[2] ?? -1) !== from.position) {
    throw new DaybookError('TRANSACTION_ABORTED', `${name}: somebody else moved ${from.subscription}`, {
      store: name,
      ...from,
    })
  }
  return new Map(rows.flatMap(([key, document]) => (key === null ? [] : [[String(key), String(document)]])))
}

async function readCheckpoint(
  runner: Runner,
  checkpoints: sql.CheckpointStatements,
  subscription: string,
): Promise<Checkpoint | undefined> {
  return checkpointFrom((await runner.run(checkpoints.read, [subscription]))[0])
}

function checkpointCells({ position, epoch, fingerprint, updatedAtMs }: Checkpoint): readonly ColumnValue[] {
  return [position, epoch, fingerprint, updatedAtMs]
}

function checkpointFrom(row: Row | undefined): Checkpoint | undefined {
  if (row === undefined) return undefined
  const [position, epoch, fingerprint, updatedAtMs] = row
  return {
    position: Number(position),
    epoch: Number(epoch),
    fingerprint: String(fingerprint),
    updatedAtMs: Number(updatedAtMs),
  }
}
