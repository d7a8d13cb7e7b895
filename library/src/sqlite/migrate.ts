import { readdirSync, readFileSync } from 'node:fs'
import { DaybookError } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity } from '../core/ports/store.ts'
import type { Connection, Writer } from './connection.ts'
import * as sql from './statements.ts'

/** One numbered file of `migrations/`; never edited after release. */
interface Migration {
  readonly number: number
  readonly text: string
}

/** The migrations of this version, in order. */
export function migrations(): readonly Migration[] {
  const folder = new URL('./migrations/', import.meta.url)
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({ number: Number.parseInt(file, 10), text: readFileSync(new URL(file, folder), 'utf8') }))
}

/**
 * Brings a file to the newest schema, or makes a new book in an empty one. The lock is taken before the version is
 * read, so that any number of processes may start at once. Throws `STORE_FOREIGN`, `STORE_NEWER`.
 */
export async function migrate(writer: Writer, name: string, host: Host): Promise<void> {
  const known = migrations()
  await writer.transaction((connection) => {
    const version = schemaVersion(connection, name, known.length)
    for (const migration of known.filter(({ number }) => number > version)) {
      connection.database.exec(migration.text)
      connection.database.exec(sql.setSchemaVersion(migration.number))
    }
    if (version === 0) {
      connection.database.exec(sql.markAsBook)
      connection.run(sql.insertBook, host.newId(), host.now())
    }
  })
}

/** The schema version of a file, 0 for an empty one; refuses what is no book and what is newer than we are. */
export function schemaVersion(connection: Connection, name: string, newest: number): number {
  const [applicationId, version = 0, tables] = (connection.first(sql.readSchema) ?? []).map(Number)
  if (applicationId !== sql.applicationId) {
    if (applicationId === 0 && version === 0 && tables === 0) return 0
    throw new DaybookError('STORE_FOREIGN', `${name} is a SQLite database, but not a Daybook book`, {
      store: name,
      applicationId,
      tables,
    })
  }
  if (version <= newest) return version
  throw new DaybookError(
    'STORE_NEWER',
    `${name} has schema ${version}; this version of Daybook knows up to ${newest}`,
    {
      store: name,
      schema: version,
      newest,
    },
  )
}

/** The identity of a migrated book. */
export function readIdentity(connection: Connection): BookIdentity {
  const [bookId, epoch] = connection.first(sql.readBook) ?? []
  return { bookId: String(bookId), epoch: Number(epoch) }
}
