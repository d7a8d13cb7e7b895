/**
 * Does a book stay as quick as it grows? Fills one on PostgreSQL and measures it at each size: appending, reading a
 * stream, reading a page of the log, reading by tag, and appending under a condition on a tag.
 *
 * `node bench/scaling.ts [--sizes 100000,1000000,10000000] [--database postgres://…] [--json]`
 *
 * Without `--database` a server of its own is started and removed at the end: 10,000,000 events take about 9 GB. With
 * it the book stays in that database, and a run that was interrupted goes on filling where it ended.
 */
import { parseArgs } from 'node:util'
import { startServer } from '@daybook/postgres-server'
import { type Book, openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { settings } from './postgres/servers.ts'
import { blockEvents, type Grown, grow, measures } from './scaling/growing.ts'
import { check, queryServer } from './self-check.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100000,1000000,10000000' },
    database: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const sizes = values.sizes.split(',').map(Number)
check(
  sizes.every((size, index) => size % blockEvents === 0 && size > (sizes[index - 1] ?? 0)),
  `sizes must be rising multiples of ${blockEvents}`,
)

const server = values.database === undefined ? await startServer({ settings }) : undefined
const address = values.database ?? server?.url() ?? ''
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void Promise.resolve(server?.dispose()).finally(() => process.exit(130)))
}
try {
  const book = await openBook({ store: postgres(address, { migrate: true }) })
  const columns: Grown[] = []
  for (const size of sizes) {
    await grow(book, size)
    // What is measured is the log as it is on any day, not the writing back of what was just poured in.
    await queryServer(address, 'VACUUM (ANALYZE)')
    await queryServer(address, 'CHECKPOINT')
    columns.push(await measured(book, size))
  }
  await book.close()
  if (!values.json) print(columns)
} finally {
  await server?.dispose()
}

async function measured(book: Book, events: number): Promise<Grown> {
  const figures = new Map<string, number>()
  for (const { name, unit, measure } of measures) {
    for (const [part, value] of Object.entries(await measure(book, events))) {
      figures.set(`${name} ${part}`, value)
      if (values.json)
        console.log(JSON.stringify({ name, part, events, value: Number(value.toPrecision(3)), unit }))
    }
  }
  return { events, figures }
}

/** A row for each figure, a column for each size, and how much worse the worst size is than the first. */
function print(columns: readonly Grown[]): void {
  const names = [...(columns[0]?.figures.keys() ?? [])]
  console.log(
    ['', ...columns.map(({ events }) => `${events.toLocaleString('en')} events`), 'worst'].join(' | '),
  )
  for (const name of names) {
    const found = columns.map(({ figures }) => figures.get(name) ?? Number.NaN)
    const [first = Number.NaN] = found
    const isRate = name.includes('/s')
    const worst = Math.max(...found.map((value) => (isRate ? first / value : value / first)))
    const cells = found.map((value) => Number(value.toPrecision(3)).toLocaleString('en'))
    console.log([name, ...cells, `${worst.toFixed(2)}×`].join(' | '))
  }
}
