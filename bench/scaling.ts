/**
 * Does a book stay as quick as it grows? Fills books of several sizes on one PostgreSQL, then measures them in turn:
 * appending, reading a stream, reading a page of the log, reading by tag, and appending under a condition on a tag.
 * In turn, so that what else the machine does meets all sizes alike; the medians of the rounds are reported.
 *
 * `node bench/scaling.ts [--sizes 100000,1000000,10000000] [--rounds 7] [--database postgres://…] [--json]`
 *
 * Reserve huge pages for a quarter of the memory first (`vm.nr_hugepages`), or reading measures how quickly the machine maps
 * small ones. Without `--database` a server of its own is started and removed at the end: 10,000,000 events take about 9 GB. With
 * it the books stay in that database, in schemas of their own, and a run that was interrupted goes on filling where it
 * ended.
 */
import { totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { startServer } from '@daybook/postgres-server'
import { type Book, openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { median } from './measuring.ts'
import { settings } from './postgres/servers.ts'
import { blockEvents, grow } from './scaling/growing.ts'
import { type Measure, measures } from './scaling/measures.ts'
import { check, queryServer } from './self-check.ts'

/** A figure of one size: `append p50 ms`, with its value in each round. */
type Found = Map<string, number[]>

interface Grown {
  readonly events: number
  readonly book: Book
  readonly found: Found
}

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100000,1000000,10000000' },
    rounds: { type: 'string', default: '7' },
    database: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const sizes = values.sizes.split(',').map(Number)
check(
  sizes.every((size, index) => size % blockEvents === 0 && size > (sizes[index - 1] ?? 0)),
  `sizes must be rising multiples of ${blockEvents}`,
)

// A quarter of the memory, as the manual of PostgreSQL advises: what is asked here is how a log grows, not a cache.
const quarter = `${Math.floor(totalmem() / 4 / 1_048_576)}MB`
const server =
  values.database === undefined
    ? await startServer({ settings: { ...settings, shared_buffers: quarter } })
    : undefined
const address = values.database ?? server?.url() ?? ''
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void Promise.resolve(server?.dispose()).finally(() => process.exit(130)))
}
try {
  const grown: Grown[] = []
  for (const events of sizes) {
    const book = await openBook({ store: postgres(address, { migrate: true, schema: `events_${events}` }) })
    await grow(book, events)
    grown.push({ events, book, found: new Map() })
  }
  // What is measured is a log on any day, not the writing back of what was just poured in.
  await queryServer(address, 'VACUUM (ANALYZE)')
  await queryServer(address, 'CHECKPOINT')
  for (let round = 0; round <= Number(values.rounds); round++) {
    // One round does not count: it fills the caches.
    for (const each of measures) {
      for (const one of grown) await measure(each, one, round > 0)
    }
  }
  for (const { book } of grown) await book.close()
  report(grown)
} finally {
  await server?.dispose()
}

async function measure(
  { name, run }: Measure,
  { events, book, found }: Grown,
  isCounted: boolean,
): Promise<void> {
  for (const [part, value] of Object.entries(await run(book, events))) {
    const key = `${name}, ${part}`
    if (isCounted) found.set(key, [...(found.get(key) ?? []), value])
  }
}

/** A row for each figure, a column for each size, and how many times worse the worst size is than the first. */
function report(grown: readonly Grown[]): void {
  const heading = ['', ...grown.map(({ events }) => `${events.toLocaleString('en')} events`), 'worst']
  if (!values.json) console.log(heading.join(' | '))
  for (const name of grown[0]?.found.keys() ?? []) {
    const found = grown.map((each) => Number(median(each.found.get(name) ?? []).toPrecision(3)))
    const [first = Number.NaN] = found
    const worst = Math.max(...found.map((value) => (name.endsWith('/s') ? first / value : value / first)))
    const line = [name, ...found.map((value) => value.toLocaleString('en')), `${worst.toFixed(2)}×`].join(
      ' | ',
    )
    console.log(values.json ? JSON.stringify({ name, events: sizes, values: found, worst }) : line)
  }
}
