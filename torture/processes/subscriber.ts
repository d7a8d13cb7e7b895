/** Follows the log as several subscribers do, tells what each saw, and keeps their checkpoints, until it is killed. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDaybookError, openBook, reaction } from 'daybook'
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

function reactionOf({ name, items = [] }: Subscriber) {
  const [{ types = [], categories = [] } = {}] = items
  return reaction(name, {
    from: importedEvents,
    types: types as ('Booked' | 'Checked' | 'Flagged')[],
    ...(categories.length === 0 ? {} : { categories }),
    startAt: 'beginning',
    run: ({ position, id }) => say({ reacted: name, position, id }),
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
  .filter(({ kind }) => kind !== 'reaction')
  .map((subscriber) => (subscriber.kind === 'follow' ? follow(subscriber) : readPages(subscriber)))
// Reactions and projections do not keep a process running.
const stay = setInterval(() => undefined, 1_000)
await Promise.all([...reading, stopped])
clearInterval(stay)
await book.close()
await store.close()
process.exit()
