import { DaybookError } from '../core/errors.ts'
import { integerWithin } from '../core/limits.ts'
import type { Host } from '../core/ports/host.ts'
import type { OpenStore, Store } from '../core/ports/store.ts'
import { runOn, type ServerAddress, Session } from './connection.ts'
import { DerivedWriter } from './derived-writer.ts'
import { importDriver, isDriver, type PostgresDriver, type PostgresSettings } from './driver.ts'
import { translated } from './errors.ts'
import { Flusher } from './flushing.ts'
import { PostgresFollowing } from './following.ts'
import { inspect } from './inspect.ts'
import { PostgresLog } from './log.ts'
import { migrate, readIdentity } from './migrate.ts'
import { migrationsOf, type PostgresMigrations } from './migrating.ts'
import { Notifier } from './notifying.ts'
import { illegal, legalSchema, placeOf, settingsFrom } from './options.ts'
import { type PartitionReport, partitionPostgres } from './partitioning.ts'
import { Partitions } from './partitions.ts'
import { PostgresReadModels } from './read-models.ts'
import { Readers } from './readers.ts'
import { requireRights } from './rights.ts'
import { readServerFacts, requireFitServer } from './server.ts'
import { PostgresSnapshots } from './snapshots.ts'
import { keepMemory, type LogStatements, logStatements } from './statements.ts'

export type { PostgresDriver, PostgresSettings } from './driver.ts'
export type { MigrationReport } from './migrate.ts'
export {
  type MigrateOptions,
  migratePostgres,
  type PostgresMigrations,
  pendingPostgresMigrations,
  pendingPostgresMigrationText,
  postgresMigrationText,
} from './migrating.ts'
export { type PartitionOptions, type PartitionReport, partitionPostgres } from './partitioning.ts'

/** Settings of the store on PostgreSQL. */
export interface PostgresOptions {
  /** The schema that holds the book, and one with `_read` after it: `a-z`, `0-9`, `_`, at most 40; default `daybook`. */
  readonly schema?: string
  /** The module `pg`, when it is not to be imported by its name. */
  readonly driver?: PostgresDriver
  /** Bring the schema up to date when opening, or make it. Default false: `daybook migrate` does it, with more rights. */
  readonly migrate?: boolean
  /** Opens an existing book for reading only: on a replica, or with the rights of a reader. */
  readonly readOnly?: boolean
  /** How long to wait for the log's lock, for an answer, or for a server that is away, in ms: 100 to 600,000, default 10,000. */
  readonly timeoutMs?: number
  /**
   * Where an append waits for the disk. `'outside-lock'` (the default): after it has let go of the log's lock, so that
   * processes share flushes. `'inside-lock'`: before. `'never'` loses acknowledged appends in a crash, and needs
   * `unsafeDurability: true`.
   */
  readonly flush?: 'outside-lock' | 'inside-lock' | 'never'
  /** Allows `flush: 'never'`, and a server set to `synchronous_commit = off`, `fsync = off` or `full_page_writes = off`. */
  readonly unsafeDurability?: boolean
  /** Connections for reading: 1 to 64, default 2. Each takes several statements at once. */
  readonly readConnections?: number
  /** False behind a pooler that loses prepared statements, such as PgBouncer before 1.21 in transaction mode. */
  readonly preparedStatements?: boolean
  /** A connection that is not pooled, for LISTEN; false where there is none, and then the log is polled. Default: the same. */
  readonly listen?: string | PostgresSettings | false
}

/** A book on PostgreSQL described, not yet opened. */
export interface PostgresStore extends Store {
  readOnly(): PostgresStore
  /** Brings its schema up to date, as `daybook migrate` does. */
  readonly migrations: PostgresMigrations
  /** Divides its log by position, as `daybook partition` does; see `partitionPostgres`. */
  partition(events: number): Promise<PartitionReport>
}

interface Opening {
  readonly name: string
  readonly schema: string
  readonly settings: PostgresSettings
  readonly listen: PostgresSettings | false
  readonly timeoutMs: number
  readonly readConnections: number
  readonly flush: 'outside-lock' | 'inside-lock' | 'never'
  readonly options: PostgresOptions
}

/**
 * The store on PostgreSQL 15 or newer, through `pg` 8.23 or newer: any number of processes, one book in each schema.
 *
 * @param connection an address (`postgres://user:password@host/database`) or settings as `pg` takes them
 * @throws DaybookError `ILLEGAL_ARGUMENT`, `STORE_UNSAFE`; opening throws `STORE_*`, `DRIVER_MISSING`
 */
export function postgres(
  connection: string | PostgresSettings,
  options: PostgresOptions = {},
): PostgresStore {
  const schema = legalSchema(options.schema ?? 'daybook')
  const settings = settingsFrom('connection', connection)
  const name = `postgres:${placeOf(settings)}/${schema}`
  const flush = options.flush ?? 'outside-lock'
  if (!['outside-lock', 'inside-lock', 'never'].includes(flush)) {
    throw illegal('flush', flush, "flush must be 'outside-lock', 'inside-lock' or 'never'")
  }
  if (flush === 'never' && options.unsafeDurability !== true) {
    throw new DaybookError(
      'STORE_UNSAFE',
      `${name}: with flush: 'never' an acknowledged append can be lost`,
      {
        store: name,
        setting: "flush: 'never'",
      },
    )
  }
  if (options.driver !== undefined && !isDriver(options.driver)) {
    throw illegal(
      'driver',
      typeof options.driver,
      'driver must be the module pg, or one with the same Client',
    )
  }
  const listen = options.listen ?? settings
  const opening: Opening = {
    name,
    schema,
    settings,
    listen: listen === false ? false : settingsFrom('listen', listen),
    timeoutMs: integerWithin('timeoutMs', options.timeoutMs ?? 10_000, 100, 600_000),
    readConnections: integerWithin('readConnections', options.readConnections ?? 2, 1, 64),
    flush,
    options,
  }
  return {
    name,
    open: (host) => open(opening, host),
    readOnly: () => postgres(connection, { ...options, readOnly: true }),
    migrations: migrationsOf(settings, options),
    partition: (events) => partitionPostgres(settings, { ...options, events }),
  }
}

/** The connections of one opened store. */
interface Sessions {
  readonly readers: readonly Session[]
  readonly writers: readonly Session[]
  readonly flusher: Session
  readonly derived: Session
  readonly leasing: Session
  readonly listener: Session | undefined
}

async function open(opening: Opening, host: Host): Promise<OpenStore> {
  const { name, schema, options } = opening
  const isReadOnly = options.readOnly ?? false
  const sql = logStatements(schema)
  const driver = options.driver ?? (await importDriver(name))
  const address = addressOf(opening, driver, host)
  let notifier: Notifier | undefined
  const sessions = sessionsOf(address, opening, sql, () => notifier?.heard())
  const [reader] = sessions.readers as [Session]
  try {
    const facts = await readServerFacts(reader)
    requireFitServer(facts, { name, isReadOnly, unsafeDurability: options.unsafeDurability ?? false })
    if (options.migrate === true && !isReadOnly) await migrate(sessions.writers[0] as Session, schema, host)
    const identity = await readIdentity(reader, sql, { schema, name, isReplica: facts.isReplica })
    await requireRights(reader, sql, { name, isReadOnly, user: facts.user })
    const derived = new DerivedWriter(sessions.derived, isReadOnly)
    const leasing = new DerivedWriter(sessions.leasing, isReadOnly)
    notifier = new Notifier({
      sql,
      sender: derived,
      listener: facts.isReplica ? undefined : sessions.listener,
      readPosition: async () => (await log.head()).position,
    })
    const partitions = new Partitions({ schema, address, reader })
    const log = new PostgresLog({
      name,
      schema,
      host,
      identity,
      sql,
      notifier,
      partitions,
      readers: new Readers(sessions.readers),
      reader,
      writers: sessions.writers,
      flusher: new Flusher(sessions.flusher, sql),
      flush: opening.flush,
      isReadOnly,
      timeoutMs: opening.timeoutMs,
    })
    await notifier.begin()
    return {
      name,
      identity,
      isReadOnly,
      log,
      snapshots: new PostgresSnapshots(reader, derived, sql),
      readModels: new PostgresReadModels({ name, schema, reader, derived, isReadOnly }),
      following: new PostgresFollowing({ name, schema, reader, derived, leasing }),
      inspect: () =>
        inspect(address, {
          schema,
          sql,
          isDurable: opening.flush !== 'never',
          mayBeUnsafe: isReadOnly || options.unsafeDurability === true,
        }),
      close: async () => {
        notifier?.close()
        await log.close()
        await partitions.settled()
        await closeAll(sessions)
      },
    }
  } catch (error) {
    await closeAll(sessions)
    throw translated(error, name)
  }
}

function addressOf(
  { name, settings, timeoutMs, options }: Opening,
  driver: PostgresDriver,
  host: Host,
): ServerAddress {
  return { name, driver, settings, host, timeoutMs, isPrepared: options.preparedStatements ?? true }
}

function sessionsOf(
  address: ServerAddress,
  opening: Opening,
  sql: LogStatements,
  heard: () => void,
): Sessions {
  const { listen, readConnections } = opening
  const reader = (): Session =>
    new Session(address, 'reader', async (client, options) => {
      await runOn(client, keepMemory, [], options)
    })
  return {
    readers: Array.from({ length: readConnections }, reader),
    // One appends while the other waits for the disk.
    writers: [new Session(address, 'writer'), new Session(address, 'writer')],
    flusher: new Session(address, 'flusher'),
    derived: new Session(address, 'read models'),
    leasing: new Session(address, 'leases'),
    listener:
      listen === false
        ? undefined
        : new Session({ ...address, settings: listen }, 'listener', (client, options) =>
            Notifier.onConnected({ sql, heard }, client, options),
          ),
  }
}

async function closeAll(sessions: Sessions): Promise<void> {
  const { readers, writers, flusher, derived, leasing, listener } = sessions
  const all = [
    ...readers,
    ...writers,
    flusher,
    derived,
    leasing,
    ...(listener === undefined ? [] : [listener]),
  ]
  await Promise.all(all.map((session) => session.close()))
}
