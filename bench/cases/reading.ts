import { type Book, openBook } from 'daybook'
import type { BankLog } from '../bank-log.ts'
import { arrays, openBare } from '../bare-log.ts'
import { type Benchmark, everyStore, type Setting, type StoreName } from '../benchmark.ts'
import { figure, perSecond, type Side, sideBySide } from '../measuring.ts'
import { copyFromServer, rowsFromServer } from '../postgres/raw-reading.ts'
import { check } from '../self-check.ts'

/** The whole log, event by event, each with data and metadata parsed. */
export const logRead: Benchmark = {
  name: 'log-read',
  stores: everyStore,
  run: (setting) =>
    reading('log-read', setting, async (book) => {
      let [events, cents] = [0, 0]
      for await (const event of book.readLog()) {
        events++
        cents += centsOf(event)
      }
      return { events, cents }
    }),
}

/** The same, a page at a time. */
export const logReadByBatches: Benchmark = {
  name: 'log-read-batches',
  stores: everyStore,
  run: (setting) => reading('log-read-batches', setting, byBatches),
}

/** The same, against a binary COPY of the log, of which only data and metadata are looked at: the raw limit. */
export const logReadVersusCopy: Benchmark = {
  name: 'log-read-vs-copy',
  stores: ['postgres'],
  run: (setting) => reading('log-read-vs-copy', setting, byBatches, copyFromServer),
}

async function byBatches(book: Book): Promise<Sum> {
  let [events, cents] = [0, 0]
  for await (const batch of book.readLog().batches()) {
    for (const event of batch) {
      events++
      cents += centsOf(event)
    }
  }
  return { events, cents }
}

/** What reading the log found: read by product and baseline, it must be the same. */
export interface Sum {
  readonly events: number
  readonly cents: number
}

async function reading(
  name: string,
  setting: Setting,
  read: (book: Book) => Promise<Sum>,
  readBare = bareReads[setting.store],
) {
  const log = await setting.bankLogs.of(setting.store)
  const book = await openBook({ store: log.store })
  const sums = new Set<number>()
  const product: Side = () =>
    perSecond(log.events, async () => {
      const { events, cents } = await read(book)
      check(events === log.events, `${events} events were read, not ${log.events}`)
      sums.add(cents)
    })
  const bare = readBare && bareReading(log, readBare, sums)
  const measured = await sideBySide(setting.rounds, product, bare)
  await book.close()
  check(sums.size === 1, 'product and baseline read different amounts')
  return [figure(name, setting, 'events/s', measured)]
}

/** Reads the log at an address by hand. */
type BareRead = (address: string) => Promise<Sum>

const bareReads: { readonly [store in StoreName]?: BareRead } = {
  sqlite: rowsFromFile,
  postgres: rowsFromServer,
}

function bareReading(log: BankLog, read: BareRead, sums: Set<number>): Side {
  return () =>
    perSecond(log.events, async () => {
      const { events, cents } = await read(log.address)
      check(events === log.events, `the baseline read ${events} events, not ${log.events}`)
      sums.add(cents)
    })
}

type BareCells = readonly [number, string, string]

/** Pages of 500 rows as arrays, which is the fastest way to read them, data and metadata parsed. */
async function rowsFromFile(path: string): Promise<Sum> {
  const database = openBare(path)
  const page = arrays(
    database,
    `SELECT position, data, metadata, stream, version, type, schema_version, id, tags, recorded_at_ms
     FROM event WHERE position > ? ORDER BY position LIMIT 500`,
  )
  let [events, cents, after] = [0, 0, 0]
  for (;;) {
    const rows = page.all(after) as unknown[] as BareCells[]
    for (const [position, data, metadata] of rows) {
      cents += centsOf({ data: JSON.parse(data), metadata: JSON.parse(metadata) })
      after = position
    }
    events += rows.length
    if (rows.length < 500) break
  }
  database.close()
  return { events, cents }
}

/** What a movement moves; 0 for what moves nothing. */
export function centsOf(event: { readonly data: unknown; readonly metadata: unknown }): number {
  return event.metadata === undefined ? 0 : ((event.data as { readonly cents?: number }).cents ?? 0)
}
