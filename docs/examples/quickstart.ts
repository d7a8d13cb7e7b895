// #region quickstart
import { decider, defineEvents, openBook, refuse } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { z } from 'zod'

// What can happen. Data is checked when it is appended.
const events = defineEvents({
  AccountOpened: z.object({ owner: z.string() }),
  MoneyDeposited: z.object({ cents: z.int().positive() }),
  MoneyWithdrawn: z.object({ cents: z.int().positive() }),
})

// What may happen: a command looks at the state and answers an event, or a refusal.
const account = decider('account', {
  events,
  initialState: { isOpen: false, cents: 0 },
  evolve: {
    AccountOpened: (state) => ({ ...state, isOpen: true }),
    MoneyDeposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
    MoneyWithdrawn: (state, { cents }) => ({ ...state, cents: state.cents - cents }),
  },
  commands: {
    open: (state, input: { owner: string }) =>
      state.isOpen ? refuse('AlreadyOpen') : events.AccountOpened(input),
    deposit: (state, input: { cents: number }) =>
      state.isOpen ? events.MoneyDeposited(input) : refuse('NotOpen'),
    withdraw: (state, { cents }: { cents: number }) =>
      cents <= state.cents
        ? events.MoneyWithdrawn({ cents })
        : refuse('InsufficientFunds', { available: state.cents }),
  },
})

await using book = await openBook({ store: sqlite('bank.db'), deciders: [account] })

await book.execute(account.open('42', { owner: 'Ada' }), { actor: 'teller-7' })
await book.execute(account.deposit('42', { cents: 2_000 }), { actor: 'teller-7', idempotencyKey: 'req-9' })

const { refused } = await book.execute(account.withdraw('42', { cents: 2_500 }))
console.log(refused?.reason, refused?.facts) // InsufficientFunds { available: 2000 }

const done = await book.execute(account.withdraw('42', { cents: 500 }))
const before = await book.load(account, '42', { atVersion: done.version - 1 })
console.log(before.state.cents, done.state.cents) // 2000 1500
// #endregion
