/** Follows a log by a projection and a reader, and tells how far the reader has come. It is stopped from outside. */
import { openBook } from 'daybook'
import { balances } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

export interface StalledFollowerConfig {
  readonly address: BookAddress
}

const { address } = configOf<StalledFollowerConfig>()
const book = await openBook({ store: storeAt(address, { timeoutMs: 2_000 }), projections: [balances] })
let followed = 0
for await (const batch of book.readLog({ follow: true }).batches()) {
  for (const { position } of batch) {
    if (position !== followed + 1) say({ problem: `position ${position} follows ${followed}` })
    followed = position
  }
  say({ followed })
}
