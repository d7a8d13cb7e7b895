import { integerWithin } from '../core/limits.ts'
import { nodeHost } from '../host/node-host.ts'
import { Session } from './connection.ts'
import { importDriver, type PostgresDriver, type PostgresSettings } from './driver.ts'
import { type Migration, type MigrationReport, migrate, migrations, pendingMigrations } from './migrate.ts'
import { migrationScript, migrationStatements } from './migration-statements.ts'
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
 * @throws DaybookError `STORE_FOREIGN`, `STORE_NEWER`, `STORE_UNREACHABLE`
 */
export async function pendingPostgresMigrations(
  connection: string | PostgresSettings,
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  const pending: readonly Migration[] = await withSession(connection, options, (session, schema) =>
    session.repeatable((runner) => pendingMigrations(runner, schema, session.address.name)),
  )
  return pending.map(({ name }) => name)
}

/** The SQL that makes a book in an empty schema, with its roles, as one script for `psql`. */
export function postgresMigrationText(options: Pick<MigrateOptions, 'schema'> = {}): string {
  const sql = migrationStatements(legalSchema(options.schema ?? 'daybook'))
  return migrationScript(sql, migrations(), nodeHost())
}

async function withSession<Result>(
  connection: string | PostgresSettings,
  options: MigrateOptions,
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
  } finally {
    await session.close()
  }
}
