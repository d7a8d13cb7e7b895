import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { z } from 'zod'
import type { Store } from '../core/ports/store.ts'
import { aggregate, appendTo, decider, decision, defineEvents, openBook } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

async function emptyStore(): Promise<Store> {
  return postgres(server.url(await server.createDatabase()), { migrate: true })
}

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  compensate: { Deposited: (_state, { cents }) => events.Deposited({ cents: -cents }) },
})

const deposit = decision('deposit', {
  reads: (id: string) => ({ account: account.stream(id) }),
  decide: (states) => [appendTo(states.account, events.Deposited({ cents: 1 }))],
})

class Purse extends aggregate('purse', events) {
  cents = 0
  readonly on = this.appliers({
    Deposited: ({ cents }) => {
      this.cents += cents
    },
  })
}

test('decisions, corrections and aggregates under way are finished before the book is closed', async () => {
  const store = await emptyStore()
  const book = await openBook({ store, deciders: [account], retries: { maxAttempts: 100, maxDelayMs: 1 } })
  await book.execute(account.deposit('0', { cents: 1 }))
  const purses = book.repository(Purse)
  const correction = { version: 1, actor: 'operator', reason: 'booked twice' }
  const work = [
    ...Array.from({ length: 5 }, () => book.execute(deposit('1'))),
    book.undo(account, '0', correction),
    purses.execute('1', (purse) => purse.apply(events.Deposited({ cents: 1 }))),
  ]
  const answers = Promise.all(work)
  await book.close()
  await answers
  await assert.rejects(purses.load('1'), { code: 'BOOK_CLOSED' })
  await using reopened = await openBook({ store, deciders: [account] })
  assert.deepEqual([await reopened.head(), (await reopened.load(account, '1')).version], [8, 5])
})

test('who follows the log is at its end when the book is closed', async () => {
  const book = await openBook({ store: await emptyStore() })
  const begun = Promise.withResolvers<void>()
  const afterPosition = await book.head()
  let seen = 0
  const following = (async () => {
    for await (const _event of book.readLog({ afterPosition, follow: true })) {
      seen++
      begun.resolve()
    }
  })()
  await book.append('account-9', events.Deposited({ cents: 1 }))
  await begun.promise
  await book.close()
  await following
  assert.equal(seen, 1)
})
