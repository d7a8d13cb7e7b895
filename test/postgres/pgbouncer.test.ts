/** A real PgBouncer in transaction mode between the store and the server: everything but LISTEN goes through it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import { PgBouncer, pgbouncerVersion } from '@daybook/postgres-server/pgbouncer'
import { Client } from 'pg'
import { nodeHost } from '../../library/src/host/node-host.ts'
import type { Book } from '../../library/src/index.ts'
import type { PostgresQuery } from '../../library/src/postgres/driver.ts'
import { type PostgresDriver, type PostgresSettings, postgres } from '../../library/src/postgres/index.ts'
import { conformanceSuite, type StoreUnderTest, testConformance } from '../../library/src/testing/index.ts'
import { account, balances, events, openBank } from './bank.ts'

const version = pgbouncerVersion()
const isNew = version !== undefined && (version[0] > 1 || version[1] >= 21)
const skip = version === undefined ? 'PgBouncer is not installed' : false

let server: PostgresServer
let pooler: PgBouncer
before(async () => {
  if (skip !== false) return
  // A commit that does not wait for the disk must not get there by chance.
  server = await startServer({ settings: { wal_writer_delay: '10s' } })
  pooler = await PgBouncer.before(server.port, {
    // After a failed login it would turn everybody away for 15 seconds.
    server_login_retry: '0.1',
    ...(isNew ? { max_prepared_statements: '200' } : {}),
  })
})
after(async () => {
  await pooler?.dispose()
  await server?.dispose()
})

let schemas = 0
function openPooled(
  options: { readonly schema?: string; readonly driver?: PostgresDriver } = {},
): Promise<Book> {
  const { schema = `book_${++schemas}` } = options
  return openBank(pooler.url('postgres'), {
    preparedStatements: isNew,
    listen: server.url(),
    timeoutMs: 10_000,
    ...options,
    schema,
  })
}

describe('a book behind PgBouncer', { skip }, () => {
  it('takes appends of many at once, pipelined, and folds them', async () => {
    await using book = await openPooled()
    const deposits = Array.from({ length: 300 }, (_, n) =>
      book.execute(account.deposit(String(n % 7), { cents: n + 1 })),
    )
    assert.equal((await Promise.all(deposits)).length, 300)
    assert.deepEqual(await book.verify(), { events: 300 })
    const balance = await book.read(balances).get('0', { notBefore: 300 })
    assert.deepEqual(balance, { cents: (await book.load(account, '0')).state.cents })
  })

  it('is shared by processes, which hear of each other', async () => {
    const schema = `book_${++schemas}`
    await using book = await openPooled({ schema })
    await using other = await openPooled({ schema })
    const deposits = [book, other].flatMap((each) =>
      Array.from({ length: 50 }, () => each.execute(account.deposit('1', { cents: 1 }))),
    )
    await Promise.all(deposits)
    assert.deepEqual(await book.read(balances).get('1', { notBefore: 100 }), { cents: 100 })
    assert.deepEqual(await other.verify(), { events: 100 })
  })

  it("joins a caller's transaction that goes through it", async () => {
    await using book = await openPooled()
    const transaction = new Client({ connectionString: pooler.url('postgres') })
    await transaction.connect()
    for (const end of ['COMMIT', 'ROLLBACK']) {
      await transaction.query('BEGIN')
      await book.execute(account.deposit('1', { cents: 5 }), { transaction })
      await transaction.query(end)
    }
    await transaction.end()
    assert.equal((await book.load(account, '1')).state.cents, 5)
  })

  it('loses no answered append to a crash of the server that the pooler hides', async () => {
    const schema = `book_${++schemas}`
    const { driver, holdFlush } = holdingDriver()
    await using book = await openPooled({ schema, driver })
    await using other = await openPooled({ schema })
    await book.append('account-1', events.Deposited({ cents: 1 }))
    // Somebody else appends, too: so the next append lets go of the lock before its flush.
    await other.append('account-2', events.Deposited({ cents: 1 }))
    const { held, release } = holdFlush()
    const appending = book.append('account-1', events.Deposited({ cents: 2 }))
    await held
    await server.stop('SIGKILL')
    await server.start()
    release()
    const { position } = await appending
    const recorded = await other.readLog().toArray()
    assert.deepEqual([position, recorded.at(-1)?.data], [3, { cents: 2 }])
    assert.deepEqual(await other.verify(), { events: 3 })
  })

  it('says that the pooler loses prepared statements, and what to do', {
    skip: isNew && 'it keeps them',
  }, async () => {
    const store = postgres(pooler.url('postgres'), { schema: 'prepared', listen: false, migrate: true })
    const many = Promise.all(
      Array.from({ length: 4 }, async () => {
        const opened = await store.open(nodeHost())
        await opened.close()
      }),
    )
    await assert.rejects(many, { code: 'STORE_POOLED', hint: /preparedStatements: false/ })
  })

  it('finds news without a connection that listens', async () => {
    await using book = await openBank(pooler.url('postgres'), {
      schema: `book_${++schemas}`,
      preparedStatements: isNew,
      listen: false,
    })
    const done = await book.execute(account.deposit('1', { cents: 5 }))
    assert.deepEqual(await book.read(balances).get('1', { notBefore: done.position }), { cents: 5 })
  })
})

// What a pooler could not change is left out, to be quick: what is stored, and how it is found.
const left = ['expected versions', 'bytes', 'hashes', 'reading a stream', 'finding documents']
const only = conformanceSuite
  .filter(({ name }) => !left.includes(name))
  .flatMap(({ cases }) => cases.map(({ name }) => name))
const deviations = {
  'the clock of the host decides, to the millisecond, when a lease and a membership are over':
    "the clock is the server's",
}
if (skip === false) testConformance('postgres behind PgBouncer', pooledBook, { only, deviations })

function pooledBook(): StoreUnderTest {
  const clients: Client[] = []
  const schema = `conforming_${++schemas}`
  return {
    store: postgres(pooler.url('postgres'), {
      schema,
      migrate: true,
      preparedStatements: isNew,
      listen: server.url(),
    }),
    begin: async () => {
      const transaction = new Client({ connectionString: pooler.url('postgres') })
      clients.push(transaction)
      await transaction.connect()
      await transaction.query('BEGIN')
      return {
        transaction,
        commit: async () => void (await transaction.query('COMMIT')),
        rollback: async () => void (await transaction.query('ROLLBACK')),
      }
    },
    dispose: async () => {
      for (const client of clients) await client.end()
    },
  }
}

/** A driver that can hold back what flushes. */
function holdingDriver(): {
  readonly driver: PostgresDriver
  holdFlush(): { readonly held: Promise<void>; release(): void }
} {
  let gate: Promise<void> | undefined
  let onHeld: () => void = () => undefined
  class HoldingClient extends Client {
    constructor(settings: PostgresSettings) {
      super(settings)
      const send = this.query.bind(this)
      const query = (given: PostgresQuery): unknown => {
        if (gate === undefined || !given.text.includes('pg_logical_emit_message')) return send(given)
        onHeld()
        return gate.then(() => send(given))
      }
      Object.assign(this, { query })
    }
  }
  const holdFlush = () => {
    const held = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    onHeld = held.resolve
    gate = released.promise
    return {
      held: held.promise,
      release: () => {
        gate = undefined
        released.resolve()
      },
    }
  }
  return { driver: { Client: HoldingClient }, holdFlush }
}
