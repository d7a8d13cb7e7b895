/**
 * A process that rebuilds: `node rebuilder.ts <address> <events per second>`. It tells its progress, and in the end its
 * result.
 */
import { openBook } from 'daybook'
import { storeAt } from './store-at.ts'
import { sums } from './sums.ts'

const [address = '', eventsPerSecond = ''] = process.argv.slice(2)
const model = sums(1)
const book = await openBook({
  store: storeAt(address),
  projections: [model],
  follow: false,
  // Whoever goes on after a kill does not wait for long.
  lease: { ttlMs: 1_000, renewMs: 200 },
})
const result = await book.rebuilds.start(model, {
  ...(eventsPerSecond === '' ? {} : { eventsPerSecond: Number(eventsPerSecond) }),
  onProgress: (progress) => process.send?.({ progress }),
})
await book.close()
process.send?.({ result })
process.disconnect()
