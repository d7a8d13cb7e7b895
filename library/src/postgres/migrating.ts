import { integerWithin } from '../core/limits.ts'
import { nodeHost } from '../host/node-host.ts'
import { Session } from './connection.ts'
import { importDriver, type PostgresDriver, type PostgresSettings } from './driver.ts'
import { translated } from './errors.ts'
import {
  type MigrationReport,
  migrate,
  migrations,
  type PendingMigrations,
  pendingMigrations,
  requireHome,
} from './migrate.ts'
import { migrationScript, migrationStatements, readRecovery } from './migration-statements.ts'
import { legalSchema, placeOf, settingsFrom } from './options.ts'

/** What a migration needs to know. */
export interface MigrateOptions {
  /** Default `daybook`. */
  readonly schema?: string
  /** The module `pg`, when it is not to be imported by its name. */
  readonly driver?: PostgresDriver
  /** How long to wait for others who migrate, and for an answer, in ms: 100 to 600,000, default 60,000. */
  readonly timeoutMs?: number
  /** Create the roles `<schema>_owner`, `<schema>_writer` and `<schema>_reader`; needs the right to create roles. */
  readonly roles?: boolean
  /** `'restored'` begins a new epoch after a restore; `'moved'` says that every event came along. */
  readonly settle?: 'restored' | 'moved'
}

/**
 * Brings the schema of a book up to date, or makes a new book. Any number of processes may do it at once.
 *
 * @throws DaybookError `STORE_FOREIGN`, `STORE_NEWER`, `STORE_RESTORED`, `STORE_ACCESS_DENIED`, `STORE_UNREACHABLE`
 */
export async function migratePostgres(
  connection: string | PostgresSettings,
  options: MigrateOptions = {},
): Promise<MigrationReport> {
  const { roles = false, settle } = options
  return withSession(connection, options, (session, schema) =>
    migrate(session, schema, nodeHost(), { roles, settle }),
  )
}

/**
 * The names of the files that the schema lacks, oldest first. Changes nothing.
 *
 * @throws DaybookError `STORE_FOREIGN`, `STORE_NEWER`, `STORE_RESTORED`, `STORE_UNREACHABLE`
 */
export async function pendingPostgresMigrations(
  connection: string | PostgresSettings,
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  const { files } = await withSession(connection, options, pendingIn)
  return files.map(({ name }) => name)
}

/** The migrations of one book: `migratePostgres` and its siblings, with its connection, schema and driver. */
export interface PostgresMigrations {
  apply(options?: Pick<MigrateOptions, 'roles' | 'settle'>): Promise<MigrationReport>
  pending(): Promise<readonly string[]>
  script(options?: Pick<MigrateOptions, 'roles'>): Promise<string>
}

/** The migrations of the book in a schema. */
export function migrationsOf(
  settings: PostgresSettings,
  { schema, driver }: Pick<MigrateOptions, 'schema' | 'driver'>,
): PostgresMigrations {
  const book = { ...(schema === undefined ? {} : { schema }), ...(driver === undefined ? {} : { driver }) }
  return {
    apply: (options) => migratePostgres(settings, { ...book, ...options }),
    pending: () => pendingPostgresMigrations(settings, book),
    script: (options) => pendingPostgresMigrationText(settings, { ...book, ...options }),
  }
}

/** The SQL that makes a book in an empty schema, with its roles, as one script for `psql`. Asks no server. */
export function postgresMigrationText(options: Pick<MigrateOptions, 'schema'> = {}): string {
  const sql = migrationStatements(legalSchema(options.schema ?? 'daybook'))
  return migrationScript(sql, migrations(), nodeHost(), { isNew: true, roles: true })
}

/**
 * The SQL of what a schema lacks, as one script for `psql`: everything where there is no book yet, nothing but a
 * comment where nothing is pending. With `roles` it makes these too. Changes nothing.
 *
 * @throws DaybookError `STORE_FOREIGN`, `STORE_NEWER`, `STORE_RESTORED`, `STORE_UNREACHABLE`
 */
export async function pendingPostgresMigrationText(
  connection: string | PostgresSettings,
  options: MigrateOptions = {},
): Promise<string> {
  const { roles = false, schema = 'daybook' } = options
  const { isBook, files } = await withSession(connection, options, pendingIn)
  if (isBook && files.length === 0 && !roles) return `-- Nothing is pending in the schema "${schema}".\n`
  return migrationScript(migrationStatements(schema), files, nodeHost(), { isNew: !isBook, roles })
}

async function pendingIn(session: Session, schema: string): Promise<PendingMigrations> {
  const { name } = session.address
  const pending = await pendingMigrations(session, schema, name)
  const [recovering] = await session.run(readRecovery)
  // A replica has the identifiers of what it replicates.
  if (pending.isBook && recovering?.[0] !== 't') await requireHome(session, migrationStatements(schema), name)
  return pending
}

/** Runs work on a connection of its own, made for one who owns the schema. */
export async function withSession<Result>(
  connection: string | PostgresSettings,
  options: Pick<MigrateOptions, 'schema' | 'driver' | 'timeoutMs'>,
  work: (session: Session, schema: string) => Promise<Result>,
): Promise<Result> {
  const schema = legalSchema(options.schema ?? 'daybook')
  const settings = settingsFrom('connection', connection)
  const name = `postgres:${placeOf(settings)}/${schema}`
  const timeoutMs = integerWithin('timeoutMs', options.timeoutMs ?? 60_000, 100, 600_000)
  const driver = options.driver ?? (await importDriver(name))
  const session = new Session(
    { name, driver, settings, host: nodeHost(), timeoutMs, isPrepared: false },
    'migration',
  )
  try {
    return await work(session, schema)
  } catch (error) {
    throw translated(error, name)
  } finally {
    await session.close()
  }
}
