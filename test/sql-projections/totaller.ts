/** A process that keeps totals by SQL, and tells how far it is: `node totaller.ts <address>`. */
import { openBook } from 'daybook'
import { storeAt } from '../processes/store-at.ts'
import { totals } from './totals.ts'

const [address = ''] = process.argv.slice(2)
// Whoever goes on after a kill does not wait for long.
const lease = { ttlMs: 500, renewMs: 100 }
const book = await openBook({ store: storeAt(address), sqlProjections: [totals], lease })
for (let notBefore = 1; ; notBefore++) {
  await book.whenReached(totals, { notBefore, timeoutMs: 600_000 })
  const [status] = await book.status()
  notBefore = status?.position ?? notBefore
  process.send?.(notBefore)
}
