import { DaybookError } from '../core/errors.ts'
import type { Runner } from './connection.ts'
import { readServer } from './statements.ts'

/** What the server says of itself. */
export interface ServerFacts {
  readonly versionNumber: number
  readonly version: string
  readonly synchronousCommit: string
  readonly fsync: string
  readonly fullPageWrites: string
  readonly encoding: string
  readonly isReplica: boolean
  readonly isReadOnly: boolean
  readonly user: string
  readonly database: string
  readonly synchronousStandbyNames: string
}

/** Older servers lack what the log is built on, or are no longer maintained. */
export const oldestVersion = 15

/** Asks the server. */
export async function readServerFacts(runner: Runner): Promise<ServerFacts> {
  const [row] = await runner.run(readServer)
  const text = (index: number): string => row?.[index] ?? ''
  return {
    versionNumber: Number(text(0)),
    version: text(1),
    synchronousCommit: text(2),
    fsync: text(3),
    fullPageWrites: text(4),
    encoding: text(5),
    isReplica: text(6) === 't',
    isReadOnly: text(7) === 'on',
    user: text(8),
    database: text(9),
    synchronousStandbyNames: text(10),
  }
}

/** What the store is to be used for. */
export interface ServerUse {
  readonly name: string
  readonly isReadOnly: boolean
  readonly unsafeDurability: boolean
}

/** The settings with which an acknowledged append could be lost. */
export function unsafeSettings(facts: ServerFacts): readonly string[] {
  return [
    ...(facts.synchronousCommit === 'off' ? ['synchronous_commit = off'] : []),
    ...(facts.fsync === 'off' ? ['fsync = off'] : []),
    ...(facts.fullPageWrites === 'off' ? ['full_page_writes = off'] : []),
  ]
}

/** Refuses a server that cannot hold a book as it is to be used. Throws `STORE_TOO_OLD`, `STORE_READ_ONLY`, `STORE_UNSAFE`. */
export function requireFitServer(facts: ServerFacts, use: ServerUse): void {
  const { name } = use
  if (facts.versionNumber < oldestVersion * 10_000) {
    throw new DaybookError(
      'STORE_TOO_OLD',
      `${name}: PostgreSQL ${facts.version} is older than ${oldestVersion}`,
      {
        store: name,
        version: facts.version,
        oldest: oldestVersion,
      },
    )
  }
  if (facts.encoding !== 'UTF8') {
    throw new DaybookError(
      'STORE_CANNOT_OPEN',
      `${name}: the database has the encoding ${facts.encoding}, not UTF8`,
      {
        store: name,
        encoding: facts.encoding,
      },
    )
  }
  if (use.isReadOnly) return
  if (facts.isReplica || facts.isReadOnly) {
    const why = facts.isReplica ? 'the server is a replica' : 'default_transaction_read_only is on'
    throw new DaybookError('STORE_READ_ONLY', `${name}: ${why}, so nothing can be appended`, { store: name })
  }
  const [setting] = unsafeSettings(facts)
  if (setting === undefined || use.unsafeDurability) return
  throw new DaybookError('STORE_UNSAFE', `${name}: with ${setting} an acknowledged append can be lost`, {
    store: name,
    setting,
  })
}
