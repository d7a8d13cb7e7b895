// #region balances
import { projection } from 'daybook'
import { accountEvents } from './account.ts'

export const balances = projection('balances', {
  from: accountEvents,
  key: (event) => event.streamId,
  initial: { owner: '', cents: 0, movements: 0 },
  columns: { owner: 'text', cents: 'integer' },
  evolve: {
    AccountOpened: (balance, { owner }) => ({ ...balance, owner }),
    MoneyDeposited: (balance, { cents }) => ({
      ...balance,
      cents: balance.cents + cents,
      movements: balance.movements + 1,
    }),
    MoneyWithdrawn: (balance, { cents }) => ({
      ...balance,
      cents: balance.cents - cents,
      movements: balance.movements + 1,
    }),
  },
})
// #endregion
