/** Rebuilds the read model of the bank, and tells how far it is, until it is killed or done. */
import { configOf, say } from '../child.ts'
import { sumsOf } from '../rebuilding/bank.ts'
import { shortLease } from '../short-lease.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface RebuilderConfig {
  readonly address: BookAddress
  /** Undefined: as fast as it can. */
  readonly eventsPerSecond?: number
  /** The control folds something else. */
  readonly isWrong: boolean
}

const { address, eventsPerSecond, isWrong } = configOf<RebuilderConfig>()
const sums = sumsOf(isWrong)
const book = await openPatiently({
  store: storeAt(address),
  projections: [sums],
  follow: false,
  lease: shortLease,
})
const { outcome, generation, events, seconds } = await book.rebuilds.start(sums, {
  ...(eventsPerSecond === undefined ? {} : { eventsPerSecond }),
  swap: 'auto',
  onProgress: ({ state, position, head }) => say({ state, position, head }),
})
say({ outcome, generation, events, seconds })
await book.close()
process.exit()
