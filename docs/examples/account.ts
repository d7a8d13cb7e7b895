// #region events
import { decider, defineEvents, refuse } from 'daybook'
import { z } from 'zod'

export const accountEvents = defineEvents({
  AccountOpened: z.object({ owner: z.string() }),
  MoneyDeposited: z.object({ cents: z.int().positive() }),
  MoneyWithdrawn: z.object({ cents: z.int().positive() }),
})
// #endregion

// #region decider
export const account = decider('account', {
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
    deposit: (state, input: { cents: number }) =>
      state.isOpen ? accountEvents.MoneyDeposited(input) : refuse('NotOpen'),
    withdraw: (state, { cents }: { cents: number }) =>
      cents <= state.cents
        ? accountEvents.MoneyWithdrawn({ cents })
        : refuse('InsufficientFunds', { available: state.cents }),
  },
})
// #endregion
