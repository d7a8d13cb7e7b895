/** Uses idempotency keys, many times each and at once, and tells every answer, until it is done or killed. */
import { isDaybookError, openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { answerTo, type Intent } from '../intents.ts'

export interface KeyUserConfig {
  readonly path: string
  readonly intents: readonly Intent[]
  /** How often each intent is wanted, at the same time. */
  readonly uses: number
  /** The control forgets the key. */
  readonly usesKeys: boolean
}

const { path, intents, uses, usesKeys } = configOf<KeyUserConfig>()
const book = await openBook({
  store: sqlite(path, { lockTimeoutMs: 60_000 }),
  deciders: [account],
  retries: { maxAttempts: 1_000, maxDelayMs: 5 },
})
say({ open: true })

async function use(intent: Intent): Promise<void> {
  try {
    say({ key: intent.key, answer: await answerTo(book, intent, usesKeys) })
  } catch (error) {
    say({ key: intent.key, problem: isDaybookError(error) ? error.code : String(error) })
  }
}

// All uses of a few keys at a time: they meet in queues and lanes, and other processes are at the same keys.
for (const intent of intents) await Promise.all(Array.from({ length: uses }, () => use(intent)))
await book.close()
