/** A loan whose interest is added each day, by a process manager with a deadline that sets itself anew. */
import { deadline, decider, defineEvents, finish, processManager, refuse } from 'daybook'
import { z } from 'zod'

const loanEvents = defineEvents({
  LoanPaidOut: z.object({ cents: z.int() }),
  InterestAdded: z.object({ day: z.int(), cents: z.int() }),
  LoanClosed: z.object({}),
})

export interface Loan {
  readonly cents: number
  readonly days: number
  readonly isOpen: boolean
}
const initialState: Loan = { cents: 0, days: 0, isOpen: false }

export const loan = decider('loan', {
  events: loanEvents,
  initialState,
  evolve: {
    LoanPaidOut: (state, { cents }) => ({ ...state, cents, isOpen: true }),
    InterestAdded: (state, { cents, day }) => ({ ...state, cents: state.cents + cents, days: day }),
    LoanClosed: (state) => ({ ...state, isOpen: false }),
  },
  commands: {
    payOut: (_state, input: { readonly cents: number }) => loanEvents.LoanPaidOut(input),
    addInterest: (state) =>
      state.isOpen
        ? loanEvents.InterestAdded({ day: state.days + 1, cents: Math.round(state.cents / 1_000) })
        : refuse('Closed'),
    close: (state) => (state.isOpen ? loanEvents.LoanClosed({}) : refuse('Closed')),
  },
})

/** 30 days, then it is closed. */
export const interest = processManager('interest', {
  from: loanEvents,
  key: (event) => event.streamId,
  startsWith: ['LoanPaidOut'],
  initialState: { days: 0 },
  evolve: { InterestAdded: (_state, { day }) => ({ days: day }) },
  on: {
    LoanPaidOut: () => deadline.set('daily', { days: 1 }),
    InterestAdded: (_state, { day }, { streamId }) => (day === 30 ? loan.close(streamId) : []),
    LoanClosed: () => finish(),
  },
  deadlines: {
    daily: (_state, { key }) => [loan.addInterest(key), deadline.set('daily', { days: 1 })],
  },
  pendingLimitMs: 20 * 86_400_000,
})
