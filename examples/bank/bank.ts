import { account } from './account.ts'
import { dashboard } from './dashboard.ts'
import { balances, dailySummaries, transactions } from './projections.ts'

/** What every book of the bank is opened with, wherever it is kept. */
export const bank = { deciders: [account], projections: [balances, transactions, dailySummaries, dashboard] }
