/** A book on a replica: read there, never written, and taken over when the primary is gone. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import { startReplica } from '@daybook/postgres-server/replica'
import { Client } from 'pg'
import type { Book } from '../../library/src/index.ts'
import {
  migratePostgres,
  type PostgresDriver,
  type PostgresSettings,
} from '../../library/src/postgres/index.ts'
import { account, balances, events, openBank, rowsOf } from './bank.ts'

let primary: PostgresServer
let replica: PostgresServer
before(async () => {
  primary = await startServer({ settings: { shared_buffers: '16MB' } })
  replica = await startReplica(primary, { settings: { shared_buffers: '16MB' } })
})
after(async () => {
  await replica?.dispose()
  await primary?.dispose()
})

/** A driver that connects to whatever the name of the database points to now. */
function namedServer(): { readonly driver: PostgresDriver; pointTo(server: PostgresServer): void } {
  let port = primary.port
  class NamedClient extends Client {
    constructor(settings: PostgresSettings) {
      super({ ...settings, connectionString: primary.url().replace(`:${primary.port}/`, `:${port}/`) })
    }
  }
  return {
    driver: { Client: NamedClient },
    pointTo: (server) => {
      port = server.port
    },
  }
}

/** Ends every connection of the store's, as a switch-over does. */
function endConnections(server: PostgresServer): Promise<unknown> {
  return rowsOf(
    server.url(),
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'daybook %'",
  )
}

describe('a replica', () => {
  let writing: Book
  before(async () => {
    writing = await openBank(primary.url())
    await writing.execute(account.deposit('1', { cents: 5 }))
    // A replica that is behind has no book yet.
    await replicaHasAll()
  })
  after(() => writing.close())

  it('is refused for writing and for migrations', async () => {
    await assert.rejects(openBank(replica.url(), { migrate: false }), {
      code: 'STORE_READ_ONLY',
      message: /the server is a replica/,
    })
    await assert.rejects(openBank(replica.url(), { migrate: true }), { code: 'STORE_READ_ONLY' })
    await assert.rejects(migratePostgres(replica.url()), { code: 'STORE_READ_ONLY' })
  })

  it('is read while it follows, events and read models alike', async () => {
    await using reading = await openBank(replica.url(), { readOnly: true })
    assert.deepEqual(reading.identity, writing.identity)
    const done = await writing.execute(account.deposit('1', { cents: 7 }))
    await writing.read(balances).get('1', { notBefore: done.position })
    const balance = await reading.read(balances).get('1', { notBefore: done.position })
    assert.deepEqual(balance, { cents: 12 })
    assert.equal((await reading.load(account, '1')).state.cents, 12)
    assert.deepEqual(await reading.verify(), { events: 2 })
    await assert.rejects(reading.execute(account.deposit('1', { cents: 1 })), { code: 'STORE_READ_ONLY' })
  })

  it('that is synchronous has each append before it is answered, also when the wait for it is cancelled', async () => {
    await rowsOf(primary.url(), "ALTER SYSTEM SET synchronous_standby_names = 'replica'")
    await rowsOf(primary.url(), 'SELECT pg_reload_conf()')
    await until("SELECT sync_state = 'sync' FROM pg_stat_replication")
    await using patient = await openBank(primary.url(), { schema: 'waiting', timeoutMs: 20_000 })
    await using hasty = await openBank(primary.url(), { schema: 'waiting', timeoutMs: 1_000 })
    await patient.execute(account.deposit('1', { cents: 1 }))
    await replica.stop()
    const append = (book: Book) =>
      book.append('account-1', events.Deposited({ cents: 2 }), { idempotencyKey: 'k' })
    await assert.rejects(append(hasty), { code: 'APPEND_IN_DOUBT' })
    let isAnswered = false
    const waiting = append(patient).finally(() => {
      isAnswered = true
    })
    const isWaiting =
      "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'daybook %'"
    for (let round = 0; round < 3; round++) {
      await until(`SELECT count(*) > 0 ${isWaiting}`)
      await rowsOf(primary.url(), `SELECT pg_cancel_backend(pid) ${isWaiting}`)
    }
    assert.equal(isAnswered, false)
    await replica.start()
    const done = await waiting
    assert.deepEqual([done.isRepeat, done.position], [true, 2])
    await rowsOf(primary.url(), 'ALTER SYSTEM RESET synchronous_standby_names')
    await rowsOf(primary.url(), 'SELECT pg_reload_conf()')
  })

  it('takes over: appends are refused until it is promoted, and go on in the same process after', async () => {
    const { driver, pointTo } = namedServer()
    await using book = await openBank(primary.url(), { driver })
    await book.execute(account.deposit('2', { cents: 1 }))
    await replicaHasAll()
    pointTo(replica)
    await endConnections(primary)
    await assert.rejects(book.execute(account.deposit('2', { cents: 1 })), {
      code: 'STORE_READ_ONLY',
    })
    assert.equal((await book.load(account, '2')).state.cents, 1)
    await rowsOf(replica.url(), 'SELECT pg_promote()')
    const done = await book.execute(account.deposit('2', { cents: 2 }))
    assert.deepEqual([done.version, done.state], [2, { cents: 3 }])
    // The lease of whoever kept the read model on the old primary has been copied too, and must end first.
    const balance = await book.read(balances).get('2', { notBefore: done.position, timeoutMs: 30_000 })
    assert.deepEqual(balance, { cents: 3 })
    assert.deepEqual(await book.verify(), { events: 4 })
  })
})

/** Resolves when a server, the primary unless told, says yes. */
async function until(text: string, server = primary): Promise<void> {
  while ((await rowsOf(server.url(), text))[0]?.[0] !== true)
    await new Promise((next) => setTimeout(next, 10))
}

/** Resolves when the replica has replayed what the primary has written by now. */
async function replicaHasAll(): Promise<void> {
  const [place] = await rowsOf(primary.url(), 'SELECT pg_current_wal_lsn()::text')
  await until(`SELECT pg_last_wal_replay_lsn() >= '${String(place?.[0])}'::pg_lsn`, replica)
}
