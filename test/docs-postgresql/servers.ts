/** A primary and a streaming replica of it, as the guide's reader has them. */
import { type Binaries, type PostgresServer, startServer } from '@daybook/postgres-server'
import { startReplica } from '@daybook/postgres-server/replica'
import { Client } from 'pg'

/** The servers by the names that they have in the guide. */
export interface Servers extends AsyncDisposable {
  readonly primary: PostgresServer
  readonly replica: PostgresServer
}

/** Of every login, the superuser's included: what the guide gives them. */
export const password = 'change me'

/** Starts a primary and its replica. */
export async function startServers(binaries: Binaries): Promise<Servers> {
  await using started = new AsyncDisposableStack()
  const primary = started.use(await startServer({ binaries }))
  const replica = started.use(await startReplica(primary, { binaries }))
  await runSql(primary.url(), [`ALTER ROLE postgres PASSWORD '${password}'`])
  const all = started.move()
  return { primary, replica, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** A row of an answer. */
export type Row = { readonly [column: string]: unknown }

/** Runs statements one by one, each outside of any transaction; the rows of all of them. */
export async function runSql(address: string, statements: readonly string[]): Promise<readonly Row[]> {
  const client = new Client({ connectionString: address })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const rows: Row[] = []
    for (const statement of statements) rows.push(...(await client.query<Row>(statement)).rows)
    return rows
  } finally {
    await client.end()
  }
}

/** Asks again until the answer is yes. Throws when it stays no for 20 seconds. */
export async function until(address: string, question: string): Promise<void> {
  const client = new Client({ connectionString: address })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const deadlineMs = performance.now() + 20_000
    while ((await client.query<{ yes: boolean }>(`SELECT (${question}) AS yes`)).rows[0]?.yes !== true) {
      if (performance.now() > deadlineMs) throw new Error(`it stays untrue: ${question}`)
    }
  } finally {
    await client.end()
  }
}
