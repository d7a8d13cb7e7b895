import { decider, defineEvents, refuse } from 'daybook'
import { z } from 'zod'

const cents = z.int().positive()
const terms = { investor: z.string().min(1), fund: z.string().min(1), cents }

/** Everything that can happen to an investment. Amounts are in cents. */
export const investmentEvents = defineEvents({
  InvestmentDrafted: z.object(terms),
  /** Says once more what is to be paid by whom, so that whoever pays need not ask. */
  InvestmentSubmitted: z.object(terms),
  InvestmentSettled: z.object({ payment: z.string().min(1) }),
  InvestmentFailed: z.object({ reason: z.string().min(1) }),
  InvestmentCancelled: z.object({ reason: z.string().min(1) }),
})

export interface Terms {
  readonly investor: string
  readonly fund: string
  readonly cents: number
}

export type Status = 'none' | 'draft' | 'submitted' | 'settled' | 'failed' | 'cancelled'

export interface InvestmentState extends Terms {
  readonly status: Status
}

const initialState: InvestmentState = { status: 'none', investor: '', fund: '', cents: 0 }

/**
 * An investment. Submitting it commits the investor: from then on the payment may be on its way, and what is on its way
 * is settled or fails, but is never cancelled. So a draft is either submitted or cancelled; of two who try both at once
 * exactly one succeeds, and nothing is ever paid for a cancelled investment.
 */
export const investment = decider('investment', {
  events: investmentEvents,
  initialState,
  evolve: {
    InvestmentDrafted: (state, terms) => ({ ...state, ...terms, status: 'draft' }),
    InvestmentSubmitted: (state) => ({ ...state, status: 'submitted' }),
    InvestmentSettled: (state) => ({ ...state, status: 'settled' }),
    InvestmentFailed: (state) => ({ ...state, status: 'failed' }),
    InvestmentCancelled: (state) => ({ ...state, status: 'cancelled' }),
  },
  commands: {
    draft: ({ status }, input: Terms) =>
      status === 'none' ? investmentEvents.InvestmentDrafted(input) : refuse('AlreadyDrafted', { status }),
    submit: ({ status, investor, fund, cents }) =>
      status === 'draft'
        ? investmentEvents.InvestmentSubmitted({ investor, fund, cents })
        : refuse('NotADraft', { status }),
    cancel: ({ status }, input: { reason: string }) =>
      status === 'draft' ? investmentEvents.InvestmentCancelled(input) : refuse('NotADraft', { status }),
    settle: ({ status }, input: { payment: string }) =>
      status === 'submitted' ? investmentEvents.InvestmentSettled(input) : refuse('NotSubmitted', { status }),
    fail: ({ status }, input: { reason: string }) =>
      status === 'submitted' ? investmentEvents.InvestmentFailed(input) : refuse('NotSubmitted', { status }),
  },
})
