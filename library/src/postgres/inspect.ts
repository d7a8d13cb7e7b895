import type { StoreReport } from '../core/ports/store.ts'
import type { Session } from './connection.ts'
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
      problems: [],
    }
  })
}
