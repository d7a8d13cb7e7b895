import assert from 'node:assert/strict'
import type { StreamSlice } from '../../core/ports/store.ts'
import type { EventRow } from '../../core/row-hash.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, noBound, range } from './context.ts'

/** Twelve events: types Even and Odd by their version, another stream between them. */
async function twelve(book: ConformanceContext): Promise<void> {
  for (const version of range(1, 12)) {
    await book.add('a-1', event(version % 2 === 0 ? 'Even' : 'Odd', { version }))
    await book.add('b-1', event('Even'))
  }
}

/** All versions of a slice, page after page: each page must bring rows or be the end. */
async function versionsThrough(
  book: ConformanceContext,
  stream: string,
  slice: Partial<StreamSlice>,
): Promise<readonly number[]> {
  const rows: EventRow[] = []
  let fromVersion = slice.fromVersion ?? 1
  let toVersion = slice.toVersion ?? noBound
  for (;;) {
    const page = await book.readStream(stream, { ...slice, fromVersion, toVersion })
    assert.ok(page.rows.length <= (slice.limit ?? 1_000), `a page of ${page.rows.length} rows`)
    const isWithin = page.rows.every(({ version }) => version >= fromVersion && version <= toVersion)
    assert.ok(isWithin, `a page with versions outside of ${fromVersion} to ${toVersion}`)
    rows.push(...page.rows)
    if (page.isEnd) return rows.map((row) => row.version)
    const last = page.rows.at(-1)
    assert.ok(last, 'a page without rows that is not the end')
    if (slice.direction === 'backwards') toVersion = last.version - 1
    else fromVersion = last.version + 1
  }
}

type Expected = readonly (readonly [Partial<StreamSlice>, readonly number[]])[]

const backwards = 'backwards'
const slices: Expected = [
  [{}, range(1, 12)],
  [{ direction: backwards }, range(1, 12).toReversed()],
  [{ fromVersion: 5 }, range(5, 12)],
  [{ toVersion: 5 }, range(1, 5)],
  [{ fromVersion: 3, toVersion: 7 }, range(3, 7)],
  [{ fromVersion: 3, toVersion: 7, direction: backwards }, [7, 6, 5, 4, 3]],
  [{ fromVersion: 7, toVersion: 7 }, [7]],
  [{ fromVersion: 8, toVersion: 7 }, []],
  [{ fromVersion: 12 }, [12]],
  [{ fromVersion: 13 }, []],
  [{ fromVersion: 11, toVersion: 99, direction: backwards }, [12, 11]],
  [{ types: ['Even'] }, [2, 4, 6, 8, 10, 12]],
  [{ types: ['Even'], direction: backwards }, [12, 10, 8, 6, 4, 2]],
  [{ types: ['Even'], fromVersion: 4, toVersion: 9 }, [4, 6, 8]],
  [{ types: ['Odd', 'Even'] }, range(1, 12)],
  [{ types: ['Unknown'] }, []],
  [{ types: ['even'] }, []],
]

const names: readonly ConformanceCase[] = [
  {
    name: 'a stream name is no pattern and no prefix',
    run: async (book) => {
      const streams = [
        'a-1',
        'a-10',
        'a-%',
        'a-_',
        'a-*',
        'a-?',
        'a-[1]',
        'A-1',
        "a-'",
        'a-"',
        'a-\\',
        'a--1',
      ]
      for (const stream of streams) await book.add(stream, event('Named', { stream }))
      for (const stream of streams) {
        const { rows } = await book.readStream(stream)
        assert.deepEqual(
          rows.map((row) => [row.stream, row.version, row.data]),
          [[stream, 1, JSON.stringify({ stream })]],
        )
      }
      assert.deepEqual((await book.readStream('a-2')).rows, [])
    },
  },
  {
    name: 'names may be any Unicode of up to 255 bytes, and compare by bytes',
    run: async (book) => {
      const streams = ['ž-\u00e9', 'ž-e\u0301', '🦉-1', 'a-\u2028', 'a-ß', 'a-ss', `a-${'x'.repeat(253)}`]
      for (const stream of streams) await book.add(stream, event(stream, {}, stream))
      for (const [index, stream] of streams.entries()) {
        const { rows } = await book.readStream(stream, { types: [stream] })
        assert.deepEqual(
          rows.map((row) => [row.position, row.stream, row.type, row.tags]),
          [[index + 1, stream, stream, JSON.stringify([stream])]],
        )
        const tagged = await book.readThrough({ items: [{ tags: [stream] }] })
        assert.deepEqual(
          tagged.map((row) => row.stream),
          [stream],
        )
      }
    },
  },
]

/** Reading one stream. */
export const readingStreams: ConformanceGroup = {
  name: 'reading a stream',
  cases: [
    {
      name: 'slices of a stream by direction, versions and types',
      run: async (book) => {
        await twelve(book)
        for (const [slice, expected] of slices) {
          const versions = await versionsThrough(book, 'a-1', slice)
          assert.deepEqual(versions, expected, JSON.stringify(slice))
        }
      },
    },
    {
      name: 'slices of a stream in pages of every size',
      run: async (book) => {
        await twelve(book)
        for (const [slice, expected] of slices) {
          for (const limit of [1, 2, 3, 6, 11, 12, 13]) {
            const versions = await versionsThrough(book, 'a-1', { ...slice, limit })
            assert.deepEqual(versions, expected, JSON.stringify({ ...slice, limit }))
          }
        }
      },
    },
    {
      name: 'a limited page begins at the end that its direction begins at',
      run: async (book) => {
        await twelve(book)
        const first = await book.readStream('a-1', { limit: 2 })
        const last = await book.readStream('a-1', { limit: 2, direction: backwards })
        assert.deepEqual(
          [first, last].map(({ rows }) => rows.map((row) => row.version)),
          [
            [1, 2],
            [12, 11],
          ],
        )
        assert.deepEqual([first.isEnd, last.isEnd], [false, false])
      },
    },
    {
      name: 'isEnd says whether anything is left of the slice',
      run: async (book) => {
        await twelve(book)
        assert.equal((await book.readStream('a-1', { limit: 11 })).isEnd, false)
        assert.equal((await book.readStream('a-1', { limit: 13 })).isEnd, true)
        assert.equal((await book.readStream('a-1', { types: ['Even'], limit: 5 })).isEnd, false)
        assert.equal((await book.readStream('a-1', { types: ['Even'], limit: 7 })).isEnd, true)
        assert.equal((await book.readStream('a-1', { fromVersion: 13 })).isEnd, true)
        assert.equal((await book.readStream('a-1', { toVersion: 3, limit: 4 })).isEnd, true)
      },
    },
    {
      name: 'a stream that does not exist is empty',
      run: async (book) => {
        for (const direction of ['forwards', 'backwards'] as const) {
          assert.deepEqual(await book.readStream('a-1', { direction }), { rows: [], isEnd: true })
        }
      },
    },
    {
      name: 'a stream of 1,203 events is read whole, both ways',
      run: async (book) => {
        for (const count of [500, 500, 203]) {
          await book.add('a-1', ...range(1, count).map(() => event()))
        }
        for (const limit of [499, 500, 501, 1_000, 1_203, 5_000]) {
          assert.deepEqual(await versionsThrough(book, 'a-1', { limit }), range(1, 1_203))
          const back = await versionsThrough(book, 'a-1', { limit, direction: backwards })
          assert.deepEqual(back, range(1, 1_203).toReversed())
        }
      },
    },
    ...names,
  ],
}
