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
import type { Cell, Connection, Row, Writer } from './connection.ts'
import { translated } from './errors.ts'
import * as following from './following-statements.ts'
import * as sql from './statements.ts'

/**
 * Read models in tables of their own, in the same file as the log. They are written by a connection that leaves the
 * flush to the next append or checkpoint: a crash may take the last changes together with their checkpoint, and they
 * come back by folding again.
 */
export class SqliteReadModels implements ReadModelStore {
  readonly #reader: () => Connection
  readonly #writer: Writer
  readonly #name: string

  constructor(reader: () => Connection, writer: Writer, name: string) {
    this.#reader = reader
    this.#writer = writer
    this.#name = name
  }

  async prepare(
    shape: ReadModelShape,
    subscription: string,
    start: Checkpoint,
    isIndexed = true,
  ): Promise<void> {
    await this.#writer.transaction((connection) => {
      createReadModel(connection, shape)
      if (isIndexed)
        for (const text of sql.readModelStatements(shape).createIndexes) connection.database.exec(text)
      connection.run(sql.startCheckpoint, subscription, ...checkpointCells(start))
    })
  }

  storedColumns(shape: ReadModelShape): Promise<ReadonlySet<string>> {
    return this.#read((connection) => {
      const held = heldColumns(connection, shape)
      const declared = Object.entries(shape.columns)
      return new Set(
        declared.flatMap(([name, type]) => (held.get(name) === sql.sqlTypes[type] ? [name] : [])),
      )
    })
  }

  async index(shape: ReadModelShape): Promise<void> {
    // Each in a transaction of its own, so that others have their turn between two of them.
    for (const text of sql.readModelStatements(shape).createIndexes)
      await this.#writer.transaction((connection) => connection.database.exec(text))
  }

  async drop(shape: ReadModelShape, subscription: string): Promise<void> {
    await this.#writer.transaction((connection) => {
      connection.database.exec(sql.readModelStatements(shape).drop)
      for (const text of [sql.dropCheckpoint, following.dropAllParked, following.dropAllSeen])
        connection.run(text, subscription)
    })
  }

  async prepareSubscription(subscription: string, start: Checkpoint): Promise<void> {
    await this.#writer.transaction((connection) => {
      connection.run(sql.startCheckpoint, subscription, ...checkpointCells(start))
    })
  }

  checkpoint(subscription: string): Promise<Checkpoint | undefined> {
    return this.#read((connection) => checkpointFrom(connection.first(sql.readCheckpoint, subscription)))
  }

  checkpoints(): Promise<readonly { readonly subscription: string; readonly checkpoint: Checkpoint }[]> {
    return this.#read((connection) =>
      connection.all(sql.readCheckpoints).flatMap(([subscription, ...cells]) => {
        const checkpoint = checkpointFrom(cells)
        return checkpoint === undefined ? [] : [{ subscription: String(subscription), checkpoint }]
      }),
    )
  }

  documents(
    shape: ReadModelShape,
    keys: readonly string[],
    from?: FoldStart,
  ): Promise<ReadonlyMap<string, string>> {
    return this.#read((connection) => loadDocuments(connection, shape, keys, from))
  }

  change(change: ReadModelChange): Promise<boolean> {
    return this.#writer.transaction((connection) => applyChange(connection, change))
  }

  moveCheckpoint(
    subscription: string,
    fromPosition: number,
    checkpoint: Checkpoint,
    lease?: Lease,
  ): Promise<boolean> {
    return this.#writer.transaction((connection) =>
      moveCheckpoint(connection, { subscription, fromPosition, checkpoint, lease }),
    )
  }

  find(
    shape: ReadModelShape,
    query: DocumentQuery,
  ): Promise<readonly { readonly key: string; readonly document: string }[]> {
    return this.#read((connection) => {
      // Texts of finds differ without bound, so they are not kept prepared.
      const statement = connection.database.prepare(sql.findDocuments(shape, query))
      statement.setReturnArrays(true)
      const rows = statement.all(...conditionCells(query), query.limit) as unknown[] as Row[]
      return rows.map(([key, document]) => ({ key: String(key), document: String(document) }))
    })
  }

  count(shape: ReadModelShape, query: DocumentQuery): Promise<number> {
    return this.#read((connection) => {
      const statement = connection.database.prepare(sql.countDocuments(shape, query))
      statement.setReturnArrays(true)
      return Number((statement.get(...conditionCells(query)) as unknown[] | undefined)?.[0])
    })
  }

  async reset(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void> {
    await this.#writer.transaction((connection) => {
      const { clear, createIndexes } = sql.readModelStatements(shape)
      createReadModel(connection, shape)
      connection.run(clear)
      for (const text of createIndexes) connection.database.exec(text)
      connection.run(sql.resetCheckpoint, subscription, ...checkpointCells(start))
      // The log is read anew, and would meet these twice.
      connection.run(following.dropUndecided, subscription)
      connection.run(following.dropAllSeen, subscription)
    })
  }

  async #read<Result>(work: (connection: Connection) => Result): Promise<Result> {
    try {
      return work(this.#reader())
    } catch (error) {
      throw translated(error, this.#name)
    }
  }
}

/** Read models as seen and changed by a transaction under way on this connection. */
export function changesIn(connection: Connection): ReadModelTransaction {
  return {
    checkpoint: async (subscription) => checkpointFrom(connection.first(sql.readCheckpoint, subscription)),
    documents: async (shape, keys, from) => loadDocuments(connection, shape, keys, from),
    change: async (change) => applyChange(connection, change),
  }
}

/** Creates the table; its columns are compared before an index can name one that is not there. */
function createReadModel(connection: Connection, shape: ReadModelShape): void {
  connection.database.exec(sql.readModelStatements(shape).create)
  refuseOtherColumns(connection, shape)
}

/** Names and types of the columns that the table has; none when there is no table. */
function heldColumns(connection: Connection, shape: ReadModelShape): ReadonlyMap<string, string> {
  const rows = connection.all(sql.readModelStatements(shape).columns)
  return new Map(rows.map(([name, type]) => [String(name), String(type)]))
}

/** A table made for other columns must not be written with these. Throws `PROJECTION_CHANGED`. */
function refuseOtherColumns(connection: Connection, shape: ReadModelShape): void {
  const held = heldColumns(connection, shape)
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
export function moveCheckpoint(
  connection: Connection,
  {
    subscription,
    fromPosition,
    checkpoint,
    lease,
  }: Pick<ReadModelChange, 'subscription' | 'fromPosition' | 'checkpoint' | 'lease'>,
): boolean {
  // A lease of another subscription gives no right to this one.
  if (lease !== undefined && lease.subscription !== subscription) return false
  const holder = [lease?.owner ?? null, lease?.token ?? null]
  const cells = [fromPosition, ...checkpointCells(checkpoint), ...holder]
  return connection.run(sql.moveCheckpoint, subscription, ...cells) === 1
}

function applyChange(connection: Connection, change: ReadModelChange): boolean {
  const { shape, upserts, deletes } = change
  if (!moveCheckpoint(connection, change)) return false
  const statements = sql.readModelStatements(shape)
  if (upserts.length > 0) {
    const upsert = connection.prepare(statements.upsert)
    for (const { key, document, columns } of upserts) upsert.run(key, document, ...columns.map(cellOf))
  }
  for (const key of deletes) connection.run(statements.delete, key)
  return true
}

/** The documents of the keys; only those of the checkpoint that a fold begins from, when it is given. */
function loadDocuments(
  connection: Connection,
  shape: ReadModelShape,
  keys: readonly string[],
  from: FoldStart | undefined,
): ReadonlyMap<string, string> {
  const { load, loadFrom } = sql.readModelStatements(shape)
  if (from === undefined) {
    const rows = keys.length === 0 ? [] : connection.all(load, JSON.stringify(keys))
    return new Map(rows.map(([key, document]) => [String(key), String(document)]))
  }
  const rows = connection.all(loadFrom, JSON.stringify(keys), from.subscription)
  if (rows[0]?.[2] !== from.position) {
    throw new DaybookError('TRANSACTION_ABORTED', `somebody else moved ${from.subscription}`, { ...from })
  }
  return new Map(rows.flatMap(([key, document]) => (key === null ? [] : [[String(key), String(document)]])))
}

function checkpointCells({ position, epoch, fingerprint, updatedAtMs }: Checkpoint): readonly Cell[] {
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

function conditionCells(query: DocumentQuery): readonly Cell[] {
  return query.where.map(({ operator, value }) => {
    if (operator === 'in') return JSON.stringify((value as readonly ColumnValue[]).map(cellOf))
    return cellOf(value as ColumnValue)
  })
}

function cellOf(value: ColumnValue): Cell {
  return typeof value === 'boolean' ? Number(value) : value
}
