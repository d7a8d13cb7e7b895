import type { StoreReport } from '../core/ports/store.ts'
import type { Session } from './connection.ts'
import { holderText, type LockHolder, lockHolders } from './lock-holders.ts'
import { readServerFacts } from './server.ts'
import type { LogStatements } from './statements.ts'

/** What a store can tell of itself. */
export async function inspect(
  reader: Session,
  { schema, sql }: { readonly name: string; readonly schema: string; readonly sql: LogStatements },
): Promise<StoreReport> {
  return reader.repeatable(async (runner) => {
    const server = await readServerFacts(runner)
    const [head] = await runner.run(sql.readHead, [0])
    return {
      facts: {
        store: 'postgres',
        schema,
        events: Number(head?.[0] ?? 0),
        server: server.version,
        user: server.user,
        synchronousCommit: server.synchronousCommit,
      },
      problems: (await lockHolders(runner, schema)).filter(isLong).map(heldLock),
    }
  })
}

/** An append holds the lock for some milliseconds; one that waits for a second is stuck. */
const longLockMs = 1_000

function isLong({ transactionMs, stateMs, waiting }: LockHolder): boolean {
  return transactionMs === undefined ? waiting > 0 : Math.max(transactionMs, stateMs ?? 0) >= longLockMs
}

function heldLock(holder: LockHolder): StoreReport['problems'][number] {
  const end = holder.pid === undefined ? 'ROLLBACK PREPARED' : `SELECT pg_terminate_backend(${holder.pid})`
  return {
    code: 'LOG_LOCK_HELD',
    message: `the log's lock is held, and ${holder.waiting} wait for it: ${holderText(holder)}`,
    hint: `Commit or roll that transaction back; nothing can be appended before. If nobody will, ${end} ends it.`,
  }
}
