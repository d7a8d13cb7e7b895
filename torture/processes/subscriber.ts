/** Follows the log as several subscribers do, tells what each saw, and keeps their checkpoints, until it is killed. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDaybookError, openBook, type RecordedEvent, reaction, subscription } from 'daybook'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { configOf, say } from '../child.ts'
import { importedEvents } from '../following/imported.ts'
import {
  digestOf,
  type Group,
  type Seen,
  type Subscriber,
  subscribers,
  tallies,
} from '../following/subscribers.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

export interface SubscriberConfig extends Group {
  readonly address: BookAddress
  /** Where checkpoints are kept. */
  readonly folder: string
}

const { address, names, folds, folder } = configOf<SubscriberConfig>()
const mine = subscribers.filter(({ name }) => names.includes(name))
const stop = new AbortController()
const stopped = new Promise((resolve) => stop.signal.addEventListener('abort', resolve))

const book = await openBook({
  store: storeAt(address),
  projections: folds ? [tallies] : [],
  reactions: mine.filter(({ kind }) => kind === 'reaction').map(reactionOf),
  subscriptions: mine.filter(({ kind }) => kind === 'subscription').map(subscriptionOf),
  // Whoever takes over from one that was killed does not wait for long.
  lease: { ttlMs: 1_000, renewMs: 200 },
  onDiagnostic: ({ kind, message }) => {
    if (kind === 'event-parked') say({ problem: message })
  },
})
const store = await storeAt(address).open(nodeHost())

createInterface({ input: process.stdin }).on('line', (line) => {
  const wish = JSON.parse(line) as { readonly stop?: true; readonly rebuild?: true }
  if (wish.stop) stop.abort()
  if (wish.rebuild) void rebuild()
})

/** Folds the read model anew, unless the process is ending. */
async function rebuild(): Promise<void> {
  try {
    await book.rebuild(tallies)
    say({ rebuilt: true })
  } catch (error) {
    if (isDaybookError(error, 'BOOK_CLOSED')) return
    say({ problem: `a rebuild ended with ${String(error)}` })
  }
}

type ImportedType = 'Booked' | 'Checked' | 'Flagged'

/** Tells of a call. */
function tell(name: string, events: readonly Seen[], isRepeat: boolean): void {
  const positions = events.map(({ position }) => position)
  say({ handled: name, positions, digest: digestOf(events), isRepeat, at: Number(process.hrtime.bigint()) })
}

function reactionOf({ name, items: [item] = [] }: Subscriber) {
  const { types = [], categories } = item ?? {}
  return reaction(name, {
    from: importedEvents,
    types: types as ImportedType[],
    ...(categories === undefined ? {} : { categories }),
    startAt: 'beginning',
    run: (event, { isRepeat }) => tell(name, [event], isRepeat),
  })
}

function subscriptionOf({ name, items: [item] = [], shards = 1, batch = 1, inbox = false }: Subscriber) {
  const { types = [], categories, tags } = item ?? {}
  const settings = {
    from: importedEvents,
    types: types as ImportedType[],
    ...(categories === undefined ? {} : { categories }),
    ...(tags === undefined ? {} : { tags }),
    shards,
    inbox,
    // Nothing is the fault of an event here, however often its process is killed.
    retry: { maxAttempts: 1_000, maxDelayMs: 100 },
  }
  if (batch === 1)
    return subscription(name, {
      ...settings,
      run: (event: RecordedEvent, { isRepeat }) => tell(name, [event], isRepeat),
    })
  return subscription(name, {
    ...settings,
    batch,
    runBatch: (events: readonly RecordedEvent[], { isRepeat }) => tell(name, events, isRepeat),
  })
}

/** A checkpoint in a file, renamed into place: whole, or the one before. */
class Checkpoint {
  readonly #path: string
  position: number

  constructor(name: string) {
    this.#path = join(folder, name)
    this.position = existsSync(this.#path) ? Number(readFileSync(this.#path, 'utf8')) : 0
  }

  /** Acts, then moves: what is killed in between acts again. */
  act(name: string, events: readonly Seen[], to: number): void {
    if (to === this.position) return
    say({ page: name, after: this.position, to, count: events.length, digest: digestOf(events) })
    writeFileSync(`${this.#path}.new`, String(to))
    renameSync(`${this.#path}.new`, this.#path)
    this.position = to
  }
}

async function follow({ name, items }: Subscriber): Promise<void> {
  const checkpoint = new Checkpoint(name)
  const query = items === undefined ? {} : { query: items }
  const options = { afterPosition: checkpoint.position, follow: true, signal: stop.signal, ...query }
  for await (const events of book.readLog(options).batches())
    checkpoint.act(name, events, events.at(-1)?.position ?? checkpoint.position)
}

async function readPages({ name, items }: Subscriber): Promise<void> {
  const checkpoint = new Checkpoint(name)
  let wake = (): void => undefined
  let isHinted = false
  const stopListening = store.log.onAppended(() => {
    isHinted = true
    wake()
  })
  stop.signal.addEventListener('abort', () => wake())
  while (!stop.signal.aborted) {
    isHinted = false
    const afterPosition = checkpoint.position
    const page = await store.log.readLog({
      afterPosition,
      toPosition: Number.MAX_SAFE_INTEGER,
      items,
      limit: 300,
    })
    checkpoint.act(name, page.rows, page.scannedTo)
    if (page.scannedTo < page.head || isHinted) continue
    const hinted = new Promise<void>((resolve) => {
      wake = resolve
    })
    await Promise.race([hinted, sleep(1_000, undefined, { ref: false })])
  }
  stopListening()
}

say({ open: true })
const reading = mine
  .filter(({ kind }) => kind === 'follow' || kind === 'pages')
  .map((subscriber) => (subscriber.kind === 'follow' ? follow(subscriber) : readPages(subscriber)))
// Reactions and projections do not keep a process running.
const stay = setInterval(() => undefined, 1_000)
await Promise.all([...reading, stopped])
clearInterval(stay)
await book.close()
await store.close()
process.exit()
