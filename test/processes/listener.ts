/**
 * A process that hears of appends: `node listener.ts <address> <true|false>`; the last says whether it may LISTEN. It
 * tells its parent the head at every wake-up.
 */
import { nodeHost } from '../../library/src/host/node-host.ts'
import { postgres } from '../../library/src/postgres/index.ts'

const [address = '', mayListen] = process.argv.slice(2)
const store = await postgres(address, mayListen === 'true' ? {} : { listen: false }).open(nodeHost())

store.log.onAppended(() => {
  void store.log.head().then(({ position }) => process.send?.(position))
})
process.once('disconnect', () => void store.close())
process.send?.('ready')
