/** Several clients of one book in one process; each tells of every call before it makes it and after it returned. */
import { type Book, isDaybookError } from 'daybook'
import { account } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import type { Action, Expected, Outcome } from '../histories/history.ts'
import { Random } from '../random.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface HistoryClientConfig {
  readonly address: BookAddress
  readonly name: string
  readonly clients: number
  readonly calls: number
  readonly streams: readonly string[]
  /** For the lock, in ms. */
  readonly timeoutMs: number
}

const config = configOf<HistoryClientConfig>()

/** What a client last knew of each stream's version: often stale, as it is in life. */
type Knowledge = Map<string, number>

function actionFrom(random: Random, known: Knowledge): Action {
  const stream = random.pick(config.streams)
  const kind = random.pick(['append', 'append', 'append', 'append', 'version', 'version', 'head'] as const)
  if (kind === 'head') return { kind }
  if (kind === 'version') return { kind, stream }
  const exact = known.get(stream) ?? 0
  const expected: Expected = random.pick(['any', 'any', exact, exact, exact, 'exists', 'none'])
  return { kind, stream, expected, count: random.pick([1, 1, 1, 2, 5]) }
}

/** Undefined when nobody knows what came of it. */
async function act(book: Book, id: string, action: Action, known: Knowledge): Promise<Outcome | undefined> {
  try {
    return await acted(book, id, action, known)
  } catch (error) {
    if (isDaybookError(error, 'APPEND_IN_DOUBT')) return undefined
    // Both promise that nothing was written.
    const isHarmless = isDaybookError(error, 'STORE_BUSY') || isDaybookError(error, 'STORE_UNREACHABLE')
    if (isHarmless) return { kind: 'nothing' }
    throw error
  }
}

async function acted(book: Book, id: string, action: Action, known: Knowledge): Promise<Outcome> {
  if (action.kind === 'head') return { kind: 'saw', value: await book.head() }
  if (action.kind === 'version') {
    const [last] = await book.readStream(action.stream, { direction: 'backwards', limit: 1 }).toArray()
    known.set(action.stream, last?.version ?? 0)
    return { kind: 'saw', value: last?.version ?? 0 }
  }
  const { stream, expected, count } = action
  try {
    const events = await appended(book, id, action)
    const { version = 0, position = 0 } = events[0] ?? {}
    known.set(stream, version + count - 1)
    return { kind: 'appended', version, position }
  } catch (error) {
    if (!isDaybookError(error, 'CONCURRENCY_CONFLICT')) throw error
    // A command that lost to other processes more often than it tries again.
    if (expected === 'any') return { kind: 'nothing' }
    known.set(stream, Number(error.facts.actual))
    return { kind: 'conflict', actual: Number(error.facts.actual) }
  }
}

/** Appends, by a command where one says the same. */
async function appended(
  book: Book,
  id: string,
  { stream, expected, count }: Extract<Action, { kind: 'append' }>,
): Promise<readonly { readonly version: number; readonly position: number }[]> {
  if (expected === 'any' && count === 1 && id.endsWith('7')) {
    const wish = { op: id, cents: 1 }
    return (await book.execute(account.deposit(stream.slice('account-'.length), wish))).events
  }
  const events = Array.from({ length: count }, (_, index) => ({
    type: 'Deposited',
    data: { op: id, cents: 1, index, of: count },
  }))
  return (await book.append(stream, events, { expectedVersion: expected })).events
}

async function client(book: Book, name: string, calls: number): Promise<void> {
  const random = new Random(name)
  const known: Knowledge = new Map()
  for (let next = 0; next < calls; next++) {
    const id = `${name}.${next}`
    const action = actionFrom(random, known)
    say({ called: id, action, at: Number(process.hrtime.bigint()) })
    const answer = act(book, id, action, known).then((outcome) => {
      if (outcome !== undefined) say({ returned: id, outcome, at: Number(process.hrtime.bigint()) })
    })
    // Some give up waiting; the answer, if it comes, is then ignored: only their next call tells that they went on.
    if (random.chance(0.03)) {
      say({ gaveUp: id })
      await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, random.next() * 3))])
    } else await answer
  }
}

const store = storeAt(config.address, { timeoutMs: config.timeoutMs })
const book = await openPatiently({ store, deciders: [account] })
say({ open: config.name })
const share = Math.ceil(config.calls / config.clients)
await Promise.all(
  Array.from({ length: config.clients }, (_, index) => client(book, `${config.name}.${index}`, share)),
)
await book.close()
