/** A caller's own transactions, on a connection of the caller's own, which appends join. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { BookAddress } from './address.ts'

/** One connection, one transaction at a time. */
export interface OwnConnection {
  /** What `append` is given. */
  readonly transaction: unknown
  /** Begins; where a transaction takes the lock at once, waits until it gets it. */
  begin(): Promise<void>
  /** Writes a row of the caller's own. */
  note(text: string): Promise<void>
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>
  close(): Promise<void>
}

/** @param applicationName what the server knows the connection by, where there is a server */
export async function ownConnection(address: BookAddress, applicationName: string): Promise<OwnConnection> {
  return address.store === 'sqlite' ? inFile(address.path) : onServer(address, applicationName)
}

/** Makes the table that `note` writes to. */
export async function makeNotes(address: BookAddress): Promise<void> {
  await run(address, `CREATE TABLE ${tableOf(address)} (text text NOT NULL)`)
}

/** Everything that was noted and committed. */
export function readNotes(address: BookAddress): Promise<readonly string[]> {
  return run(address, `SELECT text FROM ${tableOf(address)}`)
}

/**
 * Somebody else's session with a view of the past, as a report or a backup has it, and where there is a server, with the
 * number of a transaction that writes and never ends. Returns how to end it.
 */
export async function holdSnapshot(address: BookAddress): Promise<() => Promise<void>> {
  if (address.store === 'sqlite') {
    const database = new DatabaseSync(address.path, { timeout: 10_000 })
    database.exec('BEGIN')
    database.prepare('SELECT count(*) FROM own_note').get()
    return async () => database.close()
  }
  const client = new Client({ connectionString: address.url, application_name: 'a long report' })
  client.on('error', () => undefined)
  await client.connect()
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await client.query(`INSERT INTO ${tableOf(address)} (text) VALUES ('never committed')`)
  return () => client.end()
}

function tableOf(address: BookAddress): string {
  return address.store === 'sqlite' ? 'own_note' : `own_note_${address.schema}`
}

async function run(address: BookAddress, text: string): Promise<readonly string[]> {
  if (address.store === 'sqlite') {
    using database = new DatabaseSync(address.path, { timeout: 10_000 })
    return database
      .prepare(text)
      .all()
      .map((row) => String(row.text))
  }
  const client = new Client({ connectionString: address.url })
  await client.connect()
  try {
    const { rows } = await client.query<{ readonly text: string }>(text)
    return rows.map((row) => row.text)
  } finally {
    await client.end()
  }
}

function inFile(path: string): OwnConnection {
  // Waiting inside of SQLite would keep this process from ending the transaction that is waited for.
  const database = new DatabaseSync(path, { timeout: 0 })
  database.exec('PRAGMA synchronous = FULL')
  return {
    transaction: database,
    begin: () => untilFree(() => database.exec('BEGIN IMMEDIATE')),
    note: async (text) => void database.prepare('INSERT INTO own_note (text) VALUES (?)').run(text),
    end: (how) => untilFree(() => database.exec(how)),
    close: async () => database.close(),
  }
}

async function untilFree(work: () => void): Promise<void> {
  for (;;) {
    try {
      return work()
    } catch (error) {
      // SQLITE_BUSY in the low byte: https://www.sqlite.org/rescode.html
      const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
      if (code !== 5) throw error
    }
    await sleep(1 + Math.random() * 4)
  }
}

async function onServer(
  address: Extract<BookAddress, { store: 'postgres' }>,
  applicationName: string,
): Promise<OwnConnection> {
  const client = new Client({ connectionString: address.url, application_name: applicationName })
  // Who is told of a connection that ended is whoever runs the next statement.
  client.on('error', () => undefined)
  await client.connect()
  const query = async (text: string, values: readonly string[] = []): Promise<void> =>
    void (await client.query(text, [...values]))
  return {
    transaction: client,
    begin: () => query('BEGIN'),
    note: (text) => query(`INSERT INTO ${tableOf(address)} (text) VALUES ($1)`, [text]),
    end: (how) => query(how),
    close: () => client.end(),
  }
}
