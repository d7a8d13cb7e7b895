import type { DocumentQuery } from '../core/document-query.ts'
import { DaybookError } from '../core/errors.ts'
import type {
  Checkpoint,
  ColumnValue,
  ReadModelChange,
  ReadModelShape,
  ReadModelStore,
  ReadModelTransaction,
} from '../core/ports/read-models.ts'
import type { Cell, Connection, Row, Writer } from './connection.ts'
import { translated } from './errors.ts'
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

  async prepare(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void> {
    await this.#writer.transaction((connection) => {
      createReadModel(connection, shape)
      connection.run(sql.startCheckpoint, subscription, ...checkpointCells(start))
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

  documents(shape: ReadModelShape, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#read((connection) => loadDocuments(connection, shape, keys))
  }

  change(change: ReadModelChange): Promise<boolean> {
    return this.#writer.transaction((connection) => applyChange(connection, change))
  }

  moveCheckpoint(subscription: string, fromPosition: number, checkpoint: Checkpoint): Promise<boolean> {
    return this.#writer.transaction(
      (connection) =>
        connection.run(sql.moveCheckpoint, subscription, fromPosition, ...checkpointCells(checkpoint)) === 1,
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
      const statements = sql.readModelStatements(shape)
      createReadModel(connection, shape)
      connection.run(statements.clear)
      connection.run(sql.resetCheckpoint, subscription, ...checkpointCells(start))
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
    documents: async (shape, keys) => loadDocuments(connection, shape, keys),
    change: async (change) => applyChange(connection, change),
  }
}

/** Creates what is missing; the columns are compared before an index can name one that is not there. */
function createReadModel(connection: Connection, shape: ReadModelShape): void {
  const { create, createIndexes } = sql.readModelStatements(shape)
  connection.database.exec(create)
  refuseOtherColumns(connection, shape)
  for (const text of createIndexes) connection.database.exec(text)
}

/** A table made for other columns must not be written with these. Throws `PROJECTION_CHANGED`. */
function refuseOtherColumns(connection: Connection, shape: ReadModelShape): void {
  const held = new Map(
    connection
      .all(sql.readModelStatements(shape).columns)
      .map(([name, type]) => [String(name), String(type)]),
  )
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

function applyChange(connection: Connection, change: ReadModelChange): boolean {
  const { shape, subscription, fromPosition, checkpoint, upserts, deletes } = change
  const moved = connection.run(sql.moveCheckpoint, subscription, fromPosition, ...checkpointCells(checkpoint))
  if (moved === 0) return false
  const statements = sql.readModelStatements(shape)
  if (upserts.length > 0) {
    const upsert = connection.prepare(statements.upsert)
    for (const { key, document, columns } of upserts) upsert.run(key, document, ...columns.map(cellOf))
  }
  for (const key of deletes) connection.run(statements.delete, key)
  return true
}

function loadDocuments(
  connection: Connection,
  shape: ReadModelShape,
  keys: readonly string[],
): ReadonlyMap<string, string> {
  if (keys.length === 0) return new Map()
  const rows = connection.all(sql.readModelStatements(shape).load, JSON.stringify(keys))
  return new Map(rows.map(([key, document]) => [String(key), String(document)]))
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
