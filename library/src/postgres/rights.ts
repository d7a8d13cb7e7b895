import { DaybookError } from '../core/errors.ts'
import type { Runner } from './connection.ts'
import type { LogStatements } from './statements.ts'

/**
 * Refuses a user who could not do what the book is opened for: when it is opened, not at the first append of the night.
 * Throws `STORE_ACCESS_DENIED`, naming each right that is missing.
 */
export async function requireRights(
  runner: Runner,
  sql: LogStatements,
  use: { readonly name: string; readonly user: string; readonly isReadOnly: boolean },
): Promise<void> {
  const rows = await runner.run(sql.readMissingRights, [use.isReadOnly])
  const missing = rows.map(([right]) => String(right))
  if (missing.length === 0) return
  throw new DaybookError(
    'STORE_ACCESS_DENIED',
    `${use.name}: the user ${use.user} may not ${missing.join(', ')}`,
    { store: use.name, user: use.user, missing },
  )
}
