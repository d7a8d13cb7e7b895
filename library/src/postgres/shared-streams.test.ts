import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { z } from 'zod'
import { accepted, type Book, decider, defineEvents, openBook, refuse } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

const events = defineEvents({
  Deposited: z.object({ cents: z.int() }),
  Withdrawn: z.object({ cents: z.int() }),
})

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: {
    Deposited: (state, { cents }) => ({ cents: state.cents + cents }),
    Withdrawn: (state, { cents }) => ({ cents: state.cents - cents }),
  },
  commands: {
    deposit: (_state, input: { cents: number }) => events.Deposited(input),
    withdraw: (state, input: { cents: number }) =>
      input.cents <= state.cents
        ? events.Withdrawn(input)
        : refuse('InsufficientFunds', { available: state.cents }),
    mustBeEmpty: (state) => {
      if (state.cents !== 0) throw new Error(`holds ${state.cents}`)
      return undefined
    },
  },
})

/** Two openings of one book, as two processes have: each keeps the states it saw last. */
async function two(maxAttempts = 20): Promise<readonly [Book, Book]> {
  const url = server.url(await server.createDatabase())
  const options = { store: postgres(url, { migrate: true }), deciders: [account], retries: { maxAttempts } }
  return [await openBook(options), await openBook(options)]
}

test('a command sees what another process appended since this one looked last', async () => {
  const [here, there] = await two()
  await here.execute(account.deposit('1', { cents: 10 }))
  await there.execute(account.withdraw('1', { cents: 10 }))
  const refused = await here.execute(account.withdraw('1', { cents: 1 }))
  assert.deepEqual(refused.refused?.facts, { available: 0 })
  await there.execute(account.deposit('1', { cents: 5 }))
  const done = accepted(await here.execute(account.withdraw('1', { cents: 5 })))
  assert.deepEqual([done.state.cents, done.version], [0, 4])
  await there.execute(account.deposit('1', { cents: 7 }))
  await assert.rejects(here.execute(account.mustBeEmpty('1')), /holds 7/)
  await Promise.all([here.close(), there.close()])
})

test('a state kept too long is no lost race: one attempt is enough where nobody competes', async () => {
  const [here, there] = await two(1)
  await here.execute(account.deposit('1', { cents: 10 }))
  await there.execute(account.deposit('1', { cents: 10 }))
  const done = accepted(await here.execute(account.withdraw('1', { cents: 20 })))
  assert.deepEqual([done.state.cents, done.version], [0, 3])
  await Promise.all([here.close(), there.close()])
})

test('both withdraw as long as there is money, and never more', async () => {
  const [here, there] = await two()
  await here.execute(account.deposit('1', { cents: 150 }))
  const tries = Array.from({ length: 200 }, (_, nth) =>
    (nth % 2 === 0 ? here : there).execute(account.withdraw('1', { cents: 1 }), {
      idempotencyKey: `withdrawal-${nth % 180}`,
    }),
  )
  const outcomes = await Promise.all(tries)
  const effects = outcomes.filter(({ refused, events: { length } }) => refused === undefined && length === 1)
  const { state, version } = await there.load(account, '1')
  assert.deepEqual([state.cents, version], [0, 151])
  assert.equal(new Set(effects.map(({ position }) => position)).size, 150)
  await Promise.all([here.close(), there.close()])
})
