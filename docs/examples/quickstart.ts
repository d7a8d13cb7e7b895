// #region quickstart
import { decider, defineEvents, openBook, refuse } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { z } from 'zod'

const accountEvents = defineEvents({
  AccountOpened: z.object({ owner: z.string() }),
  MoneyDeposited: z.object({ cents: z.int().positive() }),
  MoneyWithdrawn: z.object({ cents: z.int().positive() }),
})

const account = decider('account', {
  events: accountEvents,
  initialState: { isOpen: false, cents: 0 },
  evolve: {
    AccountOpened: (state) => ({ ...state, isOpen: true }),
    MoneyDeposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
    MoneyWithdrawn: (state, { cents }) => ({ ...state, cents: state.cents - cents }),
  },
  commands: {
    open: (state, input: { owner: string }) =>
      state.isOpen ? refuse('AlreadyOpen') : accountEvents.AccountOpened(input),
    deposit: (state, { cents }: { cents: number }) =>
      state.isOpen ? accountEvents.MoneyDeposited({ cents }) : refuse('NotOpen'),
    withdraw: (state, { cents }: { cents: number }) =>
      cents <= state.cents
        ? accountEvents.MoneyWithdrawn({ cents })
        : refuse('InsufficientFunds', { available: state.cents }),
  },
})

await using book = await openBook({ store: sqlite('bank.db'), deciders: [account] })

await book.execute(account.open('42', { owner: 'Ada' }), { actor: 'teller-7' })
await book.execute(account.deposit('42', { cents: 10_000 }), { idempotencyKey: 'request-1' })
const done = await book.execute(account.withdraw('42', { cents: 12_500 }), { reason: 'rent' })

if (done.refused) console.log(done.refused.reason, done.refused.facts.available) // InsufficientFunds 10000

const before = await book.load(account, '42', { atVersion: 1 })
console.log(before.state) // { isOpen: true, cents: 0 }

for await (const { version, type, metadata } of book.readStream('account-42')) {
  console.log(version, type, metadata) // who, why, when it happened in the world
}
// #endregion
