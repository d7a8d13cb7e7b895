import assert from 'node:assert/strict'
import type { BriefPage, LogSlice, ParsedLogPage, StreamSlice } from '../../core/ports/store.ts'
import { dataOf, RowReader } from '../../core/recorded-event.ts'
import type { BriefRow, EventRow } from '../../core/row-hash.ts'
import { texts } from './bytes.ts'
import type { ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, noBound, range, rawRequest } from './context.ts'
import { queries, sixty } from './reading-log.ts'

const tags = ['z', 'ž', '🦉', "it's", '"', '%', '\\', ' a']

/** Pages of any size: with texts that another way of printing JSON would change, with names to escape, and with large events. */
async function allSorts(book: ConformanceContext): Promise<void> {
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
  await book.add('many-1', ...range(1, 12).map(() => event('Large', { text: 'x'.repeat(600_000) })))
}

const slices: readonly Partial<LogSlice>[] = [
  undefined,
  ...queries,
  [{ types: ['Large'] }],
  [{ categories: ['many'] }],
].flatMap((items) => [
  ...[1, 7, 59, 250, 5_000].map((limit) => ({ items, limit })),
  { items, afterPosition: 20, toPosition: 30 },
  { items, afterPosition: 50, toPosition: 300 },
])

/** All rows of a slice, in another form of page; undefined where the store does not have it. */
async function through<Page extends BriefPage>(
  read: (slice: LogSlice) => Promise<Page> | undefined,
  given: Partial<LogSlice>,
): Promise<readonly Page['rows'][number][] | undefined> {
  const rows: Page['rows'][number][] = []
  for (let afterPosition = given.afterPosition ?? 0; ; ) {
    const slice = { items: undefined, toPosition: noBound, limit: 1_000, ...given, afterPosition }
    const page = await read(slice)
    if (page === undefined) return undefined
    assert.ok(page.rows.length <= slice.limit, `a page of ${page.rows.length} rows`)
    rows.push(...page.rows)
    if (page.scannedTo >= Math.min(slice.toPosition, page.head)) return rows
    assert.ok(page.scannedTo > afterPosition, `scannedTo stays at ${afterPosition}`)
    afterPosition = page.scannedTo
  }
}

function withoutRest({ id: _id, metadata: _metadata, tags: _tags, ...row }: EventRow): BriefRow {
  return { ...row, data: dataOf(row) as object }
}

/** Pages that leave something out, or come parsed, hold what pages of whole rows hold. */
export const pageForms: ConformanceGroup = {
  name: 'forms of pages',
  cases: [
    {
      name: 'a brief page is the page without ids, metadata and tags, where the store has brief pages',
      run: async (book) => {
        await allSorts(book)
        for (const slice of slices) {
          const rows = await through<BriefPage>((each) => book.log.readBriefly?.(each), slice)
          if (rows === undefined) return
          const wanted = (await book.readThrough(slice)).map(withoutRest)
          assert.deepEqual(
            rows.map((row) => ({ ...row, data: dataOf(row) })),
            wanted,
            JSON.stringify(slice),
          )
        }
      },
    },
    {
      name: 'a parsed page of the log has the same events, where the store has parsed pages',
      run: async (book) => {
        await allSorts(book)
        const reader = new RowReader()
        for (const slice of slices) {
          const rows = await through<ParsedLogPage>((each) => book.log.readLogParsed?.(each), slice)
          if (rows === undefined) return
          const wanted = reader.events(await book.readThrough(slice))
          assert.deepEqual(reader.events(rows), wanted, JSON.stringify(slice))
        }
      },
    },
    {
      name: 'a parsed page of a stream has the same events, where the store has parsed pages',
      run: async (book) => {
        await allSorts(book)
        const reader = new RowReader()
        for (const stream of ['many-1', '"odd\\\n🦉"-1', 'none-1']) {
          for (const slice of streamSlices) {
            const whole = {
              direction: 'forwards',
              fromVersion: 1,
              toVersion: noBound,
              types: undefined,
            } as const
            const parsed = await book.log.readStreamParsed?.({ stream, ...whole, limit: 1_000, ...slice })
            if (parsed === undefined) return
            const { rows, isEnd } = await book.readStream(stream, slice)
            const what = JSON.stringify({ stream, slice })
            // Where a page ends may differ with what it holds in bytes.
            const shorter = Math.min(rows.length, parsed.rows.length)
            assert.ok(shorter > 0 || rows.length === parsed.rows.length, what)
            const [events, wanted] = [parsed.rows, rows].map((all) => reader.events(all.slice(0, shorter)))
            assert.deepEqual(events, wanted, what)
            if (parsed.rows.length === rows.length) assert.equal(parsed.isEnd, isEnd, what)
          }
        }
      },
    },
  ],
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
