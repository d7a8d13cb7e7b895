import { DaybookError } from '../core/errors.ts'
import type { PostgresSettings } from './driver.ts'

/** A name for the schema of a book. */
export function legalSchema(schema: unknown): string {
  if (typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,39}$/.test(schema) && !schema.startsWith('pg_'))
    return schema
  throw illegal(
    'schema',
    schema,
    'schema must be 1 to 40 of a-z, 0-9 and _, not beginning with a digit or pg_',
  )
}

/** Settings as `pg` takes them, from those or an address. */
export function settingsFrom(argument: string, connection: unknown): PostgresSettings {
  if (typeof connection === 'string' && /^postgres(ql)?:\/\//.test(connection)) {
    // What is wrong with it is not said: it holds a password. A folder of sockets stands behind `@/database?host=`.
    if (URL.canParse(connection) || URL.canParse(connection.replace('@/', '@socket/')))
      return { connectionString: connection }
    throw new DaybookError(
      'ILLEGAL_ARGUMENT',
      `${argument} is no address; signs such as # / ? @ in a password are written as %23 %2F %3F %40`,
      { argument },
    )
  }
  if (typeof connection === 'object' && connection !== null) return { ...connection }
  throw illegal(
    argument,
    typeof connection,
    `${argument} must be postgres://user:password@host/database, or an object`,
  )
}

/** Host and database for people; never the user's name or password. */
export function placeOf(settings: PostgresSettings): string {
  const { connectionString, host, database } = settings
  if (typeof connectionString === 'string' && URL.canParse(connectionString)) {
    const { host: place, pathname } = new URL(connectionString)
    return `${place}${pathname}`
  }
  const known = [host, database].filter((part) => typeof part === 'string')
  return known.length === 0 ? 'default' : known.join('/')
}

/** The error of an option that is not what it must be. */
export function illegal(argument: string, value: unknown, message: string): DaybookError {
  return new DaybookError('ILLEGAL_ARGUMENT', message, { argument, value })
}
