import { DaybookError } from '../core/errors.ts'

/** One statement as `pg` takes it. */
export interface PostgresQuery {
  readonly text: string
  readonly name?: string
  readonly values?: unknown[]
  readonly rowMode: 'array'
  /** Left out where the values are to be what the driver makes of them. */
  readonly types?: { getTypeParser(): (text: string) => string }
  /** One statement, never several. */
  readonly queryMode?: 'extended'
  readonly query_timeout?: number
}

/** What `pg` answers. */
export interface PostgresResult {
  readonly rows: unknown[][]
  readonly command: string | null
  readonly rowCount: number | null
  /** The columns of the rows. */
  readonly fields?: readonly { readonly name: string }[]
}

/** A connection of `pg`, as far as Daybook uses it; a `Client` and a `PoolClient` both are one. */
export interface PostgresClient {
  query(query: PostgresQuery): Promise<PostgresResult>
  /** `I` idle, `T` in a transaction, `E` in a failed one. Since pg 8.19; what lacks it is checked by asking the server. */
  getTransactionStatus?(): string | null
}

/** What the server says beside an answer; its words, and its word for how grave it is, are in the server's language. */
export interface PostgresNotice {
  /** The SQLSTATE. */
  readonly code?: string | undefined
  /** The function of the server that says it. */
  readonly routine?: string | undefined
}

/** A connection that Daybook opens itself. */
export interface PostgresConnection extends PostgresClient {
  /** The socket below: to send several statements in one piece, and to leave who never answers. Not every driver has one. */
  readonly connection?: { readonly stream?: { cork?(): void; uncork?(): void; destroy?(): void } }
  connect(): Promise<unknown>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: () => void): unknown
  on(event: 'notice', listener: (notice: PostgresNotice) => void): unknown
  removeListener(event: 'notice', listener: (notice: PostgresNotice) => void): unknown
}

/** The module `pg`, known by its shape. */
export interface PostgresDriver {
  readonly Client: new (settings: PostgresSettings) => PostgresConnection
}

/** Settings of a connection, as `pg` takes them: `host`, `user`, `ssl` … */
export interface PostgresSettings {
  readonly [setting: string]: unknown
}

/** The driver of the application's own `pg`. Throws `DRIVER_MISSING`. */
export async function importDriver(name: string): Promise<PostgresDriver> {
  let imported: unknown
  try {
    imported = await import('pg')
  } catch (cause) {
    throw new DaybookError(
      'DRIVER_MISSING',
      `${name}: the package pg is not installed`,
      { driver: 'pg' },
      cause,
    )
  }
  const candidates = [imported, (imported as { readonly default?: unknown }).default]
  const driver = candidates.find(isDriver)
  if (driver !== undefined) return driver
  throw new DaybookError('DRIVER_MISSING', `${name}: the package pg has no Client`, { driver: 'pg' })
}

/** True for what has a `Client` to construct. */
export function isDriver(value: unknown): value is PostgresDriver {
  return (
    typeof value === 'object' && value !== null && 'Client' in value && typeof value.Client === 'function'
  )
}

/** True for what can run statements. */
export function isClient(value: unknown): value is PostgresClient {
  return typeof value === 'object' && value !== null && 'query' in value && typeof value.query === 'function'
}
