/** Runs errands, and tells what it tries and what is done; what is poisonous ends it, or holds it up for ever. */
import { createInterface } from 'node:readline'
import type { LeaseSettings } from 'daybook'
import { configOf, say } from '../child.ts'
import { type AskedEvent, type ErrandSettings, errands, maxAttempts } from '../poison/errands.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface ErrandRunnerConfig extends ErrandSettings {
  readonly address: BookAddress
  readonly lease: LeaseSettings
  /** False: what is poisonous is done like anything else, to compare. */
  readonly isPoisonous: boolean
  /** Whether the last try of what throws waits for a word from the parent. */
  readonly waits: boolean
}

const { address, lease, onFailure, timeoutMs, isPoisonous, waits } = configOf<ErrandRunnerConfig>()
const told = Promise.withResolvers<void>()
createInterface({ input: process.stdin }).on('line', () => told.resolve())

async function run({ data }: AskedEvent, attempt: number): Promise<void> {
  if (data.deed === undefined || !isPoisonous) return
  if (data.deed === 'exit') process.exit(3)
  if (data.deed === 'kill') process.kill(process.pid, 'SIGKILL')
  while (data.deed === 'loop' || data.deed === 'kill') {
    // Nothing else in this process gets a turn any more.
  }
  if (data.deed === 'hang') await new Promise(() => undefined)
  if (waits && attempt >= maxAttempts) await told.promise
  throw new Error('poison')
}

await openPatiently({
  // Also how long the server leaves a transaction open whose process loops.
  store: storeAt(address, { timeoutMs: 1_000 }),
  subscriptions: [
    errands({ onFailure, timeoutMs }, async (event, { attempt }) => {
      const { position, stream, data } = event
      const at = (): number => Number(process.hrtime.bigint())
      if (data.deed !== undefined) say({ tried: position, deed: data.deed, attempt, at: at() })
      await run(event, attempt)
      say({ done: position, stream, at: at() })
    }),
  ],
  lease,
  onDiagnostic: ({ kind, message }) => {
    if (kind === 'event-parked' || kind === 'subscription-stopped') say({ [kind]: message })
    if (kind === 'lease-lost') say({ lost: message })
  },
})
say({ open: true })
