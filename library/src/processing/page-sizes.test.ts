import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { EventRow } from '../core/row-hash.ts'
import { defineEvents, openBook, type Store, subscription } from '../index.ts'
import { memory } from '../memory/index.ts'
import { type PageSize, PageSizes } from './page-sizes.ts'

const everything = Number.MAX_SAFE_INTEGER

function rowsOf(count: number, bytes: number): EventRow[] {
  const row = {
    position: 1,
    stream: 'note-1',
    version: 1,
    type: 'Noted',
    schemaVersion: 1,
    id: 'id',
    data: 'x'.repeat(bytes),
    metadata: '',
    tags: '[]',
    recordedAtMs: 0,
  }
  return Array.from({ length: count }, () => row)
}

/** The sizes of so many pages, one after the other. */
function pagesOf(size: PageSize, pages: number, eventBytes: number): number[] {
  return Array.from({ length: pages }, () => {
    const events = size.next(everything)
    size.note({ rows: rowsOf(events, eventBytes) })
    return events
  })
}

test('pages of one reader grow, and are no larger than what is left', () => {
  using size = new PageSizes().begin()
  assert.deepEqual(pagesOf(size, 6, 400), [8, 163, 327, 655, 1_000, 1_000])
  assert.equal(size.next(7), 7)
})

test('two hundred readers that stop at their first page hold little, and leave the rest to who goes on', () => {
  const sizes = new PageSizes()
  const eventBytes = 40_000
  // The first page, and the next one, which is read ahead.
  const readers = Array.from({ length: 200 }, () => {
    const size = sizes.begin()
    return { size, held: pagesOf(size, 2, eventBytes).reduce((sum, events) => sum + events, 0) * eventBytes }
  })
  const held = readers.reduce((sum, reader) => sum + reader.held, 0)
  assert.ok(held < 80_000_000, `${held} bytes`)
  for (const { size } of readers) size[Symbol.dispose]()
  using alone = sizes.begin()
  assert.deepEqual(pagesOf(alone, 9, eventBytes), [8, 1, 3, 6, 13, 26, 52, 104, 209])
})

test('who goes on among many that have stopped is given large pages, and less the more go on', () => {
  const sizes = new PageSizes()
  const stopped = Array.from({ length: 150 }, () => sizes.begin())
  for (const size of stopped) pagesOf(size, 2, 4_000)
  const quick = Array.from({ length: 4 }, () => sizes.begin())
  const last =
    Array.from({ length: 12 }, () => quick.map((size) => pagesOf(size, 1, 4_000)[0] ?? 0)).at(-1) ?? []
  assert.ok(Math.min(...last) >= 400, `pages of ${last.join(', ')} events`)
  assert.ok(last.reduce((sum, events) => sum + events, 0) * 4_000 * 2 <= 32 * 1_048_576)
})

test('who stops with large pages leaves no more than what is left, and nobody is left without', () => {
  const sizes = new PageSizes()
  const held = Array.from({ length: 100 }, () => {
    const pages = pagesOf(sizes.begin(), 12, 4_000)
    return ((pages.at(-1) ?? 0) + (pages.at(-2) ?? 0)) * 4_000
  })
  assert.ok(Math.min(...held) >= 8_000)
  assert.ok(held.reduce((sum, bytes) => sum + bytes, 0) < 56 * 1_048_576)
})

test('a page that comes after its reader has ended is held by nobody', () => {
  const sizes = new PageSizes()
  for (let reader = 0; reader < 100; reader++) {
    const size = sizes.begin()
    pagesOf(size, 4, 4_000)
    const events = size.next(everything)
    size[Symbol.dispose]()
    size.note({ rows: rowsOf(events, 4_000) })
  }
  using last = sizes.begin()
  assert.equal(pagesOf(last, 12, 4_000).at(-1), 1_000)
})

test('a reader that ends early makes room for others, and small pages skip nothing', async () => {
  await using book = await openBook({ store: memory() })
  const events = Array.from({ length: 700 }, (_, n) => ({ type: 'Noted', data: { n } }))
  await book.append('note-1', events)
  for (let reader = 0; reader < 50; reader++) for await (const _ of book.readLog()) break
  const read = await book.readLog().toArray()
  assert.deepEqual(
    read.map(({ position }) => position),
    events.map((_, index) => index + 1),
  )
})

test('subscriptions that stand still have been given little', async () => {
  const events = defineEvents({ Noted: z.object({ text: z.string() }) })
  const stuck = Promise.withResolvers<void>()
  const begun = Array.from({ length: 20 }, () => Promise.withResolvers<void>())
  const subscriptions = begun.map(({ resolve }, nth) =>
    subscription(`stalled-${nth}`, {
      from: events,
      run: () => {
        resolve()
        return stuck.promise
      },
    }),
  )
  const limits: number[] = []
  const base = memory()
  const store: Store = {
    name: base.name,
    open: async (host) => {
      const opened = await base.open(host)
      const readLog = opened.log.readLog.bind(opened.log)
      opened.log.readLog = (slice) => {
        limits.push(slice.limit)
        return readLog(slice)
      }
      return opened
    },
  }
  await using book = await openBook({ store, subscriptions })
  const text = 'x'.repeat(4_000)
  await book.append(
    'note-1',
    Array.from({ length: 500 }, () => events.Noted({ text })),
  )
  await Promise.all(begun.map(({ promise }) => promise))
  assert.ok(limits.length >= begun.length)
  assert.ok(Math.max(...limits) <= 20, `${Math.max(...limits)} events at once`)
  stuck.resolve()
})
