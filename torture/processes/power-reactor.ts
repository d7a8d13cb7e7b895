/** Acts on every event as soon as it reads it, outside of the database: it tells its parent, who cannot forget. */
import { isDaybookError } from 'daybook'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { configOf, say } from '../child.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

export interface PowerReactorConfig {
  readonly address: BookAddress
  /** The control acts without asking whether what it read is durable. */
  readonly asks: boolean
  /** It acted on everything up to here. */
  readonly afterPosition: number
}

const { address, asks, afterPosition } = configOf<PowerReactorConfig>()
const { log } = await storeAt(address).open(nodeHost())
say({ open: true })

let position = afterPosition

async function step(): Promise<void> {
  const { rows } = await log.readLog({
    afterPosition: position,
    toPosition: Number.MAX_SAFE_INTEGER,
    items: undefined,
    limit: 20,
  })
  for (const row of rows) {
    if (asks) await log.whenDurable(row.position, row.id)
    say({ acted: row.id, position: row.position, at: Number(process.hrtime.bigint()) })
    position = row.position
  }
}

for (;;) {
  try {
    await step()
  } catch (error) {
    // The database is away, or took back what was read: read again.
    if (!isDaybookError(error, 'STORE_UNREACHABLE')) throw error
  }
}
