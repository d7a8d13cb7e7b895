/** Uses idempotency keys, many times each and at once, and tells every answer, until it is done or killed. */
import { isDaybookError } from 'daybook'
import { account } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { answerTo, type Intent } from '../intents.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface KeyUserConfig {
  readonly address: BookAddress
  readonly intents: readonly Intent[]
  /** How often each intent is wanted, at the same time. */
  readonly uses: number
  /** The control forgets the key. */
  readonly usesKeys: boolean
}

const { address, intents, uses, usesKeys } = configOf<KeyUserConfig>()
const book = await openPatiently({
  store: storeAt(address),
  deciders: [account],
  retries: { maxAttempts: 1_000, maxDelayMs: 5 },
})
say({ open: true })

/** Uses the key until there is an answer: while the database is away, or when nobody knows what came of it. */
async function use(intent: Intent): Promise<void> {
  for (;;) {
    try {
      say({ key: intent.key, answer: await answerTo(book, intent, usesKeys) })
      return
    } catch (error) {
      const isAway = isDaybookError(error, 'STORE_UNREACHABLE') || isDaybookError(error, 'APPEND_IN_DOUBT')
      if (!isAway || !usesKeys) {
        say({ key: intent.key, problem: isDaybookError(error) ? error.code : String(error) })
        return
      }
    }
  }
}

// All uses of a few keys at a time: they meet in queues and lanes, and other processes are at the same keys.
for (const intent of intents) await Promise.all(Array.from({ length: uses }, () => use(intent)))
await book.close()
