import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Book, decider, defineEvents, openBook, projection } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Counted: z.object({ n: z.int() }), Noted: z.object({}) })

const counter = decider('counter', {
  events,
  initialState: { n: 0 },
  evolve: { Counted: (_state, { n }) => ({ n }), Noted: (state) => state },
  commands: { count: (_state, input: { n: number }) => events.Counted(input) },
})

const counts = projection('counts', {
  from: events,
  key: ({ streamId }) => streamId,
  initial: { n: 0 },
  evolve: { Counted: (_document, { n }) => ({ n }) },
})

/** `counter-1` with 1,200 events, more than two pages; every third is a note. */
async function long(): Promise<Book> {
  const book = await openBook({ store: memory() })
  for (let from = 1; from <= 1_200; from += 400) {
    const batch = Array.from({ length: 400 }, (_, index) => from + index)
    await book.append(
      'counter-1',
      batch.map((n) => (n % 3 === 0 ? events.Noted({}) : events.Counted({ n }))),
    )
  }
  return book
}

test('a stream is read in both directions, by range, type and limit, over any number of pages', async () => {
  await using book = await long()
  const versions = async (options: Parameters<Book['readStream']>[1]): Promise<number[]> =>
    (await book.readStream('counter-1', options).toArray()).map(({ version }) => version)
  const all = Array.from({ length: 1_200 }, (_, index) => index + 1)
  assert.deepEqual(await versions({}), all)
  assert.deepEqual(await versions({ direction: 'backwards' }), all.toReversed())
  assert.deepEqual(await versions({ fromVersion: 499, toVersion: 502 }), [499, 500, 501, 502])
  assert.deepEqual(await versions({ direction: 'backwards', toVersion: 3 }), [3, 2, 1])
  assert.deepEqual(await versions({ types: ['Noted'], limit: 3 }), [3, 6, 9])
  assert.equal((await versions({ types: ['Noted'] })).length, 400)
  assert.equal((await versions({ limit: 700 })).length, 700)
  assert.deepEqual(await versions({ limit: 0 }), [])
  assert.deepEqual(await versions({ fromVersion: 5, toVersion: 4 }), [])
  assert.deepEqual(await book.readStream('counter-2').toArray(), [])
})

test('the log is read after a position, up to one, by query and in batches', async () => {
  await using book = await long()
  const positions = async (options: Parameters<Book['readLog']>[0]): Promise<number[]> =>
    (await book.readLog(options).toArray()).map(({ position }) => position)
  assert.deepEqual(await positions({ afterPosition: 1_198 }), [1_199, 1_200])
  assert.deepEqual(await positions({ afterPosition: 600, toPosition: 602 }), [601, 602])
  assert.deepEqual(await positions({ query: { types: ['Noted'] }, afterPosition: 1_195 }), [1_197, 1_200])
  assert.deepEqual(await positions({ query: { types: ['Unknown'] } }), [])
  assert.equal((await positions({ limit: 501 })).length, 501)
  let read = 0
  for await (const batch of book.readLog().batches()) {
    assert.ok(batch.length <= 1_000)
    read += batch.length
  }
  assert.equal(read, 1_200)
})

test('a reader that follows gets what is appended later, each once, and ends by its signal', async () => {
  await using book = await openBook({ store: memory() })
  const stop = new AbortController()
  const seen: number[] = []
  const reading = (async () => {
    for await (const { position } of book.readLog({ follow: true, signal: stop.signal })) {
      seen.push(position)
      if (seen.length < 50) await book.append('counter-1', events.Noted({}))
      else stop.abort()
    }
  })()
  await book.append('counter-1', events.Noted({}))
  await reading
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, index) => index + 1),
  )
})

test('a reader that does not follow is interrupted by its signal', async () => {
  await using book = await long()
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(book.readLog({ signal }).toArray(), /enough/)
  await assert.rejects(book.readStream('counter-1', { signal }).toArray(), /enough/)
})

test('arguments out of bounds are refused at once', async () => {
  await using book = await openBook({ store: memory() })
  assert.throws(() => book.readStream('counter'), { code: 'ILLEGAL_NAME' })
  assert.throws(() => book.readStream('counter-1', { fromVersion: 0 }), { code: 'ILLEGAL_ARGUMENT' })
  assert.throws(() => book.readStream('counter-1', { limit: -1 }), { code: 'ILLEGAL_ARGUMENT' })
  assert.throws(() => book.readStream('counter-1', JSON.parse('{"direction":"up"}')), {
    code: 'ILLEGAL_ARGUMENT',
  })
  assert.throws(() => book.readLog({ afterPosition: -1 }), { code: 'ILLEGAL_ARGUMENT' })
  assert.throws(() => book.readLog({ query: [] }), { code: 'ILLEGAL_QUERY' })
})

test('after closing every use is refused, and closing again is harmless', async () => {
  const book = await openBook({ store: memory(), deciders: [counter], projections: [counts] })
  await Promise.all([book.close(), book.close()])
  const closed = { code: 'BOOK_CLOSED' }
  await assert.rejects(book.append('counter-1', events.Noted({})), closed)
  await assert.rejects(book.execute(counter.count('1', { n: 1 })), closed)
  await assert.rejects(book.head(), closed)
  await assert.rejects(book.load(counter, '1'), closed)
  for (const use of [
    () => book.readLog(),
    () => book.readStream('counter-1'),
    () => book.read(counts),
    () => book.status(),
    () => book.inspect(),
    () => book.identity,
  ]) {
    assert.throws(use, closed)
  }
  await book.close()
})

test('what was under way when the book is closed is finished first', async () => {
  const store = memory()
  const book = await openBook({ store, deciders: [counter] })
  const work = [
    ...Array.from({ length: 20 }, (_, n) => book.execute(counter.count(`${n % 3}`, { n }))),
    ...Array.from({ length: 20 }, () => book.append('other-1', events.Noted({}))),
  ]
  await book.close()
  assert.equal((await Promise.all(work)).length, 40)
  await using reopened = await openBook({ store })
  assert.equal(await reopened.head(), 40)
})

test('what the book was not opened with is refused by name', async () => {
  await using book = await openBook({ store: memory() })
  await assert.rejects(book.execute(counter.count('1', { n: 1 })), { code: 'NOT_REGISTERED' })
  await assert.rejects(book.load(counter, '1'), { code: 'NOT_REGISTERED' })
  assert.throws(() => book.read(counts), { code: 'NOT_REGISTERED' })
  await assert.rejects(openBook({ store: memory(), deciders: [counter, counter] }), {
    code: 'DEFINITION_INVALID',
  })
})
