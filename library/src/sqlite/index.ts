import { existsSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { DaybookError } from '../core/errors.ts'
import { integerWithin } from '../core/limits.ts'
import { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import type { OpenStore, Store, StoreReport } from '../core/ports/store.ts'
import {
  type Connection,
  type ConnectionOptions,
  connect,
  type Durability,
  type Patience,
  Writer,
  whenFree,
} from './connection.ts'
import { translated } from './errors.ts'
import { SqliteFollowing } from './following.ts'
import { SqliteLog } from './log.ts'
import { migrate, migrations, readIdentity, schemaVersion } from './migrate.ts'
import { ReadAhead } from './read-ahead.ts'
import { SqliteReadModels } from './read-models.ts'
import { SqliteSnapshots } from './snapshots.ts'
import * as sql from './statements.ts'

/** Settings of the embedded store. */
export interface SqliteOptions {
  /** How long an append waits for the write lock, in ms: 0 to 600,000, default 10,000. */
  readonly lockTimeoutMs?: number
  /**
   * When the disk is made to hold what was appended. `'commit'` (the default): before the append is acknowledged.
   * `'checkpoint'` and `'never'` lose acknowledged appends when power fails, and need `unsafeDurability: true`.
   */
  readonly flush?: Durability
  /** Allows a `flush` other than `'commit'`. */
  readonly unsafeDurability?: boolean
  /** Opens an existing book for reading only. */
  readonly readOnly?: boolean
}

/** Versions before this one can corrupt a WAL when it is reset (https://www.sqlite.org/wal.html#walresetbug). */
const oldestSafeVersion = '3.51.3'

/**
 * The embedded store: one file, nothing to install, several processes at once. Appends are on disk when they are
 * acknowledged.
 *
 * @throws DaybookError `ILLEGAL_ARGUMENT`, `STORE_UNSAFE`; opening throws `STORE_*`
 */
export function sqlite(path: string, options: SqliteOptions = {}): Store {
  if (typeof path !== 'string' || path === '') {
    throw new DaybookError('ILLEGAL_ARGUMENT', 'sqlite(path): the path of the database file is missing', {
      argument: 'path',
    })
  }
  const name = `sqlite:${path}`
  const flush = options.flush ?? 'commit'
  if (!['commit', 'checkpoint', 'never'].includes(flush)) {
    throw new DaybookError('ILLEGAL_ARGUMENT', "flush must be 'commit', 'checkpoint' or 'never'", {
      argument: 'flush',
      value: flush,
    })
  }
  if (path === ':memory:') {
    throw new DaybookError(
      'UNSUPPORTED',
      `${name}: several connections cannot share :memory:; use memory() of daybook/memory`,
      {
        store: name,
      },
    )
  }
  if (flush !== 'commit' && options.unsafeDurability !== true) {
    const setting = `flush: '${flush}'`
    throw new DaybookError('STORE_UNSAFE', `${name}: with ${setting} an acknowledged append can be lost`, {
      store: name,
      setting,
    })
  }
  const lockTimeoutMs = integerWithin('lockTimeoutMs', options.lockTimeoutMs ?? 10_000, 0, 600_000)
  const connection: ConnectionOptions = {
    path: resolve(path),
    name,
    durability: flush,
    isReadOnly: options.readOnly ?? false,
  }
  return { name, open: (host) => open(connection, host, lockTimeoutMs) }
}

async function open(options: ConnectionOptions, host: Host, lockTimeoutMs: number): Promise<OpenStore> {
  const { name } = options
  refuseOldSqlite(name)
  if (options.isReadOnly && !existsSync(options.path)) {
    throw new DaybookError('STORE_CANNOT_OPEN', `${name} does not exist`, { store: name })
  }
  if (statSync(options.path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new DaybookError('STORE_CANNOT_OPEN', `${name} is a folder, not a file`, { store: name })
  }
  // Log and read models have connections of their own, but only one writes at a time, in the order of asking.
  const mutex = new Mutex()
  const patience: Patience = { name, host, lockTimeoutMs }
  const writer = new Writer(options, patience, mutex)
  const durability = options.durability === 'never' ? 'never' : 'checkpoint'
  const derived = new Writer({ ...options, durability }, patience, mutex)
  let reader: Reader | undefined
  try {
    if (!options.isReadOnly) {
      await whenFree(patience, () => useWal(options))
      await migrate(writer, name, host)
    }
    const opened = await whenFree(patience, () => new Reader(options))
    reader = opened
    requireMigrated(opened.connection, name)
    const identity = readIdentity(opened.connection)
    const read = (): Connection => opened.connection
    const ahead = new ReadAhead(options, identity)
    const log = new SqliteLog({
      name,
      host,
      identity,
      reader: read,
      writer,
      ahead,
      isDurable: options.durability === 'commit',
    })
    return {
      name,
      identity,
      isReadOnly: options.isReadOnly,
      log,
      snapshots: new SqliteSnapshots(read, derived, name),
      readModels: new SqliteReadModels(read, derived, name),
      following: new SqliteFollowing({ name, host, reader: read, writer, derived }),
      inspect: async () => inspect(read(), options, writer),
      close: async () => {
        log.stopWatching()
        await ahead.close()
        opened.close()
        await derived.close()
        await writer.close()
      },
    }
  } catch (error) {
    reader?.close()
    await writer.close()
    throw translated(error, name)
  }
}

/** Refuses a file that is no book, or one that only reading has not brought up to date. */
function requireMigrated(connection: Connection, name: string): void {
  const newest = migrations().length
  const version = schemaVersion(connection, name, newest)
  if (version === newest) return
  if (version === 0) {
    throw new DaybookError('STORE_FOREIGN', `${name} is an empty file, not a Daybook book`, { store: name })
  }
  throw new DaybookError(
    'STORE_NOT_MIGRATED',
    `${name} has schema ${version}, and reading needs ${newest}: open it once without readOnly`,
    { store: name, schema: version, newest },
  )
}

/** The connection for reads; opened once, refused after closing. */
class Reader {
  readonly #name: string
  #connection: Connection | undefined

  constructor(options: ConnectionOptions) {
    this.#name = options.name
    this.#connection = connect({ ...options, isReadOnly: true })
  }

  get connection(): Connection {
    if (this.#connection !== undefined) return this.#connection
    throw new DaybookError('BOOK_CLOSED', `${this.#name} is closed`)
  }

  close(): void {
    this.#connection?.database.close()
    this.#connection = undefined
  }
}

/** Turns on write-ahead logging, which needs the file for itself for a moment; refuses to go on without it. */
function useWal(options: ConnectionOptions): void {
  const { name } = options
  const connection = connect(options)
  try {
    schemaVersion(connection, name, migrations().length)
    const mode = String(connection.first(sql.useWal)?.[0])
    if (mode === 'wal') return
    throw new DaybookError(
      'STORE_UNSAFE',
      `${name}: the file system does not allow write-ahead logging (journal mode ${mode})`,
      { store: name, setting: `journal_mode ${mode}` },
    )
  } catch (error) {
    throw translated(error, name)
  } finally {
    connection.database.close()
  }
}

function refuseOldSqlite(name: string): void {
  const version = process.versions.sqlite ?? '0'
  if (version.localeCompare(oldestSafeVersion, 'en', { numeric: true }) >= 0) return
  throw new DaybookError(
    'STORE_TOO_OLD',
    `${name}: SQLite ${version} is older than ${oldestSafeVersion}; use Node 24.15 or newer`,
    {
      store: name,
      version,
      oldest: oldestSafeVersion,
    },
  )
}

function inspect(connection: Connection, options: ConnectionOptions, writer: Writer): StoreReport {
  const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
  const facts = {
    store: 'sqlite',
    file: basename(options.path),
    events: Number(connection.first(sql.readHead)?.[0] ?? 0),
    bytes: sizeOf(options.path),
    walBytes: sizeOf(`${options.path}-wal`),
    sqlite: process.versions.sqlite ?? 'unknown',
    schema: Number(connection.first(sql.readSchemaVersion)?.[0]),
    journalMode: String(connection.first(sql.readJournalMode)?.[0]),
    synchronous: writer.synchronous,
    isDurable: options.durability === 'commit',
  }
  return { facts, problems: damagesIn(connection) }
}

function damagesIn(connection: Connection): StoreReport['problems'] {
  const hint = 'Stop writing, keep a copy of the file, and restore the newest backup that verifies.'
  const damage = String(connection.first(sql.quickCheck)?.[0])
  if (damage !== 'ok') return [{ code: 'STORE_CORRUPT', message: damage, hint }]
  const [lacking, extra] = connection.first(sql.countTagFaults) ?? []
  if (lacking === 0 && extra === 0) return []
  const message = `the index of tags lacks ${Number(lacking)} entries and has ${Number(extra)} that no event has`
  return [{ code: 'STORE_CORRUPT', message, hint }]
}
