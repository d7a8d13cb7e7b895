/** Keeps read models and a subscription of a book up to date, until it is killed; it is frozen from outside, or right before a write. */
import { createInterface } from 'node:readline'
import type { LeaseSettings } from 'daybook'
import { configOf, say } from '../child.ts'
import { Fence, fencedStore, unfencedStore } from '../deriving/fence.ts'
import { effects, ledger, tallies } from '../deriving/kept.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface KeeperConfig {
  readonly address: BookAddress
  readonly lease: LeaseSettings
  /** The control does not ask who holds the lease. */
  readonly isFenced: boolean
}

/** What the parent says. */
export interface KeeperWish {
  /** To stop before the next write under a lease that begins so; none: not any more. */
  readonly freezeBefore?: string
}

const { address, lease, isFenced } = configOf<KeeperConfig>()
const fence = new Fence(say)
const store = isFenced ? storeAt(address) : unfencedStore(storeAt(address))

createInterface({ input: process.stdin }).on('line', (line) => {
  const { freezeBefore } = JSON.parse(line) as KeeperWish
  fence.arm(freezeBefore)
  // Should it be about to stop all the same, it says so first, and this when it goes on.
  if (freezeBefore === undefined) void fence.settled().then(() => say({ disarmed: true }))
})

await openPatiently({
  store: fencedStore(store, fence),
  projections: [tallies],
  sqlProjections: [ledger(address)],
  subscriptions: [
    effects(({ position, stream }, { isRepeat }) =>
      say({ told: position, stream, isRepeat, at: Number(process.hrtime.bigint()) }),
    ),
  ],
  lease,
  onDiagnostic: ({ kind, subject, message }) => {
    if (kind === 'lease-lost') say({ lost: subject })
    if (kind === 'projection-stopped' || kind === 'event-parked') say({ problem: `${kind}: ${message}` })
  },
})
say({ open: true })
