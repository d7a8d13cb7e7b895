import { decider, defineEvents, refuse } from 'daybook'
import { z } from 'zod'

export const withdrawalEvents = defineEvents({
  WithdrawalRequested: z.object({ account: z.string(), cents: z.int().positive() }),
  WithdrawalSettled: z.object({}),
  WithdrawalCancelled: z.object({ reason: z.string() }),
})

interface Withdrawal {
  readonly status: 'none' | 'requested' | 'settled' | 'cancelled'
}
const initialState: Withdrawal = { status: 'none' }

export const withdrawal = decider('withdrawal', {
  events: withdrawalEvents,
  initialState,
  evolve: {
    WithdrawalRequested: (state) => ({ ...state, status: 'requested' }),
    WithdrawalSettled: (state) => ({ ...state, status: 'settled' }),
    WithdrawalCancelled: (state) => ({ ...state, status: 'cancelled' }),
  },
  commands: {
    request: ({ status }, input: { account: string; cents: number }) =>
      status === 'none' ? withdrawalEvents.WithdrawalRequested(input) : refuse('AlreadyRequested'),
    settle: ({ status }) =>
      status === 'requested' ? withdrawalEvents.WithdrawalSettled({}) : refuse('NotRequested'),
    cancel: ({ status }, { reason }: { reason: string }) =>
      status === 'requested' ? withdrawalEvents.WithdrawalCancelled({ reason }) : refuse('NotRequested'),
  },
})

export const purseEvents = defineEvents({
  PurseFilled: z.object({ cents: z.int().positive() }),
  MoneyReserved: z.object({ cents: z.int().positive(), withdrawal: z.string() }),
  MoneyReleased: z.object({ cents: z.int().positive() }),
})

export const purse = decider('purse', {
  events: purseEvents,
  initialState: 0,
  evolve: {
    PurseFilled: (free, { cents }) => free + cents,
    MoneyReserved: (free, { cents }) => free - cents,
    MoneyReleased: (free, { cents }) => free + cents,
  },
  commands: {
    fill: (_free, input: { cents: number }) => purseEvents.PurseFilled(input),
    reserve: (free, input: { cents: number; withdrawal: string }) =>
      input.cents <= free
        ? purseEvents.MoneyReserved(input)
        : refuse('InsufficientFunds', { available: free }),
    release: (_free, input: { cents: number }) => purseEvents.MoneyReleased(input),
  },
})
