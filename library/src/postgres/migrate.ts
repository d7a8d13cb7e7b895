import { readdirSync, readFileSync } from 'node:fs'
import { DaybookError } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity } from '../core/ports/store.ts'
import type { Runner, Session } from './connection.ts'
import { translated } from './errors.ts'
import { type MigrationStatements, migrationStatements, rolesOf } from './migration-statements.ts'
import { partitionStatements } from './partition-statements.ts'
import { readServerFacts, requireFitServer } from './server.ts'
import { begin, type LogStatements } from './statements.ts'
import { transact } from './transaction.ts'

/** One numbered file of `migrations/`; never edited after release. */
export interface Migration {
  readonly number: number
  /** The file's name. */
  readonly name: string
  readonly text: string
  /** True for a file called `….breaking.sql`: versions of Daybook that do not know it refuse the schema. */
  readonly isBreaking: boolean
}

/** What a migration is asked to do besides bringing the schema up to date. */
export interface MigrationWishes {
  /** Create the roles `<schema>_owner`, `_writer` and `_reader`. */
  readonly roles?: boolean
  /** The database was restored from a backup, or moved as a whole. */
  readonly settle?: 'restored' | 'moved' | undefined
}

/** What a migration did. */
export interface MigrationReport {
  /** True when there was no book before. */
  readonly isNew: boolean
  /** Names of the files applied now. */
  readonly applied: readonly string[]
  /** Number of the newest file applied. */
  readonly schemaVersion: number
  /** Names of the roles, when they were asked for. */
  readonly roles: readonly string[]
}

/** The migrations of this version, in order. */
export function migrations(): readonly Migration[] {
  const folder = new URL('./migrations/', import.meta.url)
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((name) => ({
      number: Number.parseInt(name, 10),
      name,
      text: readFileSync(new URL(name, folder), 'utf8'),
      isBreaking: name.endsWith('.breaking.sql'),
    }))
}

/**
 * Brings a schema to the newest version, or makes a new book in an empty one, in one transaction. The lock is taken
 * before the version is read, so that any number of processes may start at once. Throws `STORE_FOREIGN`, `STORE_NEWER`,
 * `STORE_RESTORED`, `STORE_ACCESS_DENIED`, and `STORE_TOO_OLD`, `STORE_CANNOT_OPEN`, `STORE_READ_ONLY` for the server.
 */
export async function migrate(
  session: Session,
  schema: string,
  host: Host,
  wishes: MigrationWishes = {},
): Promise<MigrationReport> {
  const { name, timeoutMs } = session.address
  const sql = migrationStatements(schema)
  const known = migrations()
  try {
    return await transact(session, begin(timeoutMs, true), async (transaction) => {
      const server = await readServerFacts(transaction)
      // Whether appends would be durable is asked when a book is opened; a schema can be made again.
      requireFitServer(server, { name, isReadOnly: false, unsafeDurability: true })
      await transaction.run(sql.lock)
      const state = await readState(transaction, sql, name)
      refuseNewer(state, name)
      if (!state.hasSchema) await transaction.run(sql.createSchema)
      await transaction.run(sql.useSchema)
      if (!state.isBook) await transaction.run(sql.createTable)
      const pending = known.filter(({ number }) => number > state.version)
      for (const migration of pending) {
        await transaction.run(migration.text)
        const { number, name: file, isBreaking } = migration
        await transaction.run(sql.insertApplied, [number, file, isBreaking, host.now()])
      }
      if (!state.isBook) await transaction.run(sql.insertBook, [host.newId(), host.now()])
      await settleHome(transaction, sql, { name, settle: wishes.settle })
      if (!state.isBook) await transaction.run(sql.createReadSchema)
      if (wishes.roles === true) await transaction.run(sql.createRoles)
      if (!state.isBook || pending.length > 0 || wishes.roles === true) await transaction.run(sql.grant)
      await makePartitions(transaction, schema)
      const schemaVersion = Math.max(state.version, known.at(-1)?.number ?? 0)
      const applied = pending.map(({ name: file }) => file)
      return { isNew: !state.isBook, applied, schemaVersion, roles: wishes.roles ? rolesOf(schema) : [] }
    })
  } catch (error) {
    throw translated(error, name)
  }
}

/** Whoever migrates may well do what an application that only reads, or lacks the right, left undone. */
async function makePartitions(runner: Runner, schema: string): Promise<void> {
  const sql = partitionStatements(schema)
  const [due] = await runner.run(sql.readDue)
  if ((due?.[0] ?? null) !== null) await runner.run(sql.extend, [0])
}

/** What a schema lacks. */
export interface PendingMigrations {
  /** False when there is no book yet. */
  readonly isBook: boolean
  readonly files: readonly Migration[]
}

/** The migrations that a schema lacks. Changes nothing. Throws `STORE_FOREIGN`, `STORE_NEWER`. */
export async function pendingMigrations(
  runner: Runner,
  schema: string,
  name: string,
): Promise<PendingMigrations> {
  const state = await readState(runner, migrationStatements(schema), name)
  refuseNewer(state, name)
  return { isBook: state.isBook, files: migrations().filter(({ number }) => number > state.version) }
}

interface SchemaState {
  readonly hasSchema: boolean
  readonly isBook: boolean
  /** Number of the newest migration applied, 0 for none. */
  readonly version: number
  /** Number of the newest migration that this version of Daybook does not know and may not overlook. */
  readonly breaking: number | undefined
}

async function readState(runner: Runner, sql: MigrationStatements, name: string): Promise<SchemaState> {
  const [row] = await runner.run(sql.inspect)
  const [isBook, tables, hasSchema] = [row?.[0] === 't', Number(row?.[1]), row?.[2] === 't']
  if (!isBook && tables > 0) {
    throw new DaybookError(
      'STORE_FOREIGN',
      `${name}: the schema holds ${tables} tables that are not Daybook's`,
      {
        store: name,
        tables,
      },
    )
  }
  const applied = isBook ? await runner.run(sql.readApplied) : []
  const newest = migrations().at(-1)?.number ?? 0
  const breaking = applied
    .filter(([number, isBreaking]) => Number(number) > newest && isBreaking === 't')
    .at(-1)
  return {
    hasSchema,
    isBook,
    version: Number(applied.at(-1)?.[0] ?? 0),
    breaking: breaking === undefined ? undefined : Number(breaking[0]),
  }
}

function refuseNewer({ breaking }: SchemaState, name: string): void {
  if (breaking === undefined) return
  const newest = migrations().at(-1)?.number ?? 0
  throw new DaybookError(
    'STORE_NEWER',
    `${name} has schema ${breaking}; this version of Daybook knows up to ${newest}`,
    { store: name, schema: breaking, newest },
  )
}

/** Writes the new home of a book that was restored or moved, when that was said; refuses one when it was not. */
async function settleHome(
  runner: Runner,
  sql: MigrationStatements,
  { name, settle }: { readonly name: string; readonly settle: MigrationWishes['settle'] },
): Promise<void> {
  if (settle === 'restored') await runner.run(sql.settleRestored)
  if (settle === 'moved') await runner.run(sql.settleMoved)
  await requireHome(runner, sql, name)
}

/** Throws `STORE_RESTORED` for a book that is not where it was written. */
export async function requireHome(runner: Runner, sql: MigrationStatements, name: string): Promise<void> {
  const [row] = await runner.run(sql.readHome)
  const [home, actual] = row ?? []
  if (home === actual) return
  throw new DaybookError(
    'STORE_RESTORED',
    `${name}: the book was restored from a dump, or copied: it was written at ${home}, and is at ${actual}`,
    { store: name, home, actual },
  )
}

/** The identity of a book that is up to date and where it belongs. Throws `STORE_NOT_MIGRATED`, `STORE_RESTORED` … */
export async function readIdentity(
  runner: Runner,
  log: LogStatements,
  {
    schema,
    name,
    isReplica,
  }: { readonly schema: string; readonly name: string; readonly isReplica: boolean },
): Promise<BookIdentity> {
  const { isBook, files } = await pendingMigrations(runner, schema, name)
  if (files.length > 0) {
    const pending = files.map(({ name: file }) => file)
    const problem = isBook
      ? `the schema "${schema}" lacks ${pending.join(', ')}`
      : `there is no book in the schema "${schema}"`
    throw new DaybookError('STORE_NOT_MIGRATED', `${name}: ${problem}`, { store: name, schema, pending })
  }
  // A replica has the identifiers of what it replicates.
  if (!isReplica) await requireHome(runner, migrationStatements(schema), name)
  const [row] = await runner.run(log.readBook)
  return { bookId: String(row?.[0]), epoch: Number(row?.[1]) }
}
