/** Appends and commands that join the caller's own transaction: committed with it, or never there. */
import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client, Pool } from 'pg'
import type { Book } from '../../library/src/index.ts'
import { migratePostgres } from '../../library/src/postgres/index.ts'
import { account, balances, events, onClient, openBank, rowsOf } from './bank.ts'

const server = await testServer()
after(() => server.dispose())
const database = await server.createDatabase()
const url = server.url(database)
await server.run('CREATE TABLE payment (id text PRIMARY KEY, cents bigint)', database)

let schemas = 0
let schema: string
let book: Book
beforeEach(async () => {
  schema = `bank_${++schemas}`
  book = await openBank(url, { schema, timeoutMs: 1_000 })
  await server.run('TRUNCATE payment', database)
})
afterEach(() => book.close())

/** Runs work in a transaction that is left open at its end. */
function inTransaction<Result>(work: (client: Client) => Promise<Result>, begin = 'BEGIN'): Promise<Result> {
  return onClient(url, async (client) => {
    await client.query(begin)
    return work(client)
  })
}

async function payments(): Promise<unknown> {
  return (await rowsOf(url, 'SELECT id FROM payment ORDER BY id')).flat()
}

/** Everything is as if nothing had happened, and the next event takes the next position. */
async function isUntouched(head = 0): Promise<void> {
  assert.equal(await book.head(), head)
  const { position } = await book.execute(account.deposit('after', { cents: 1 }))
  assert.equal(position, head + 1)
  assert.deepEqual(await book.verify(), { events: head + 1 })
}

describe('a joined append', () => {
  it("is committed together with the caller's row, and seen by nobody before", async () => {
    await inTransaction(async (transaction) => {
      await transaction.query("INSERT INTO payment VALUES ('p', 5)")
      const done = await book.execute(account.deposit('1', { cents: 5 }), { transaction })
      assert.deepEqual([done.version, done.position, done.state], [1, 1, { cents: 5 }])
      await book.append('account-2', events.Deposited({ cents: 1 }), { transaction })
      assert.equal((await book.load(account, '1', { transaction })).state.cents, 5)
      assert.equal((await book.load(account, '1')).state.cents, 0)
      assert.deepEqual(await payments(), [])
      await transaction.query('COMMIT')
    })
    assert.deepEqual(await payments(), ['p'])
    assert.deepEqual(await book.read(balances).get('1', { notBefore: 2 }), { cents: 5 })
    assert.deepEqual(await book.verify(), { events: 2 })
  })

  it('leaves no trace when it is rolled back, nor does its key', async () => {
    const deposit = account.deposit('1', { cents: 5 })
    await inTransaction(async (transaction) => {
      await transaction.query("INSERT INTO payment VALUES ('p', 5)")
      await book.execute(deposit, { transaction, idempotencyKey: 'k' })
      const repeat = await book.execute(deposit, { transaction, idempotencyKey: 'k' })
      assert.deepEqual([repeat.isRepeat, repeat.state], [true, { cents: 5 }])
      await transaction.query('ROLLBACK')
    })
    assert.deepEqual(await payments(), [])
    const done = await book.execute(deposit, { idempotencyKey: 'k' })
    assert.deepEqual([done.isRepeat, done.position], [false, 1])
  })

  it('leaves no trace when the connection is lost before the commit', async () => {
    const losing = inTransaction(async (transaction) => {
      await book.execute(account.deposit('1', { cents: 5 }), { transaction })
      const [[pid] = []] = (await transaction.query({ text: 'SELECT pg_backend_pid()', rowMode: 'array' }))
        .rows
      await rowsOf(url, `SELECT pg_terminate_backend(${pid}, 5000)`)
      await book.execute(account.deposit('1', { cents: 6 }), { transaction })
    })
    await assert.rejects(losing, { code: 'STORE_UNREACHABLE' })
    await isUntouched()
  })

  it('that is refused leaves the transaction to the caller', async () => {
    await book.execute(account.deposit('1', { cents: 1 }))
    await inTransaction(async (transaction) => {
      await transaction.query("INSERT INTO payment VALUES ('p', 5)")
      const refused = await book.execute(account.deposit('1', { cents: 0 }), { transaction })
      assert.equal(refused.refused?.reason, 'NothingToDeposit')
      const late = {
        stream: 'account-1',
        expectedVersion: 'none' as const,
        events: [events.Deposited({ cents: 1 })],
      }
      await assert.rejects(book.append([late], { transaction }), { code: 'CONCURRENCY_CONFLICT' })
      await book.execute(account.deposit('1', { cents: 5 }), { transaction })
      await transaction.query('COMMIT')
    })
    assert.deepEqual(await payments(), ['p'])
    assert.equal((await book.load(account, '1')).state.cents, 6)
  })

  it('may be given a client of a pool, which can be used again afterwards', async () => {
    const pool = new Pool({ connectionString: url, max: 1 })
    for (const end of ['COMMIT', 'ROLLBACK', 'COMMIT']) {
      const transaction = await pool.connect()
      await transaction.query('BEGIN')
      await book.execute(account.deposit('1', { cents: 5 }), { transaction })
      await transaction.query(end)
      transaction.release()
    }
    await pool.end()
    assert.equal((await book.load(account, '1')).state.cents, 10)
    assert.deepEqual(await book.verify(), { events: 2 })
  })
})

describe('a transaction that cannot be joined', () => {
  const refusals: readonly (readonly [string, string, RegExp, string | undefined])[] = [
    [
      'SERIALIZABLE',
      'BEGIN ISOLATION LEVEL SERIALIZABLE',
      /serializable; it must be READ COMMITTED/,
      undefined,
    ],
    ['REPEATABLE READ', 'BEGIN ISOLATION LEVEL REPEATABLE READ', /it must be READ COMMITTED/, undefined],
    ['one that has ended', 'BEGIN; COMMIT', /has no open transaction; run BEGIN/, undefined],
    ['none', 'SELECT 1', /has no open transaction; run BEGIN/, undefined],
  ]
  for (const [what, begin, message] of refusals) {
    it(`is refused: ${what}`, async () => {
      await inTransaction(async (transaction) => {
        const attempt = book.execute(account.deposit('1', { cents: 5 }), { transaction })
        await assert.rejects(attempt, { code: 'TRANSACTION_INVALID', message })
      }, begin)
      await isUntouched()
    })
  }

  it('is refused: one that has failed', async () => {
    await inTransaction(async (transaction) => {
      await assert.rejects(transaction.query('SELECT 1 / 0'))
      const attempt = book.append('account-1', events.Deposited({ cents: 5 }), { transaction })
      await assert.rejects(attempt, { code: 'TRANSACTION_INVALID', message: /has failed; roll it back/ })
      await transaction.query('ROLLBACK; BEGIN')
      await book.append('account-1', events.Deposited({ cents: 5 }), { transaction })
    })
    await isUntouched()
  })

  it('is refused: one that has failed, before the driver knows', async () => {
    await inTransaction(async (client) => {
      await assert.rejects(client.query('SELECT 1 / 0'))
      const transaction = { query: client.query.bind(client), getTransactionStatus: () => 'T' }
      const attempt = book.append('account-1', events.Deposited({ cents: 5 }), { transaction })
      await assert.rejects(attempt, { code: 'TRANSACTION_INVALID', message: /has failed; roll it back/ })
    })
    await isUntouched()
  })

  it('is refused: one that may be lost after its commit', async () => {
    await inTransaction(async (transaction) => {
      const attempt = book.append('account-1', events.Deposited({ cents: 5 }), { transaction })
      await assert.rejects(attempt, { code: 'STORE_UNSAFE', message: /synchronous_commit = off/ })
    }, 'BEGIN; SET LOCAL synchronous_commit = off')
    await isUntouched()
  })

  it('is refused: one in another database, with or without a book, which stays usable', async () => {
    for (const hasBook of [true, false]) {
      const other = server.url(await server.createDatabase())
      if (hasBook) await migratePostgres(other, { schema })
      await onClient(other, async (transaction) => {
        await transaction.query('BEGIN')
        const attempt = book.append('account-1', events.Deposited({ cents: 5 }), { transaction })
        await assert.rejects(attempt, {
          code: 'TRANSACTION_INVALID',
          message: hasBook ? /another book/ : /cannot read/,
        })
        assert.equal((await transaction.query('SELECT 1')).rowCount, 1)
      })
    }
    await isUntouched()
  })

  it('is refused: what is no connection, or one that is not connected', async () => {
    const pool = new Pool({ connectionString: url, max: 1 })
    for (const transaction of [{}, 'BEGIN', true, pool, new Client({ connectionString: url })]) {
      const attempt = book.append('account-1', events.Deposited({ cents: 5 }), { transaction })
      await assert.rejects(attempt, { code: 'TRANSACTION_INVALID' })
    }
    await pool.end()
    await isUntouched()
  })
})

describe('transactions that wait for each other', () => {
  it('make others wait no longer than their time-out, who append when it has ended', async () => {
    await inTransaction(async (holder) => {
      await book.execute(account.deposit('1', { cents: 5 }), { transaction: holder })
      await assert.rejects(book.execute(account.deposit('2', { cents: 5 })), { code: 'STORE_BUSY' })
      await inTransaction(async (waiting) => {
        await waiting.query("INSERT INTO payment VALUES ('p', 5)")
        const attempt = book.execute(account.deposit('3', { cents: 5 }), { transaction: waiting })
        await assert.rejects(attempt, { code: 'STORE_BUSY' })
        assert.equal((await waiting.query('SHOW lock_timeout')).rows[0].lock_timeout, '0')
        await holder.query('COMMIT')
        await book.execute(account.deposit('3', { cents: 5 }), { transaction: waiting })
        assert.equal((await waiting.query('SHOW lock_timeout')).rows[0].lock_timeout, '0')
        await waiting.query('COMMIT')
      })
    })
    assert.deepEqual(await payments(), ['p'])
    await isUntouched(2)
  })

  it("keep a lock_timeout of the caller's own", async () => {
    await inTransaction(async (holder) => {
      await book.execute(account.deposit('1', { cents: 5 }), { transaction: holder })
      await inTransaction(async (waiting) => {
        const startMs = performance.now()
        const attempt = book.execute(account.deposit('3', { cents: 5 }), { transaction: waiting })
        await assert.rejects(attempt, { code: 'STORE_BUSY' })
        assert.ok(performance.now() - startMs < 900)
        assert.equal((await waiting.query('SHOW lock_timeout')).rows[0].lock_timeout, '20ms')
      }, "BEGIN; SET LOCAL lock_timeout = '20ms'")
    })
    await isUntouched()
  })

  it('in a deadlock lose one of them, and commit the other', async () => {
    await server.run("INSERT INTO payment VALUES ('p', 0)", database)
    await using patient = await openBank(url, { schema, timeoutMs: 10_000 })
    const touch = "UPDATE payment SET cents = cents + 1 WHERE id = 'p'"
    const begin = 'BEGIN; SET LOCAL deadlock_timeout = 50'
    await inTransaction(
      (one) =>
        inTransaction(async (other) => {
          await one.query(touch)
          await patient.execute(account.deposit('2', { cents: 1 }), { transaction: other })
          const waiting = patient.execute(account.deposit('1', { cents: 1 }), { transaction: one })
          const own = patient.execute(account.deposit('3', { cents: 1 }))
          const touching = other.query(touch)
          const [first, second] = await Promise.allSettled([waiting, touching].map(ended([one, other])))
          const lost = [first, second].filter((each) => each?.status === 'rejected')
          assert.equal(lost.length, 1)
          if (first?.status === 'rejected') assert.equal(first.reason.code, 'TRANSACTION_ABORTED')
          if (second?.status === 'rejected') assert.equal(second.reason.code, '40P01')
          assert.equal((await own).state.cents, 1)
        }, begin),
      begin,
    )
    assert.deepEqual(await rowsOf(url, 'SELECT cents FROM payment'), [['1']])
    await isUntouched(2)
  })
})

/** Ends the transaction of whoever is through with its wait, as a caller does: committed, or rolled back after an error. */
function ended(clients: readonly Client[]) {
  return async (waiting: Promise<unknown>, index: number): Promise<void> => {
    const client = clients[index] as Client
    try {
      await waiting
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    }
    await client.query('COMMIT')
  }
}
