import { projection } from 'daybook'
import { accountEvents } from './account-events.ts'
import { dayOf } from './projections.ts'

interface Month {
  readonly month: string
  readonly depositedCents: number
  readonly withdrawnCents: number
  readonly interestCents: number
  readonly feeCents: number
}

const noMonth: Month = { month: '', depositedCents: 0, withdrawnCents: 0, interestCents: 0, feeCents: 0 }

/** What the managers look at: cash in and out at the counter, interest paid and fees taken, by month: `1993-05`. */
export const dashboard = projection('dashboard', {
  from: accountEvents,
  // Looked at now and then by few: folded when somebody asks, and kept in memory, it costs appends nothing.
  mode: 'live',
  key: monthOf,
  initial: noMonth,
  columns: {
    month: 'text',
    depositedCents: 'integer',
    withdrawnCents: 'integer',
    interestCents: 'integer',
    feeCents: 'integer',
  },
  evolve: {
    MoneyDeposited: (sums, { cents }, event) => ({
      ...sums,
      month: monthOf(event),
      depositedCents: sums.depositedCents + cents,
    }),
    MoneyWithdrawn: (sums, { cents }, event) => ({
      ...sums,
      month: monthOf(event),
      withdrawnCents: sums.withdrawnCents + cents,
    }),
    InterestCredited: (sums, { cents }, event) => ({
      ...sums,
      month: monthOf(event),
      interestCents: sums.interestCents + cents,
    }),
    FeeCharged: (sums, { cents }, event) => ({
      ...sums,
      month: monthOf(event),
      feeCents: sums.feeCents + cents,
    }),
  },
})

function monthOf(event: Parameters<typeof dayOf>[0]) {
  return dayOf(event).slice(0, 7)
}
