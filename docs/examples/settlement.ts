// #region process
import { deadline, finish, processManager } from 'daybook'
import { purse, purseEvents, withdrawal, withdrawalEvents } from './withdrawals.ts'

export const settlement = processManager('settlement', {
  from: [withdrawalEvents, purseEvents],
  // MoneyReserved happens to a purse, and says for which withdrawal.
  key: (event) => ('withdrawal' in event.data ? event.data.withdrawal : event.streamId),
  startsWith: ['WithdrawalRequested'],
  initialState: { purse: '', reserved: 0 },
  evolve: {
    WithdrawalRequested: (state, { account }) => ({ ...state, purse: account }),
    MoneyReserved: (state, { cents }) => ({ ...state, reserved: cents }),
  },
  on: {
    WithdrawalRequested: (state, { cents }, { streamId }) =>
      purse.reserve(state.purse, { cents, withdrawal: streamId }),
    MoneyReserved: () => deadline.set('settle', { hours: 24 }),
    WithdrawalSettled: () => finish(),
    WithdrawalCancelled: (state) =>
      state.reserved === 0 ? finish() : [purse.release(state.purse, { cents: state.reserved }), finish()],
  },
  deadlines: {
    settle: (_state, { key }) => withdrawal.cancel(key, { reason: 'not settled within 24 hours' }),
  },
  onRefused: (_state, { reason }, command, { key }) =>
    command.name === 'reserve' ? withdrawal.cancel(key, { reason }) : undefined,
  pendingLimitMs: 25 * 3_600_000,
})
// #endregion
