import type { Host } from '../core/ports/host.ts'
import type { OpenStore, Store } from '../core/ports/store.ts'
import { MemoryFollowing } from './following.ts'
import { MemoryLeases } from './leases.ts'
import { MemoryLog } from './log.ts'
import { MemoryReadModels } from './read-models.ts'
import { MemorySnapshots } from './snapshots.ts'

/**
 * A book in memory, for tests and for learning how a store works: the reference that the other stores are compared
 * with. It is gone when the process ends. Opening the same value again opens the same book.
 */
export function memory(): Store {
  let opened: OpenStore | undefined
  return {
    name: 'memory:',
    open: (host) => {
      opened ??= openMemory(host)
      return Promise.resolve(opened)
    },
  }
}

function openMemory(host: Host): OpenStore {
  const identity = { bookId: host.newId(), epoch: 1 }
  const leases = new MemoryLeases()
  const readModels = new MemoryReadModels(leases)
  const log = new MemoryLog(host, readModels)
  const snapshots = new MemorySnapshots()
  return {
    name: 'memory:',
    identity,
    isReadOnly: false,
    log,
    snapshots,
    readModels,
    following: new MemoryFollowing(host, readModels, leases),
    inspect: async () => ({
      facts: { store: 'memory', events: (await log.head()).position, isDurable: false },
      problems: [],
    }),
    close: () => Promise.resolve(),
  }
}
