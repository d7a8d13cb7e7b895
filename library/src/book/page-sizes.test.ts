import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventRow } from '../core/row-hash.ts'
import { memory } from '../memory/index.ts'
import { openBook } from './open-book.ts'
import { PageSizes } from './page-sizes.ts'

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

test('pages of one reader grow, and are no larger than what is left', () => {
  using size = new PageSizes().begin()
  const sizes = [1, 2, 3, 4, 5].map(() => size.next(everything))
  assert.deepEqual(sizes, [125, 250, 500, 1_000, 1_000])
  assert.equal(size.next(7), 7)
})

test('two hundred readers that stop at their first page do not hold more than they share', () => {
  const sizes = new PageSizes()
  const eventBytes = 40_000
  let held = 0
  const readers = Array.from({ length: 200 }, () => {
    const size = sizes.begin()
    held += size.next(everything) * eventBytes
    size.note(rowsOf(1, eventBytes))
    // The next page, which is read ahead.
    held += size.next(everything) * eventBytes
    return size
  })
  assert.ok(held < 400_000_000, `${held} bytes`)
  for (const size of readers) size[Symbol.dispose]()
  using alone = sizes.begin()
  alone.note(rowsOf(10, eventBytes))
  assert.equal(alone.next(everything), 125)
  assert.equal(alone.next(everything), 250)
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
