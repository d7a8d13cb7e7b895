/** A wait for synchronous replicas that is cancelled succeeds with a warning: nothing may hide it, and no other be taken for it. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { openBook } from '../index.ts'
import type { PostgresDriver, PostgresQuery, PostgresSettings } from './driver.ts'
import { type PostgresOptions, postgres } from './index.ts'

const server: TestServer = await testServer({ settings: { wal_level: 'replica' } })
after(() => server.dispose())

/** Notices as `pg` shows them. */
interface Notice {
  severity: string
  readonly message?: string
}

/** The module pg, whose clients translate what is told beside an answer, or tell more before each statement. */
function driverWith(translate: (notice: Notice) => void, before: (client: Client) => void): PostgresDriver {
  class TellingClient extends Client {
    constructor(settings: PostgresSettings) {
      super({ ...settings })
      this.prependListener('notice', translate)
      const send = this.query.bind(this)
      const value = (query: PostgresQuery): unknown => {
        before(this)
        return send(query)
      }
      Object.defineProperty(this, 'query', { value })
    }
  }
  return { Client: TellingClient }
}

const happened = { type: 'Happened', data: {} }
const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'daybook %'"

async function setReplicas(names: string): Promise<void> {
  await server.run(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
  await server.run('SELECT pg_reload_conf()')
}

/** Cancels the next wait for replicas that began after that time, unless the append is answered; returns when it began. */
async function cancelWait(client: Client, since: string, isAnswered: () => boolean): Promise<string> {
  while (!isAnswered()) {
    const { rows } = await client.query(
      `SELECT pg_cancel_backend(pid), state_change::text AS since ${waiting} AND state_change > $1`,
      [since],
    )
    if (rows.length > 0) return rows[0].since
  }
  return since
}

const german = driverWith(
  (notice) => {
    if (notice.severity === 'WARNING') notice.severity = 'WARNUNG'
  },
  () => undefined,
)
const cases: readonly (readonly [string, PostgresOptions, string])[] = [
  ['in another language', { driver: german }, ''],
  ['in another language', { driver: german, flush: 'inside-lock' }, ''],
  ['where warnings are not sent', {}, '-c client_min_messages=error'],
  ['where warnings are not sent', { flush: 'inside-lock' }, '-c client_min_messages=error'],
]
for (const [where, options, settings] of cases) {
  it(`is noticed ${where}, with the flush ${options.flush ?? 'outside-lock'}`, async () => {
    const url = new URL(server.url(await server.createDatabase()))
    const store = postgres(
      { connectionString: url.href, options: settings },
      { migrate: true, timeoutMs: 20_000, ...options },
    )
    await using book = await openBook({ store })
    const client = new Client({ connectionString: url.href })
    await client.connect()
    await setReplicas('nobody')
    try {
      let isAnswered = false
      const appended = book.append('thing-1', happened).finally(() => {
        isAnswered = true
      })
      let since = '-infinity'
      for (let round = 0; round < 3; round++) {
        since = await cancelWait(client, since, () => isAnswered)
      }
      assert.equal(isAnswered, false)
      await setReplicas('')
      assert.equal((await appended).position, 1)
    } finally {
      await setReplicas('')
      await client.end()
    }
  })
}

it('is not seen in the warning that numbers of transactions run out', async () => {
  const notice = { severity: 'WARNING', code: '01000', routine: 'GetNewTransactionId' }
  const driver = driverWith(
    () => undefined,
    (client) => {
      client.emit('notice', notice)
    },
  )
  const url = server.url(await server.createDatabase())
  await using book = await openBook({ store: postgres(url, { migrate: true, timeoutMs: 2_000, driver }) })
  const first = await book.append('thing-1', happened)
  const second = await book.append('thing-1', happened)
  assert.deepEqual([first.position, second.position], [1, 2])
})
