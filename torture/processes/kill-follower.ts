/** Follows the log with a read model and appends nothing, until it is killed. */
import { isDaybookError } from 'daybook'
import { account, balances, totals } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { shortLease } from '../short-lease.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface KillFollowerConfig {
  readonly address: BookAddress
}

const { address } = configOf<KillFollowerConfig>()
const book = await openPatiently({
  store: storeAt(address),
  deciders: [account],
  projections: [balances, totals],
  lease: shortLease,
})
say({ open: true })
// The followers do not keep the process alive; somebody who reads their read models does.
for (;;) {
  try {
    await book.read(balances).count({ notBefore: await book.head(), timeoutMs: 60_000 })
  } catch (error) {
    if (!isDaybookError(error, 'STORE_UNREACHABLE')) throw error
  }
}
