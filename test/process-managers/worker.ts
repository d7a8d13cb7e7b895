/**
 * Runs the settlement of withdrawals until all are finished: `node worker.ts <address> <deadly>`. It kills itself as
 * `kill -9` would right after each write of a kind, and says so beforehand, and says when everything is finished.
 */
import { openBook } from 'daybook'
import { storeAt } from '../processes/store-at.ts'
import { type Deadly, dyingStore } from './dying-store.ts'
import { account, settlementWithin, withdrawal } from './withdrawals.ts'

const [address = '', deadly = 'nothing', timeMs = '400'] = process.argv.slice(2)
const settlement = settlementWithin(Number(timeMs))

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  // Nothing may happen until the signal has arrived.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

const book = await openBook({
  store: dyingStore(storeAt(address), deadly as Deadly, die),
  deciders: [account, withdrawal],
  processes: [settlement],
  lease: { ttlMs: 500, renewMs: 100 },
  onDiagnostic: ({ kind, message }) => {
    if (kind.endsWith('stopped') || kind === 'event-parked') process.send?.({ kind, message })
  },
})
for await (const event of book.readLog({ follow: true })) {
  if (!event.stream.startsWith('process:')) continue
  const states = await Promise.all(['a', 'b'].map((key) => book.processes.state(settlement, key)))
  if (states.every((state) => state?.isFinished && state.waitsFor.length === 0)) break
}
process.send?.({ kind: 'finished', message: '' })
await book.close()
process.disconnect?.()
