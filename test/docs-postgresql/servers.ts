/** A primary and a streaming replica of it, as the guide's reader has them. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Binaries, PostgresServer, startServer } from '@daybook/postgres-server'
import { Client } from 'pg'

/** The servers by the names that they have in the guide. */
export interface Servers extends AsyncDisposable {
  readonly primary: PostgresServer
  readonly replica: PostgresServer
}

/** Of every login, the superuser's included: what the guide gives them. */
export const password = 'change me'

/** Starts a primary, and a replica from a copy of its files. */
export async function startServers(binaries: Binaries): Promise<Servers> {
  const primary = await startServer({ binaries })
  const folder = mkdtempSync(join(tmpdir(), 'daybook-replica-'))
  const source = `host=${primary.host} port=${primary.port} user=postgres password='${password}'`
  const settings = { primary_conninfo: `${source} application_name=replica_a` }
  const replica = new PostgresServer(folder, binaries, { settings })
  const dispose = async (): Promise<void> => {
    await replica.dispose()
    await primary.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await primary.stop()
    // It keeps owners and modes; the server refuses a folder that others may read.
    const copied = spawnSync('cp', ['-a', primary.dataFolder, replica.dataFolder], { encoding: 'utf8' })
    if (copied.status !== 0) throw new Error(`no copy of the server's files: ${copied.stderr}`)
    writeFileSync(join(replica.dataFolder, 'standby.signal'), '')
    await primary.start()
    await runSql(primary.url(), [`ALTER ROLE postgres PASSWORD '${password}'`])
    await replica.start()
    return { primary, replica, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
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
