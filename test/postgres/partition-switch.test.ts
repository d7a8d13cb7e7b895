/** A log is divided while several processes append to it and read it, and one has left a transaction open. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { after, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { migratePostgres, partitionPostgres } from '../../library/src/postgres/index.ts'
import { switchLockTimeoutMs } from '../../library/src/postgres/partition-statements.ts'
import { messageOf } from '../processes/together.ts'
import type { SwitchReport } from './switch-worker.ts'

const worker = fileURLToPath(new URL('./switch-worker.ts', import.meta.url))
const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['PostgreSQL 18', await testServer()],
  ...(debian === undefined ? [] : [['PostgreSQL 15', await testServer({ binaries: debian })] as const]),
]
after(() => Promise.all(servers.map(([, server]) => server.dispose())))

/** What a read may take besides waiting for the switch: much, for the processes share few processors. */
const mostReadMs = 1_500
const schema = 'divided'

for (const [version, server] of servers) {
  for (const [length, events] of [
    ['short', 500],
    ['long', 12_000],
  ] as const) {
    it(`a ${length} log is divided under way, on ${version}`, { timeout: 60_000 }, async (test) => {
      const url = server.url(await server.createDatabase())
      await migratePostgres(url, { schema })
      const client = new Client({ connectionString: url, options: `-c search_path=${schema}` })
      const forgotten = new Client({ connectionString: url, options: `-c search_path=${schema}` })
      await Promise.all([client.connect(), forgotten.connect()])
      const workers = ['writer', 'writer', 'reader', 'reader'].map((manner) =>
        fork(worker, [url, schema, manner]),
      )
      try {
        await fill(client, events)
        await Promise.all(workers.map((child) => messageOf(child)))
        await forgotten.query('BEGIN; SELECT count(*) FROM event')
        const dividing = partitionPostgres(url, { schema, events: 100 })
        // It asked for the lock of the table, went away without it, and asked again.
        for (const isAsking of [true, false, true, false])
          await until(() => isAskingForTable(client), isAsking)
        await forgotten.query('COMMIT')
        const { partitions } = await dividing
        const last = partitions.at(-1)?.lastPosition ?? 0
        // With a long log the first partition has room for more than anybody appends here.
        if (length === 'short') await until(async () => (await head(client)) > last + 300, true)
        const reports = await stopped(workers)
        await requireAll(client, reports)
        const longest = reports.flatMap(({ longestMs }) => Object.entries(longestMs))
        for (const [work, tookMs] of longest)
          assert.ok(tookMs < switchLockTimeoutMs + mostReadMs, `${work} took ${tookMs} ms`)
        test.diagnostic(longest.map(([work, tookMs]) => `${work} ${Math.round(tookMs)} ms`).join(', '))
      } finally {
        for (const child of workers) child.kill('SIGKILL')
        await Promise.all([client.end(), forgotten.end()])
      }
    })
  }
}

async function fill(client: Client, events: number): Promise<void> {
  await client.query(`
    INSERT INTO event (position, stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms,
      leaf_hash, chain_hash)
    SELECT p, 'filled-' || p, 1, 'Filled', 1, gen_random_uuid(), '{}', '{}', '[]', 1, sha256('1'), sha256('2')
    FROM generate_series(1, ${events}) AS p`)
}

async function isAskingForTable(client: Client): Promise<boolean> {
  const { rows } = await client.query(`
    SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'event'::regclass`)
  return rows.length > 0
}

async function head(client: Client): Promise<number> {
  return Number((await client.query('SELECT max(position) AS head FROM event')).rows[0]?.head)
}

/** The test's time limit is the limit. */
async function until(holds: () => Promise<boolean>, wanted: boolean): Promise<void> {
  while ((await holds()) !== wanted) await sleep(5)
}

async function stopped(workers: readonly ChildProcess[]): Promise<readonly SwitchReport[]> {
  const reports = workers.map((child) => messageOf(child))
  for (const child of workers) child.send('stop')
  return (await Promise.all(reports)) as readonly SwitchReport[]
}

/** Nothing that was acknowledged or read is lost, and who followed the log saw all of it, in order. */
async function requireAll(client: Client, reports: readonly SwitchReport[]): Promise<void> {
  const { rows } = await client.query<[string, string]>({
    text: 'SELECT position, id FROM event ORDER BY position',
    rowMode: 'array',
  })
  const ids = new Map(rows.map(([position, id]) => [Number(position), id]))
  assert.equal(ids.size, await head(client))
  for (const { events, longestMs } of reports) {
    assert.ok(events.length > 0)
    for (const [position, id] of events) assert.equal(ids.get(position), id)
    const isFollower = 'log' in longestMs
    if (isFollower)
      assert.deepEqual(
        events.map(([position]) => position),
        [...ids.keys()].slice(0, events.length),
      )
  }
  const { rows: indexed } = await client.query('SELECT count(*)::int AS count FROM event_index')
  assert.equal(indexed[0]?.count, ids.size)
}
