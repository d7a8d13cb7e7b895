import { createHash } from 'node:crypto'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { actor, movementEvent } from './bank.ts'
import { check } from './self-check.ts'

/** A row in the order of the columns of the book's `event` table. */
export type BareRow = readonly (string | number | Uint8Array)[]

const schema = `
  CREATE TABLE event (
    position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL,
    schema_version INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, data TEXT NOT NULL, metadata TEXT NOT NULL,
    tags TEXT NOT NULL, recorded_at_ms INTEGER NOT NULL, leaf_hash BLOB NOT NULL, chain_hash BLOB NOT NULL,
    UNIQUE (stream, version)
  ) STRICT`

/**
 * What one would write by hand with node:sqlite: the same columns and unique keys as a book, write-ahead logging,
 * every commit flushed to the disk, statements prepared once; but no triggers, no queue, and hashes that are given.
 */
export class BareLog {
  readonly database: DatabaseSync
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #rollback: StatementSync
  readonly #version: StatementSync
  readonly #insert: StatementSync
  readonly #stream: StatementSync

  constructor(path: string) {
    this.database = openBare(path)
    this.database.exec(schema)
    this.#begin = this.database.prepare('BEGIN IMMEDIATE')
    this.#commit = this.database.prepare('COMMIT')
    this.#rollback = this.database.prepare('ROLLBACK')
    this.#version = arrays(this.database, 'SELECT max(version) FROM event WHERE stream = ?')
    this.#insert = this.database.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    this.#stream = arrays(this.database, 'SELECT type, data FROM event WHERE stream = ? ORDER BY version')
  }

  /** One durable transaction; false, and nothing written, when the stream is not at the version before the row's. */
  append(row: BareRow): boolean {
    this.#begin.run()
    if (this.versionOf(row[1] as string) !== (row[2] as number) - 1) {
      this.#rollback.run()
      return false
    }
    this.#insert.run(...row)
    this.#commit.run()
    return true
  }

  /** One durable transaction for all the rows; nothing is looked up. */
  appendBatch(rows: readonly BareRow[]): void {
    this.#begin.run()
    for (const row of rows) this.#insert.run(...row)
    this.#commit.run()
  }

  /** Reads, decides and writes under the lock, in one durable transaction. */
  transact(stream: string, decide: (events: readonly BareEvent[]) => BareRow): void {
    this.#begin.run()
    this.#insert.run(...decide(this.read(stream)))
    this.#commit.run()
  }

  versionOf(stream: string): number {
    const [row] = this.#version.all(stream) as unknown[] as (number | null)[][]
    return row?.[0] ?? 0
  }

  read(stream: string): readonly BareEvent[] {
    const rows = this.#stream.all(stream) as unknown[] as string[][]
    return rows.map(([type, data]) => ({ type: type as string, data: JSON.parse(data as string) }))
  }

  /** Closes, after making sure that all of it is there. */
  close(expectedEvents: number): void {
    const count = Number(this.database.prepare('SELECT count(*) AS count FROM event').get()?.count)
    const synchronous = this.database.prepare('PRAGMA synchronous').get()?.synchronous
    this.database.close()
    check(count === expectedEvents, `the bare log has ${count} events, not ${expectedEvents}`)
    check(synchronous === 2, `the bare log was written with synchronous = ${synchronous}`)
  }
}

export interface BareEvent {
  readonly type: string
  readonly data: { readonly cents: number }
}

export function openBare(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536')
  return database
}

/** A statement whose rows come as arrays, the fastest way there is. */
export function arrays(database: DatabaseSync, text: string): StatementSync {
  const statement = database.prepare(text)
  statement.setReturnArrays(true)
  return statement
}

// As long as those that Daybook makes, and in order, which is the best case for their index.
function bareId(position: number): string {
  return `01980000-0000-7000-8000-${position.toString(16).padStart(12, '0')}`
}

/** The row that a book would write for the event at this position; its hashes are any 32 bytes. */
export function bareRow(position: number, stream: string, version: number): BareRow {
  const { type, data } = movementEvent(position)
  const id = bareId(position)
  const metadata = JSON.stringify({ actor, correlationId: id })
  return [
    position,
    stream,
    version,
    type,
    1,
    id,
    JSON.stringify(data),
    metadata,
    '[]',
    Date.now(),
    anyHash,
    anyHash,
  ]
}

const anyHash = new Uint8Array(createHash('sha256').update('any').digest())
