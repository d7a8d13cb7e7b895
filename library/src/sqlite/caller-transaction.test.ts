import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { z } from 'zod'
import { type Book, decider, defineEvents, openBook, projection, refuse } from '../index.ts'
import { sqlite } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: {
    deposit: (_state, input: { cents: number }) =>
      input.cents > 0 ? events.Deposited(input) : refuse('NothingToDeposit'),
  },
})

const balances = projection('balances', {
  from: events,
  mode: 'inline',
  key: ({ streamId }) => streamId,
  initial: { cents: 0 },
  evolve: { Deposited: (document, { cents }) => ({ cents: document.cents + cents }) },
})

/** A book, and a connection of the caller's with a table of their own. */
async function bookAndCaller(): Promise<{ book: Book; caller: DatabaseSync }> {
  const path = join(folder, `${files++}.db`)
  const book = await openBook({ store: sqlite(path), deciders: [account], projections: [balances] })
  const caller = new DatabaseSync(path)
  caller.exec('CREATE TABLE payment (id TEXT PRIMARY KEY)')
  return { book, caller }
}

test("the caller's row, our events and inline read models commit together", async () => {
  const { book, caller } = await bookAndCaller()
  await book.execute(account.deposit('1', { cents: 1 }))
  caller.exec('BEGIN IMMEDIATE')
  caller.exec("INSERT INTO payment VALUES ('p')")
  const transaction = caller
  const done = await book.execute(account.deposit('1', { cents: 5 }), { transaction })
  assert.deepEqual([done.version, done.position, done.state], [2, 2, { cents: 6 }])
  assert.equal((await book.load(account, '1', { transaction })).state.cents, 6)
  assert.equal((await book.load(account, '1')).state.cents, 1)
  assert.equal((await book.readStream('account-1', { transaction }).toArray()).length, 2)
  assert.deepEqual(await book.read(balances).get('1'), { cents: 1 })
  caller.exec('COMMIT')
  assert.equal((await book.load(account, '1')).state.cents, 6)
  assert.deepEqual(await book.read(balances).get('1'), { cents: 6 })
  caller.close()
  await book.close()
})

test('what is rolled back leaves no event, key, read model or kept state', async () => {
  const { book, caller } = await bookAndCaller()
  await book.execute(account.deposit('1', { cents: 1 }))
  caller.exec('BEGIN IMMEDIATE')
  const options = { transaction: caller, idempotencyKey: 'k' }
  await book.execute(account.deposit('1', { cents: 5 }), options)
  const repeat = await book.execute(account.deposit('1', { cents: 5 }), options)
  assert.deepEqual([repeat.isRepeat, repeat.state], [true, { cents: 6 }])
  caller.exec('ROLLBACK')
  assert.equal(await book.head(), 1)
  assert.equal((await book.load(account, '1')).state.cents, 1)
  assert.deepEqual(await book.read(balances).get('1'), { cents: 1 })
  const done = await book.execute(account.deposit('1', { cents: 7 }), { idempotencyKey: 'k' })
  assert.deepEqual([done.isRepeat, done.state, done.version], [false, { cents: 8 }, 2])
  caller.close()
  await book.close()
})

test('a refusal or an illegal event within a transaction leaves the transaction to the caller', async () => {
  const { book, caller } = await bookAndCaller()
  caller.exec('BEGIN IMMEDIATE')
  const transaction = caller
  const refused = await book.execute(account.deposit('1', { cents: 0 }), { transaction })
  assert.equal(refused.refused?.reason, 'NothingToDeposit')
  await assert.rejects(book.execute(account.deposit('1', { cents: 0.5 }), { transaction }), {
    code: 'EVENT_INVALID',
  })
  await book.execute(account.deposit('1', { cents: 5 }), { transaction })
  caller.exec('COMMIT')
  assert.equal(await book.head(), 1)
  await assert.rejects(book.execute(account.deposit('1', { cents: 5 }), { transaction }), {
    code: 'TRANSACTION_INVALID',
  })
  caller.close()
  await book.close()
})
