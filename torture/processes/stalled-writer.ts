/** Appends when it is told to, and stops in the middle: when it holds the log's lock and has written nothing yet. */
import { hash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { isDaybookError, openBook } from 'daybook'
import { configOf, say } from '../child.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

export interface StalledWriterConfig {
  readonly address: BookAddress
  readonly timeoutMs: number
}

const { address, timeoutMs } = configOf<StalledWriterConfig>()
let isArmed = false

/** Rows are hashed between the reading under the lock and the writing: the stop falls between two round trips. */
function sha256(bytes: Uint8Array): Uint8Array {
  if (isArmed) {
    isArmed = false
    say({ holding: process.pid })
    process.kill(process.pid, 'SIGSTOP')
  }
  return hash('sha256', bytes, 'buffer')
}

const book = await openBook({ store: storeAt(address, { timeoutMs }), host: { sha256 } })
say({ open: true })
for await (const line of createInterface({ input: process.stdin })) {
  const { op } = JSON.parse(line) as { readonly op: string }
  isArmed = true
  try {
    const { events } = await book.append('account-stalled', {
      type: 'Deposited',
      data: { op, cents: 1, index: 0, of: 1 },
    })
    say({ acknowledged: op, position: events[0]?.position })
  } catch (error) {
    say({ failed: op, code: isDaybookError(error) ? error.code : undefined, problem: String(error) })
  }
}
await book.close()
