import assert from 'node:assert/strict'
import type { RecordedEvent } from '../../core/event.ts'
import type { LogSlice, StreamSlice } from '../../core/ports/store.ts'
import { dataOf, RowReader } from '../../core/recorded-event.ts'
import type { BriefRow, EventRow, ParsedRow } from '../../core/row-hash.ts'
import { texts } from './bytes.ts'
import type { ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, range, rawRequest, rowsThrough, wholeStream } from './context.ts'
import { queries, sixty } from './reading-log.ts'

const tags = ['z', 'ž', '🦉', "it's", '"', '%', '\\', ' a']

/**
 * Compares pages of a log twice: of small events, with texts that another way of printing JSON would change and names to
 * escape, of which a store may make other pages; and with large events among them.
 */
async function compareTwice(
  book: ConformanceContext,
  compare: (slices: readonly Partial<LogSlice>[]) => Promise<void>,
): Promise<void> {
  await sixty(book)
  const odd = range(0, 399).map((n) => {
    const [data, metadata] = [texts[n % texts.length], texts[(n + 3) % texts.length]] as [string, string]
    const carried = tags.filter((_, bit) => (n >> bit) % 2 === 1).sort()
    const stream = n % 7 === 0 ? `"odd\\\n🦉"-1` : 'many-1'
    return {
      id: book.host.newId(),
      stream,
      type: `"T\t${n % 3}'`,
      schemaVersion: n + 1,
      data,
      metadata,
      tags: carried,
    }
  })
  await book.accept(rawRequest(...odd))
  await compare(slices)
  await book.add('many-1', ...range(1, 12).map(() => event('Large', { text: 'x'.repeat(600_000) })))
  await compare(slicesOfLarge)
}

const slices: readonly Partial<LogSlice>[] = [undefined, ...queries, [{ categories: ['many'] }]].flatMap(
  (items) => [
    ...[1, 7, 59, 250, 5_000].map((limit) => ({ items, limit })),
    { items, afterPosition: 20, toPosition: 30 },
    { items, afterPosition: 50, toPosition: 300 },
  ],
)

function withoutRest({ id: _id, metadata: _metadata, tags: _tags, ...row }: EventRow): BriefRow {
  return { ...row, data: dataOf(row) as object }
}

const slicesOfLarge: readonly Partial<LogSlice>[] = [
  { limit: 250 },
  { items: [{ types: ['Large'] }], limit: 7 },
  { items: [{ types: ['Large'] }, { tags: ['red'] }], limit: 5_000 },
]

/** Pages that leave something out, or come parsed, hold what pages of whole rows hold. */
export const pageForms: ConformanceGroup = {
  name: 'forms of pages',
  cases: [
    {
      name: 'a brief page is the page without ids, metadata and tags, where the store has brief pages',
      run: async (book) => {
        const readBriefly = book.log.readBriefly?.bind(book.log)
        if (readBriefly === undefined) return
        await compareTwice(book, async (slices) => {
          for (const slice of slices) {
            const rows: readonly BriefRow[] = await rowsThrough(readBriefly, slice)
            const found = rows.map((row) => ({ ...row, data: dataOf(row) }))
            const wanted = (await book.readThrough(slice)).map(withoutRest)
            assert.deepEqual(found, wanted, JSON.stringify(slice))
          }
        })
      },
    },
    {
      name: 'a parsed page of the log has the same events, where the store has parsed pages',
      run: async (book) => {
        const readLogParsed = book.log.readLogParsed?.bind(book.log)
        if (readLogParsed === undefined) return
        await compareTwice(book, async (slices) => {
          for (const slice of slices) {
            const rows: readonly ParsedRow[] = await rowsThrough(readLogParsed, slice)
            assert.deepEqual(eventsOf(rows), eventsOf(await book.readThrough(slice)), JSON.stringify(slice))
          }
        })
      },
    },
    {
      name: 'a parsed page of a stream has the same events, where the store has parsed pages',
      run: async (book) => {
        const readStreamParsed = book.log.readStreamParsed?.bind(book.log)
        if (readStreamParsed === undefined) return
        await compareTwice(book, async () => {
          for (const stream of ['many-1', '"odd\\\n🦉"-1', 'none-1']) {
            for (const slice of streamSlices) {
              const { rows, isEnd } = await readStreamParsed({ stream, ...wholeStream, ...slice })
              const wanted = await book.readStream(stream, slice)
              const what = JSON.stringify({ stream, slice })
              // Where a page ends may differ with what it holds in bytes.
              const shorter = Math.min(rows.length, wanted.rows.length)
              assert.ok(shorter > 0 || rows.length === wanted.rows.length, what)
              const upTo = (all: readonly ParsedRow[]) => eventsOf(all.slice(0, shorter))
              assert.deepEqual(upTo(rows), upTo(wanted.rows), what)
              // Nor need the last page be told as such, when it is large; one that is told must be it.
              assert.ok(!isEnd || rows.length >= wanted.rows.length, what)
              assert.ok(!wanted.isEnd || isEnd || rows.length < wanted.rows.length, what)
            }
          }
        })
      },
    },
  ],
}

function eventsOf(rows: readonly ParsedRow[]): readonly RecordedEvent[] {
  return new RowReader().events(rows)
}

const streamSlices: readonly Partial<StreamSlice>[] = [
  {},
  { limit: 7 },
  { limit: 150 },
  { limit: 343 },
  { fromVersion: 20, toVersion: 300 },
  { fromVersion: 20, toVersion: 300, types: [`"T\t1'`] },
  { toVersion: 300, direction: 'backwards' },
  { direction: 'backwards', limit: 200 },
  { fromVersion: 2_000 },
]
