import assert from 'node:assert/strict'
import type { LogSlice } from '../../core/ports/store.ts'
import { matchesQuery, type QueryItem } from '../../core/query.ts'
import { seededRandom } from '../test-host.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, positions, range } from './context.ts'

const types = ['Opened', 'Moved', 'Closed']
const tags = ['red', 'green', 'blue']

/** Sixty events in batches of three whose stream, type and tags follow from their position. */
export async function sixty(book: ConformanceContext): Promise<void> {
  for (const start of range(0, 19)) {
    const requests = range(start * 3 + 1, start * 3 + 3).map((position) => {
      const carried = tags.filter((_, bit) => (position >> bit) % 2 === 1)
      const type = types[position % 3] ?? ''
      return book.request({ stream: `c${position % 4}-1`, events: [event(type, { position }, ...carried)] })
    })
    await book.log.append(requests)
  }
}

export const queries: readonly (readonly QueryItem[])[] = [
  [{ types: ['Opened'] }],
  [{ types: ['Opened', 'Closed'] }],
  [{ categories: ['c1'] }],
  [{ categories: ['c1', 'c3'], types: ['Moved'] }],
  [{ tags: ['red'] }],
  [{ tags: ['red', 'blue'] }],
  [{ tags: ['blue', 'green', 'red'] }],
  [{ tags: ['green'], types: ['Moved'], categories: ['c2'] }],
  [{ tags: ['red'] }, { tags: ['blue'] }],
  [{ types: ['Moved'] }, { tags: ['red', 'green'] }, { categories: ['c0'] }],
  [{ tags: ['blue'] }, { types: ['Unknown'] }],
]

/** Where the events of `sixty` stand that a query finds: by the rules of core, not by the store. */
function matching(items: readonly QueryItem[] | undefined, from = 1, to = 60): readonly number[] {
  return range(from, to).filter((position) => {
    if (items === undefined) return true
    const carried = tags.filter((_, bit) => (position >> bit) % 2 === 1)
    return matchesQuery(items, {
      stream: `c${position % 4}-1`,
      type: types[position % 3] ?? '',
      tags: carried,
    })
  })
}

const filters: readonly ConformanceCase[] = [
  {
    name: 'the log filtered by types, categories and tags: each event once, in order',
    run: async (book) => {
      await sixty(book)
      for (const items of queries) {
        const found = positions(await book.readThrough({ items }))
        assert.deepEqual(found, matching(items), JSON.stringify(items))
      }
    },
  },
  {
    name: 'the filtered log in pages of every size, resumed at scannedTo',
    run: async (book) => {
      await sixty(book)
      for (const items of queries) {
        for (const limit of [1, 2, 3, 5, 7, 59, 60, 61]) {
          const found = positions(await book.readThrough({ items, limit }))
          assert.deepEqual(found, matching(items), JSON.stringify({ items, limit }))
        }
      }
    },
  },
  {
    name: 'random slices of the log are what the rules of a query say',
    run: async (book) => {
      await sixty(book)
      const random = seededRandom(7)
      const upTo = (most: number): number => Math.floor(random() * (most + 1))
      for (const _ of range(1, 200)) {
        const items = random() < 0.2 ? undefined : queries[upTo(queries.length - 1)]
        const slice = { items, afterPosition: upTo(60), toPosition: upTo(65), limit: 1 + upTo(20) }
        const wanted = matching(items, slice.afterPosition + 1, Math.min(slice.toPosition, 60))
        assert.deepEqual(positions(await book.readThrough(slice)), wanted, JSON.stringify(slice))
      }
    },
  },
  {
    name: 'scannedTo moves to the end when nothing matches',
    run: async (book) => {
      await sixty(book)
      const nothing = [{ tags: ['none'] }]
      assert.deepEqual(await book.readLog({ items: nothing }), { rows: [], scannedTo: 60, head: 60 })
      const page = await book.readLog({ items: nothing, afterPosition: 20, toPosition: 30 })
      assert.deepEqual(page, { rows: [], scannedTo: 30, head: 60 })
      const late = await book.readLog({ items: [{ types: ['Opened'] }], afterPosition: 57 })
      assert.deepEqual([positions(late.rows), late.scannedTo], [[60], 60])
    },
  },
  {
    name: 'a tag that many events carry, and one that few carry, are found together',
    run: async (book) => {
      const events = range(1, 900).map((n) => event('Counted', {}, 'many', ...(n % 300 === 0 ? ['few'] : [])))
      await book.add('a-1', ...events)
      const both = await book.readThrough({ items: [{ tags: ['many', 'few'] }], limit: 2 })
      assert.deepEqual(positions(both), [300, 600, 900])
      const either = await book.readThrough({ items: [{ tags: ['few'] }, { tags: ['many'] }], limit: 100 })
      assert.deepEqual(positions(either), range(1, 900))
    },
  },
]

const bounds: readonly (readonly [Partial<LogSlice>, readonly number[]])[] = [
  [{}, range(1, 60)],
  [{ afterPosition: 10 }, range(11, 60)],
  [{ toPosition: 10 }, range(1, 10)],
  [{ afterPosition: 10, toPosition: 12 }, [11, 12]],
  [{ afterPosition: 11, toPosition: 12 }, [12]],
  [{ afterPosition: 12, toPosition: 12 }, []],
  [{ afterPosition: 12, toPosition: 5 }, []],
  [{ afterPosition: 59 }, [60]],
  [{ afterPosition: 60 }, []],
]

/** Reading the log as a whole and by query. */
export const readingLog: ConformanceGroup = {
  name: 'reading the log',
  cases: [
    {
      name: 'the log after a position, which is not included, up to one that is',
      run: async (book) => {
        await sixty(book)
        for (const [slice, expected] of bounds) {
          const page = await book.readLog(slice)
          assert.deepEqual(positions(page.rows), expected, JSON.stringify(slice))
          assert.equal(page.head, 60)
          const end = Math.min(slice.toPosition ?? 60, 60)
          assert.equal(page.scannedTo, Math.max(end, slice.afterPosition ?? 0), JSON.stringify(slice))
        }
      },
    },
    {
      name: 'a limited page is scanned to its last event, and no further',
      run: async (book) => {
        await sixty(book)
        for (const limit of [1, 7, 59]) {
          const page = await book.readLog({ limit })
          assert.deepEqual(positions(page.rows), range(1, limit))
          assert.deepEqual([page.scannedTo, page.head], [limit, 60])
        }
        const items = [{ types: ['Opened'] }]
        const page = await book.readLog({ items, limit: 2 })
        assert.deepEqual(positions(page.rows), [3, 6])
        assert.ok(page.scannedTo >= 6 && page.scannedTo < 9, `scanned to ${page.scannedTo}`)
      },
    },
    {
      name: '1,203 events are read whole around the boundaries of pages',
      run: async (book) => {
        for (const count of [500, 500, 203]) {
          await book.add('a-1', ...range(1, count).map((n) => event('Counted', {}, n % 2 ? 'odd' : 'even')))
        }
        const wanted = range(1, 1_203)
        for (const limit of [250, 499, 500, 501, 1_000, 1_203, 5_000]) {
          assert.deepEqual(positions(await book.readThrough({ limit })), wanted)
          const both = await book.readThrough({ limit, items: [{ tags: ['even'] }, { tags: ['odd'] }] })
          assert.deepEqual(positions(both), wanted)
        }
        const after = await book.readThrough({ afterPosition: 500, toPosition: 1_001 })
        assert.deepEqual(positions(after), range(501, 1_001))
      },
    },
    {
      name: 'large events are read whole, however many a page holds',
      run: async (book) => {
        const text = 'x'.repeat(900_000)
        for (const n of range(1, 6)) await book.add('a-1', event('Large', { n, text }, 'large'), event())
        const rows = await book.assertSound()
        assert.deepEqual(
          rows.map((row) => row.data.length),
          range(1, 12).map((n) => (n % 2 === 1 ? text.length + 17 : 2)),
        )
        const tagged = await book.readThrough({ items: [{ tags: ['large'] }, { types: ['Happened'] }] })
        assert.deepEqual(positions(tagged), range(1, 12))
        for (const direction of ['forwards', 'backwards'] as const) {
          const page = await book.readStream('a-1', { direction })
          const step = direction === 'forwards' ? range(1, 12) : range(1, 12).toReversed()
          assert.deepEqual(positions(page.rows), step.slice(0, page.rows.length))
          assert.equal(page.isEnd, page.rows.length === 12)
        }
      },
    },
    {
      name: 'what is appended while the log is read comes after what was read',
      run: async (book) => {
        await sixty(book)
        const first = await book.readLog({ limit: 50 })
        await book.add('late-1', event('Opened'))
        const rest = await book.readThrough({ afterPosition: first.scannedTo })
        assert.deepEqual(positions(rest), range(51, 61))
      },
    },
    {
      name: 'who follows the log while others append sees each event once, in order, by any filter',
      run: async (book) => {
        const writers = [await book.open(), await book.open()]
        const filters = [
          undefined,
          [{ tags: ['odd'] }, { tags: ['even'] }],
          [{ types: ['Counted'], categories: ['a'] }],
        ]
        // By small pages they fall behind; by large ones they are at the end all the time.
        const followers = filters.flatMap((items) => [7, 1_000].map((limit) => ({ items, limit })))
        const [seen] = await Promise.all([
          Promise.all(followers.map((slice) => followed(book, slice, 120))),
          ...writers.map(async ({ log }, writer) => {
            for (const n of range(1, 60)) {
              const events = [event('Counted', { n }, n % 2 === 0 ? 'even' : 'odd')]
              await book.accept(book.request({ stream: `a-${writer}`, events }), log)
            }
          }),
        ])
        for (const found of seen) assert.deepEqual(found, range(1, 120))
      },
    },
    ...filters,
  ],
}

/** The positions found page by page, each begun where the one before ended, while the log grows up to a position. */
async function followed(
  book: ConformanceContext,
  slice: Pick<LogSlice, 'items' | 'limit'>,
  lastPosition: number,
): Promise<readonly number[]> {
  const found: number[] = []
  let afterPosition = 0
  for (let pages = 0; afterPosition < lastPosition; pages++) {
    assert.ok(pages < 20_000, `scannedTo stays at ${afterPosition}`)
    const page = await book.readLog({ ...slice, afterPosition })
    found.push(...positions(page.rows))
    afterPosition = page.scannedTo
    await book.host.nextTurn()
  }
  return found
}
