import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { z } from 'zod'
import { decider, defineEvents, openBook, projection, refuse } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: {
    deposit: (_state, input: { cents: number }) => events.Deposited(input),
    begin: (state) => (state.cents === 0 ? events.Deposited({ cents: 1 }) : refuse('NotEmpty')),
  },
})

/** Loading its documents gives way to whatever else goes on in the transaction. */
const strict = projection('strict', {
  from: events,
  mode: 'inline',
  key: ({ streamId }) => streamId,
  initial: { cents: 0 },
  evolve: {
    Deposited: (document, { cents }) => {
      if (cents < 0) throw new Error('negative')
      return { cents: document.cents + cents }
    },
  },
})

/** A book, and a connection of the caller's that has begun a transaction. */
async function joined() {
  const url = server.url(await server.createDatabase())
  const store = postgres(url, { migrate: true })
  const book = await openBook({ store, deciders: [account], projections: [strict], follow: false })
  const caller = new Client({ connectionString: url })
  await caller.connect()
  await caller.query('BEGIN')
  const append = (id: number, cents: number) =>
    book.append(`account-${id}`, events.Deposited({ cents }), { transaction: caller })
  const commit = async (): Promise<void> => {
    await caller.query('COMMIT')
    await caller.end()
  }
  return { book, caller, append, commit }
}

for (const amounts of [
  [1, -1],
  [-1, 1],
  [1, -1, 2, -2, 3],
]) {
  test(`of appends of ${amounts} at once in one transaction, those that fail take no other along`, async () => {
    const { book, append, commit } = await joined()
    const settled = await Promise.allSettled(amounts.map((cents, nth) => append(nth, cents)))
    await commit()
    assert.deepEqual(
      settled.map((each) => (each.status === 'rejected' ? each.reason.code : each.status)),
      amounts.map((cents) => (cents < 0 ? 'PROJECTION_FAILED' : 'fulfilled')),
    )
    const good = amounts.filter((cents) => cents > 0)
    const recorded = await book.readLog().toArray()
    assert.deepEqual(
      recorded.map(({ data }) => data),
      good.map((cents) => ({ cents })),
    )
    const documents = (await book.read(strict).find()).map(({ document }) => document.cents)
    assert.deepEqual(documents, good)
    assert.deepEqual(await book.verify(), { events: good.length })
    await book.close()
  })
}

test('appends and commands at once in one transaction all succeed, in the order of asking', async () => {
  const { book, caller, append, commit } = await joined()
  const transaction = caller
  const appended = await Promise.all([1, 2, 3].map((cents) => append(cents, cents)))
  assert.deepEqual(
    appended.map(({ position }) => position),
    [1, 2, 3],
  )
  const deposits = [5, 7].map((cents) => book.execute(account.deposit('1', { cents }), { transaction }))
  const versions = (await Promise.all(deposits)).map(({ version }) => version)
  assert.deepEqual(new Set(versions), new Set([2, 3]))
  await commit()
  assert.deepEqual((await book.load(account, '1')).state, { cents: 13 })
  assert.deepEqual(await book.read(strict).get('1'), { cents: 13 })
  await book.close()
})

test('a command in a transaction does not decide on an append of it that may still be taken back', async () => {
  const { book, caller, append, commit } = await joined()
  const [failed, begun] = await Promise.allSettled([
    append(1, -1),
    book.execute(account.begin('1'), { transaction: caller }),
  ])
  await commit()
  assert.equal(failed.status, 'rejected')
  assert.equal(begun.status === 'fulfilled' && begun.value.refused, undefined)
  assert.equal(await book.head(), 1)
  await book.close()
})
