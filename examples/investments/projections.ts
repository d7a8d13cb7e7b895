import { projection } from 'daybook'
import { investmentEvents, type Status, type Terms } from './investment.ts'

interface Investment extends Terms {
  readonly status: Status
  /** The gateway's reference, once it is settled. */
  readonly payment?: string
  /** Why it failed or was cancelled. */
  readonly reason?: string
}

const initial: Investment = { status: 'none', investor: '', fund: '', cents: 0 }

/** Each investment and how far it has got; the key is its id. `find({ where: { status: 'submitted' } })` */
export const investments = projection('investments', {
  from: investmentEvents,
  key: (event) => event.streamId,
  initial,
  columns: { status: 'text', investor: 'text', fund: 'text', cents: 'integer' },
  evolve: {
    InvestmentDrafted: (_, terms) => ({ ...terms, status: 'draft' }),
    InvestmentSubmitted: (known) => ({ ...known, status: 'submitted' }),
    InvestmentSettled: (known, { payment }) => ({ ...known, status: 'settled', payment }),
    InvestmentFailed: (known, { reason }) => ({ ...known, status: 'failed', reason }),
    InvestmentCancelled: (known, { reason }) => ({ ...known, status: 'cancelled', reason }),
  },
})
