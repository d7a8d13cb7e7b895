/** Readers of a long log in one process: some stop pulling after their first event, some read to the end. It tells its memory. */
import { openBook } from 'daybook'
import { configOf, say } from '../child.ts'
import { stalledSubscription } from '../reading/backlog.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

export interface StalledReadersConfig {
  readonly address: BookAddress
  readonly stalled: number
  readonly quick: number
  /** The control keeps all that it is given until somebody asks for it. */
  readonly hoards: boolean
  /** Beyond this it ends, in bytes. */
  readonly mostRssBytes: number
}

const { address, stalled, quick, hoards, mostRssBytes } = configOf<StalledReadersConfig>()
const subscribed = Math.floor(stalled / 4)
const never = Promise.withResolvers<never>()
/** Names of readers that have got something. */
const begun = new Set<string>()

const book = await openBook({
  store: storeAt(address),
  subscriptions: Array.from({ length: subscribed }, (_, nth) =>
    stalledSubscription(`stalled-${process.pid}-${nth}`, async () => {
      begun.add(`subscription ${nth}`)
      await never.promise
    }),
  ),
  onDiagnostic: ({ kind, message }) => {
    if (kind === 'follower-waiting') say({ problem: message })
  },
})

let mostRss = 0
const watch = setInterval(() => {
  mostRss = Math.max(mostRss, process.memoryUsage.rss())
  if (mostRss < mostRssBytes) return
  say({ rss: mostRss, isOver: true })
  process.exit(1)
}, 20)

/** Takes one event, or one page, and never comes back for more. */
async function stall(nth: number): Promise<never> {
  const log = book.readLog({ follow: nth % 2 === 0 })
  if (hoards) for await (const event of log) hoard.push(event)
  for await (const _ of nth % 3 === 0 ? log.batches() : log) {
    begun.add(`iterator ${nth}`)
    await never.promise
  }
  return never.promise
}
const hoard: unknown[] = []

async function readAll(): Promise<number> {
  let events = 0
  for await (const batch of book.readLog().batches()) events += batch.length
  return events
}

const stalling = Array.from({ length: stalled - subscribed }, (_, nth) => stall(nth))
// What the quick ones are compared by is how they fare while the others stand still.
while (begun.size < stalled) await new Promise((resolve) => setTimeout(resolve, 5))
const startMs = performance.now()
const read = await Promise.all(Array.from({ length: quick }, readAll))
const seconds = (performance.now() - startMs) / 1_000
clearInterval(watch)
say({
  read,
  seconds,
  rss: Math.max(mostRss, process.memoryUsage.rss()),
  begun: begun.size,
  heap: process.memoryUsage().heapUsed,
})
void stalling
process.exit()
