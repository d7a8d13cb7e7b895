import { DaybookError, messageOf } from '../core/errors.ts'
import type { FollowingTransaction, SqlTransaction } from '../core/ports/following.ts'
import { FoldedEvent } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'
import type { SqlProjectionDefinition } from '../core/sql-projection.ts'

/** Statements that are under way before they are waited for. */
const mostSent = 200

/** Thrown where an event could not be handled: the transaction is lost, and this is the first event to blame. */
export class EventFailed extends Error {
  readonly row: EventRow
  readonly error: unknown

  constructor(row: EventRow, error: unknown) {
    super(messageOf(error), { cause: error })
    this.name = 'EventFailed'
    this.row = row
    this.error = error
  }
}

/** What a function of a SQL projection does to several events in one transaction, its statements sent one behind the other. */
export class SqlBatch {
  readonly #definition: SqlProjectionDefinition
  readonly #sql: SqlTransaction
  #sent: { readonly row: EventRow; readonly done: Promise<unknown> }[] = []

  constructor(definition: SqlProjectionDefinition, sql: SqlTransaction) {
    this.#definition = definition
    this.#sql = sql
  }

  /** Has one event handled; its statements may still be under way. Throws `EventFailed`. */
  async add(row: EventRow): Promise<void> {
    const step = this.#definition.evolve.get(row.type)
    if (step === undefined) return
    const own: Promise<unknown>[] = []
    const sql: SqlTransaction = {
      dialect: this.#sql.dialect,
      query: (text, values) => {
        const done = this.#sql.query(text, values)
        // Whether the function waits for it or not: it is looked at below.
        done.catch(() => undefined)
        own.push(done)
        this.#sent.push({ row, done })
        return done
      },
    }
    try {
      const event = new FoldedEvent(row)
      const result = step(sql, event.data, event)
      if (!own.some((done) => done === result)) await result
    } catch (error) {
      // One before it may be to blame: what follows a failed statement fails as well.
      await this.settle()
      throw new EventFailed(row, error)
    }
    if (this.#sent.length >= mostSent) await this.settle()
  }

  /** Waits for all statements that are under way. Throws `EventFailed` for the first that failed. */
  async settle(): Promise<void> {
    const sent = this.#sent
    this.#sent = []
    const results = await Promise.allSettled(sent.map(({ done }) => done))
    for (const [nth, result] of results.entries()) {
      const row = sent[nth]?.row
      if (result.status === 'rejected' && row !== undefined) throw new EventFailed(row, result.reason)
    }
  }
}

/** The SQL of a transaction. Throws `UNSUPPORTED` where there is none, and `DEFINITION_INVALID` for one not provided for. */
export function sqlOf(
  { name, tables }: SqlProjectionDefinition,
  { sql }: FollowingTransaction,
): SqlTransaction {
  if (sql === undefined) {
    throw new DaybookError(
      'UNSUPPORTED',
      `the SQL projection "${name}" needs a store with SQL: sqlite or postgres`,
      { projection: name, stores: ['sqlite', 'postgres'] },
    )
  }
  if (tables[sql.dialect] !== undefined) return sql
  throw new DaybookError(
    'DEFINITION_INVALID',
    `the SQL projection "${name}" has no tables for ${sql.dialect}; it has them for ${Object.keys(tables).join(', ')}`,
    { projection: name, dialect: sql.dialect },
  )
}

/** Runs statements that make or clear tables. Throws `PROJECTION_FAILED`. */
export async function runTexts(
  { name }: SqlProjectionDefinition,
  sql: SqlTransaction,
  texts: readonly string[],
): Promise<void> {
  for (const text of texts) {
    try {
      await sql.query(text)
    } catch (cause) {
      const start = text.trim().slice(0, 60)
      throw new DaybookError(
        'PROJECTION_FAILED',
        `the SQL projection "${name}" cannot make its tables: ${messageOf(cause)} (${start})`,
        { projection: name, text },
        cause,
      )
    }
  }
}
