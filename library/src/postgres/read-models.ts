import type { DocumentQuery } from '../core/document-query.ts'
import { DaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
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
import { isConnectionLoss, isWorthRepeating, openedReadOnly, translated } from './errors.ts'
import * as sql from './read-model-statements.ts'
import { begin, type Statement } from './statements.ts'
import { type Transaction, transact } from './transaction.ts'

/** What read models need. */
export interface ReadModelParts {
  readonly name: string
  readonly schema: string
  readonly reader: Session
  /** Used by read models and snapshots alone; their commits do not wait for the disk. */
  readonly derived: DerivedWriter
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

  async prepare(shape: ReadModelShape, subscription: string, start: Checkpoint): Promise<void> {
    await this.#parts.derived.durableTransaction(async (transaction) => {
      await createReadModel(transaction, this.#parts.schema, shape)
      await transaction.run(this.#checkpoints.start, [subscription, ...checkpointCells(start)])
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

  moveCheckpoint(subscription: string, fromPosition: number, checkpoint: Checkpoint): Promise<boolean> {
    return this.#parts.derived.transaction(async (transaction) => {
      const values = [subscription, fromPosition, ...checkpointCells(checkpoint)]
      return (await transaction.run(this.#checkpoints.move, values)).length === 1
    })
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
    await this.#parts.derived.durableTransaction(async (transaction) => {
      await createReadModel(transaction, this.#parts.schema, shape)
      await transaction.run(sql.readModelStatements(this.#parts.schema, shape).clear)
      await transaction.run(this.#checkpoints.reset, [subscription, ...checkpointCells(start)])
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

/** The one connection that writes what can be thrown away: one transaction at a time in this process. */
export class DerivedWriter implements Runner {
  readonly #session: Session
  readonly #isReadOnly: boolean
  readonly #mutex = new Mutex()
  /** When the server was given up last, and why. */
  #lost: { readonly atMs: number; readonly error: unknown } | undefined

  /** @param isReadOnly refuses to write, whatever the user may do */
  constructor(session: Session, isReadOnly: boolean) {
    this.#session = session
    this.#isReadOnly = isReadOnly
  }

  /** Runs one statement between two transactions, never as part of one. */
  run(statement: Statement | string, values?: readonly unknown[]): Promise<readonly Row[]> {
    return this.#mutex.run(() => this.#session.run(statement, values))
  }

  /** Runs work in a transaction; again when it certainly did nothing, or may well be done twice. Throws coded errors. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transact(work, false)
  }

  /**
   * As `transaction`, and on the disk when it resolves: for what is done once and not looked for again. A process that
   * outlives a crash of the server goes on as if it were there.
   */
  durableTransaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transact(work, true)
  }

  #transact<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    flushesAtCommit: boolean,
  ): Promise<Result> {
    const { timeoutMs, name, host } = this.#session.address
    if (this.#isReadOnly) return Promise.reject(openedReadOnly(name))
    const askedMs = performance.now()
    return this.#mutex.run(async () => {
      // Who has waited as long as those before it, who found nobody there, need not wait as long again.
      if (this.#lost !== undefined && this.#lost.atMs - askedMs >= timeoutMs) throw this.#lost.error
      const startMs = performance.now()
      for (let delayMs = 5; ; delayMs = Math.min(500, delayMs * 2)) {
        try {
          const result = await transact(this.#session, begin(timeoutMs, flushesAtCommit), work)
          this.#lost = undefined
          return result
        } catch (error) {
          // A change that was committed after all is not at its checkpoint any more, and is not done twice.
          const isHarmless = isWorthRepeating(error) || isConnectionLoss(error)
          if (!isHarmless || performance.now() - startMs >= timeoutMs) throw this.#givenUp(error, name)
        }
        await host.sleep(delayMs * (0.5 + host.random()))
      }
    })
  }

  #givenUp(cause: unknown, name: string): unknown {
    const error = translated(cause, name)
    if (isConnectionLoss(cause)) this.#lost = { atMs: performance.now(), error }
    return error
  }
}

/** Read models as seen and changed by a transaction under way. */
export function changesIn(runner: Runner, schema: string): ReadModelTransaction {
  const checkpoints = sql.checkpointStatements(schema)
  return {
    checkpoint: (subscription) => readCheckpoint(runner, checkpoints, subscription),
    documents: (shape, keys) => loadDocuments(runner, schema, shape, keys),
    change: (change) => applyChange(runner, schema, change),
  }
}

/** Creates what is missing. One at a time: `CREATE TABLE IF NOT EXISTS` alone fails when two do. */
async function createReadModel(runner: Runner, schema: string, shape: ReadModelShape): Promise<void> {
  const { create, createIndexes, columns, share } = sql.readModelStatements(schema, shape)
  await runner.run(sql.checkpointStatements(schema).lockTables)
  const held = await runner.run(columns)
  if (held.length > 0) return refuseOtherColumns(held, shape)
  await runner.run(create)
  for (const text of createIndexes) await runner.run(text)
  await runner.run(share)
}

/** A table made for other columns must not be written with these. Throws `PROJECTION_CHANGED`. */
function refuseOtherColumns(rows: readonly Row[], shape: ReadModelShape): void {
  const held = new Map(rows.map(([name, type]) => [String(name), String(type)]))
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

async function applyChange(runner: Runner, schema: string, change: ReadModelChange): Promise<boolean> {
  const { shape, subscription, fromPosition, checkpoint, upserts, deletes } = change
  const columns = Object.keys(shape.columns).map((_column, index) =>
    upserts.map((upsert) => upsert.columns[index] ?? null),
  )
  const [row] = await runner.run(sql.readModelStatements(schema, shape).change, [
    subscription,
    fromPosition,
    ...checkpointCells(checkpoint),
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
