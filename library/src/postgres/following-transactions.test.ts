/** What becomes of transactions of subscriptions when the connection or the server fails, and of statements of the user. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { startServer } from '@daybook/postgres-server'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { DaybookError } from '../core/errors.ts'
import type { FollowingTransaction } from '../core/ports/following.ts'
import type { OpenStore } from '../core/ports/store.ts'
import { nodeHost } from '../host/node-host.ts'
import { parkedEvent } from '../testing/conformance/parked-events.ts'
import { at } from '../testing/conformance/read-models.ts'
import type { PostgresDriver, PostgresQuery, PostgresSettings } from './driver.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

/** A driver that loses the connection, once, before or after a statement of read models is sent. */
function losingDriver(): {
  readonly driver: PostgresDriver
  lose(what: RegExp, when: 'before' | 'after'): void
} {
  let losing: { readonly what: RegExp; readonly when: 'before' | 'after' } | undefined
  class LosingClient extends Client {
    constructor(settings: PostgresSettings) {
      super(settings)
      const send: (query: PostgresQuery) => Promise<unknown> = this.query.bind(this)
      const isWatched = settings.fallback_application_name === 'daybook read models'
      const query = async (given: PostgresQuery): Promise<unknown> => {
        if (!isWatched || losing?.what.test(given.text) !== true) return send(given)
        const { when } = losing
        losing = undefined
        if (when === 'after') await send(given)
        throw new Error('Connection terminated unexpectedly')
      }
      Object.assign(this, { query })
    }
  }
  return {
    driver: { Client: LosingClient },
    lose: (what, when) => {
      losing = { what, when }
    },
  }
}

async function withStore<Result>(
  work: (store: OpenStore, url: string, lose: ReturnType<typeof losingDriver>['lose']) => Promise<Result>,
): Promise<Result> {
  const url = server.url(await server.createDatabase())
  const { driver, lose } = losingDriver()
  const store = await postgres(url, { migrate: true, driver, timeoutMs: 2_000 }).open(nodeHost())
  try {
    await store.readModels.prepareSubscription('mails', at(0))
    return await work(store, url, lose)
  } finally {
    await store.close()
  }
}

/** Work that counts how often it is run, and leaves one row each time that it is committed. */
function counted(): { runs: number; work(transaction: FollowingTransaction): Promise<void> } {
  const count = {
    runs: 0,
    work: async (transaction: FollowingTransaction) => {
      count.runs++
      await transaction.sql?.query('INSERT INTO entry (run) VALUES ($1)', [count.runs])
      await transaction.putParked(parkedEvent(1))
    },
  }
  return count
}

async function entries(url: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text: 'SELECT run FROM entry', rowMode: 'array' })).rows.flat()
  } finally {
    await client.end()
  }
}

const withTable = (transaction: FollowingTransaction): Promise<unknown> | undefined =>
  transaction.sql?.query('CREATE TABLE entry (run integer)')

it('a transaction whose connection is lost on the way is run again, and done once', async () => {
  await withStore(async ({ following }, url, lose) => {
    await following.transaction(async (transaction) => withTable(transaction))
    const count = counted()
    lose(/INSERT INTO "daybook"\.parked_event/, 'after')
    await following.transaction((transaction) => count.work(transaction))
    assert.equal(count.runs, 2)
    assert.deepEqual(await entries(url), [2])
  })
})

it('a transaction that may have been committed is not run again', async () => {
  await withStore(async ({ following }, url, lose) => {
    await following.transaction(async (transaction) => withTable(transaction))
    for (const when of ['after', 'before'] as const) {
      const count = counted()
      lose(/^COMMIT$/, when)
      await assert.rejects(
        following.transaction((transaction) => count.work(transaction)),
        { code: 'STORE_UNREACHABLE' },
      )
      assert.equal(count.runs, 1)
    }
    assert.deepEqual(await entries(url), [1])
  })
})

it('what the work throws by itself is no reason to run it again, however it looks', async () => {
  await withStore(async ({ following }) => {
    const deadlock = Object.assign(new Error('of another server'), { severity: 'ERROR', code: '40P01' })
    const lost = new DaybookError('STORE_UNREACHABLE', 'another server is away')
    for (const [thrown, code] of [
      [deadlock, 'TRANSACTION_ABORTED'],
      [lost, 'STORE_UNREACHABLE'],
    ] as const) {
      let runs = 0
      const work = following.transaction(async (transaction) => {
        runs++
        await transaction.putParked(parkedEvent(1))
        throw thrown
      })
      await assert.rejects(work, { code })
      assert.equal(runs, 1)
    }
    assert.deepEqual(await following.parked({ limit: 1 }), [])
  })
})

it('a transaction that meets a deadlock is run again', async () => {
  await withStore(async ({ following, readModels }, url) => {
    await readModels.prepareSubscription('others', at(0))
    const rival = new Client({ connectionString: url })
    await rival.connect()
    await rival.query(`SET deadlock_timeout = '1h'`)
    await rival.query(`BEGIN; UPDATE daybook.checkpoint SET epoch = 2 WHERE subscription = 'others'`)
    let runs = 0
    let rivalry: Promise<unknown> | undefined
    const answer = await following.transaction(async (transaction) => {
      runs++
      await transaction.move('mails', 0, at(1))
      rivalry ??= rival
        .query(`UPDATE daybook.checkpoint SET epoch = 2 WHERE subscription = 'mails'`)
        .then(() => rival.query('COMMIT'))
      return transaction.move('others', 0, at(1))
    })
    await rivalry
    await rival.end()
    assert.deepEqual([answer, runs], [true, 2])
  })
})

it('statements of the user have what the driver makes of their values, and survive a change of their tables', async () => {
  await withStore(async ({ following }) => {
    const query = (text: string, values?: readonly unknown[]) =>
      following.transaction(({ sql }) => sql?.query(text, values) ?? assert.fail())
    await query('CREATE TABLE entry (id bigint, is_open boolean, data jsonb)')
    await query('INSERT INTO entry VALUES ($1, $2, $3)', [7, true, { a: [1] }])
    const all = 'SELECT * FROM entry'
    assert.deepEqual(await query(all), [{ id: '7', is_open: true, data: { a: [1] } }])
    await query('ALTER TABLE entry ADD COLUMN note text')
    await assert.rejects(query(all), { code: 'STORE_FAILED' })
    assert.deepEqual(await query(all), [{ id: '7', is_open: true, data: { a: [1] }, note: null }])
  })
})

it('what must be durable is there after the server was killed', async () => {
  await using own = await startServer({ settings: { wal_writer_delay: '10s', autovacuum: 'off' } })
  const store = await postgres(own.url(), { migrate: true }).open(nodeHost())
  const { following, readModels } = store
  const kill = async (): Promise<void> => {
    await own.stop('SIGKILL')
    await own.start()
  }
  try {
    await readModels.prepareSubscription('mails', at(0))
    const { lease } = (await following.acquire('mails', 'a', 600_000)) ?? assert.fail()
    await following.noteTrial(lease, { position: 1, attempts: 1 })
    await kill()
    assert.deepEqual((await following.leases())[0]?.trial, { position: 1, attempts: 1 })
    await following.pause('mails', true)
    await kill()
    assert.equal((await following.leases())[0]?.isPaused, true)
    await following.transaction((transaction) => transaction.putParked(parkedEvent(1)), true)
    await kill()
    assert.equal((await following.parked({ limit: 9 })).length, 1)
    // The control: what need not be durable is not, so the test sees the difference.
    await following.transaction((transaction) => transaction.putParked(parkedEvent(2)))
    await kill()
    assert.equal((await following.parked({ limit: 9 })).length, 1)
  } finally {
    await store.close()
  }
})
