import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Book, defineEvents, openBook, projection, type Store } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Deposited: z.object({ cents: z.int() }),
  Moved: z.object({ from: z.string(), to: z.string(), cents: z.int() }),
  Closed: z.object({}),
  Noted: z.object({ text: z.string() }),
})

const evolve = {
  Deposited: (document: { cents: number }, { cents }: { cents: number }) => ({
    cents: document.cents + cents,
  }),
  Closed: () => null,
}

/** Keyed by the stream's id: its streams are known. */
const byId = projection('by-id', {
  from: events,
  categories: ['account', 'loan'],
  key: (event) => event.streamId,
  initial: { cents: 0 },
  columns: { cents: 'integer' },
  evolve,
})
const byStream = projection('by-stream', {
  from: events,
  key: (event) => event.stream,
  initial: { cents: 0 },
  evolve,
})
/** As `by-id`, but nobody can tell from the key where its events are. */
const anywhere = projection('anywhere', {
  from: events,
  key: (event) => (event.type === 'Moved' ? [event.data.from, event.data.to] : event.streamId),
  initial: { cents: 0 },
  columns: { cents: 'integer' },
  evolve: {
    ...evolve,
    Moved: (document, { cents, from }, event) => ({
      cents: document.cents + (event.streamId === from ? -cents : cents),
    }),
  },
})

/** A store that notes what is read of its log. */
function watched(store: Store): { readonly store: Store; readonly reads: string[] } {
  const reads: string[] = []
  return {
    reads,
    store: {
      name: store.name,
      async open(host) {
        const opened = await store.open(host)
        const { log } = opened
        const readLog = log.readLog.bind(log)
        const readStream = log.readStream.bind(log)
        log.readLog = (slice) => {
          reads.push('log')
          return readLog(slice)
        }
        log.readStream = (slice) => {
          reads.push(slice.stream)
          return readStream(slice)
        }
        return opened
      },
    },
  }
}

const days = ['2026-01-01T12:00:00Z', '2026-01-02T12:00:00Z', '2026-01-03T12:00:00Z'] as const

/** Five events: on three days by when they were recorded, and one of the third day says it occurred on the first. */
async function filled(book: Book, setNow: (ms: number) => void): Promise<void> {
  setNow(Date.parse(days[0]))
  await book.append('account-1', events.Deposited({ cents: 5 }))
  await book.append('loan-1', events.Deposited({ cents: 100 }))
  setNow(Date.parse(days[1]))
  await book.append('account-2', events.Deposited({ cents: 7 }))
  await book.append('other-1', events.Deposited({ cents: 1_000 }))
  setNow(Date.parse(days[2]))
  await book.append('account-1', events.Deposited({ cents: 11 }), { metadata: { occurredAt: '2026-01-01' } })
  await book.append('account-2', events.Closed({}))
}

async function opened(work: (book: Book, reads: string[]) => Promise<void>): Promise<void> {
  const { store, reads } = watched(memory())
  let nowMs = 0
  const host = { now: () => nowMs }
  await using book = await openBook({ store, projections: [byId, byStream, anywhere], follow: false, host })
  await filled(book, (ms) => {
    nowMs = ms
  })
  reads.length = 0
  await work(book, reads)
}

test('as of a position: one document, several, how many, page by page', async () => {
  await opened(async (book) => {
    const model = book.read(byId)
    const got = await Promise.all([0, 1, 2, 4, 5, 99].map((asOf) => model.get('1', { asOf })))
    assert.deepEqual(
      got.map((document) => document?.cents),
      [undefined, 5, 105, 105, 116, 116],
    )
    assert.deepEqual(await model.find({ asOf: 3, orderBy: { cents: 'desc' } }), [
      { key: '1', document: { cents: 105 } },
      { key: '2', document: { cents: 7 } },
    ])
    assert.equal(await model.count({ asOf: 3, where: { cents: { gt: 7 } } }), 1)
    assert.deepEqual(await Promise.all([2, 5, 6].map((asOf) => model.count({ asOf }))), [1, 2, 1])
    const first = await model.page({ asOf: 5, limit: 1 })
    const second = await model.page({ asOf: 5, limit: 1, after: first.next })
    assert.deepEqual(
      [...first.items, ...second.items, second.next].map((found) =>
        typeof found === 'object' ? found.key : found,
      ),
      ['1', '2', undefined],
    )
    const all: string[] = []
    for await (const { key } of model.all({ asOf: 5, orderBy: { key: 'desc' } })) all.push(key)
    assert.deepEqual(all, ['2', '1'])
    assert.deepEqual((await book.read(byStream).get('account-1', { asOf: 5 }))?.cents, 16)
  })
})

test('as of a time: what had occurred by then, or what had been recorded', async () => {
  await opened(async (book) => {
    const at = async (
      asOf: string | Date,
      timeline?: 'business' | 'recorded',
    ): Promise<(number | undefined)[]> => {
      const options = { asOf, timeline }
      const one = await book.read(byId).get('1', options)
      const same = (await book.read(byId).find({ ...options, where: { key: '1' } }))[0]?.document
      assert.deepEqual(same, one)
      return [one?.cents, (await book.read(byId).get('2', options))?.cents]
    }
    assert.deepEqual(await at(days[0]), [116, undefined])
    assert.deepEqual(await at(days[0], 'recorded'), [105, undefined])
    assert.deepEqual(await at(new Date(days[1])), [116, 7])
    assert.deepEqual(await at(days[1], 'recorded'), [105, 7])
    assert.deepEqual(await at(days[2], 'recorded'), [116, undefined])
    assert.deepEqual(await at('2026-01-01'), [11, undefined])
    assert.deepEqual(await at('2025-12-31'), [undefined, undefined])
  })
})

test('one document is folded from its own streams alone, where the key says which', async () => {
  await opened(async (book, reads) => {
    await book.read(byId).get('1', { asOf: 5 })
    assert.deepEqual(new Set(reads), new Set(['account-1', 'loan-1']))
    reads.length = 0
    await book.read(byStream).get('account-2', { asOf: 5 })
    assert.deepEqual(reads, ['account-2'])
    reads.length = 0
    // No stream can have such a name.
    assert.equal(await book.read(byStream).get('no stream', { asOf: 5 }), undefined)
    assert.deepEqual(reads, [])
    assert.equal((await book.read(anywhere).get('2', { asOf: 5 }))?.cents, 7)
    assert.deepEqual(new Set(reads), new Set(['log']))
  })
})

test('events of several streams are folded in the order of the log, and those of several keys into each', async () => {
  const first = projection('first', {
    from: events,
    categories: ['b', 'a'],
    key: (event) => {
      return event.streamId
    },
    initial: { texts: '' },
    evolve: { Noted: ({ texts }, { text }) => ({ texts: texts + text }) },
  })
  await using book = await openBook({ store: memory(), projections: [first, anywhere], follow: false })
  for (const [category, text] of ['a1', 'b2', 'b3', 'a4', 'c5', 'a6'].map((given) => [given[0], given[1]]))
    await book.append(`${category}-x`, events.Noted({ text: text ?? '' }))
  assert.deepEqual(await book.read(first).get('x', { asOf: 5 }), { texts: '1234' })
  assert.deepEqual(await book.read(first).get('x', { asOf: 6 }), { texts: '12346' })
  await book.append('x-one', events.Deposited({ cents: 5 }))
  const { position } = await book.append('x-one', events.Moved({ from: 'one', to: 'two', cents: 2 }))
  for (const [key, cents] of [
    ['one', 3],
    ['two', -2],
  ] as const)
    assert.deepEqual(await book.read(anywhere).get(key, { asOf: position }), { cents })
})

test('more than a page of events', async () => {
  await using book = await openBook({ store: memory(), projections: [byId, anywhere], follow: false })
  const many = (count: number) => Array.from({ length: count }, () => events.Deposited({ cents: 1 }))
  for (const stream of ['account-1', 'loan-1', 'account-2']) await book.append(stream, many(700))
  await book.append('account-1', many(700))
  for (const model of [book.read(byId), book.read(anywhere)]) {
    assert.deepEqual(await model.get('1', { asOf: 2_800 }), { cents: 2_100 })
    assert.deepEqual(await model.get('1', { asOf: 2_101 }), { cents: 1_401 })
    assert.deepEqual(
      (await model.find({ asOf: 1_300 })).map(({ document }) => document.cents),
      [1_300],
    )
  }
})

test('the past tells how far it is read, and can be given up', async () => {
  await using book = await openBook({ store: memory(), projections: [byId, anywhere], follow: false })
  const many = Array.from({ length: 700 }, () => events.Deposited({ cents: 1 }))
  for (const stream of ['account-1', 'other-1']) await book.append(stream, many)
  const told: (readonly [number, number])[] = []
  const onProgress = (position: number, toPosition: number): number => told.push([position, toPosition])
  await book.read(anywhere).count({ asOf: '2999-01-01', onProgress })
  assert.deepEqual(told, [
    [500, 1_400],
    [1_000, 1_400],
    [1_400, 1_400],
  ])
  told.length = 0
  await book.read(anywhere).count({ asOf: 1_100, onProgress })
  assert.deepEqual(told.at(-1), [1_100, 1_100])
  const giving = new AbortController()
  const given = { asOf: 1_400, signal: giving.signal, onProgress: () => giving.abort(new Error('given up')) }
  told.length = 0
  await assert.rejects(book.read(anywhere).find(given), { message: 'given up' })
  await assert.rejects(book.read(byId).get('1', given), { message: 'given up' })
})

test('what a projection leaves out counts in the past as little as now', async () => {
  const counted = (name: string, onFailure: 'stop' | 'park' | 'park-stream') =>
    projection(name, {
      from: events,
      onFailure,
      key: (event) => event.stream,
      initial: { cents: 0 },
      columns: { cents: 'integer' },
      evolve: {
        Deposited: (document, { cents }) => {
          if (cents < 0) throw new Error('negative')
          return { cents: document.cents + cents }
        },
      },
    })
  const park = counted('park', 'park')
  const parkStream = counted('park-stream', 'park-stream')
  const stop = counted('stop', 'stop')
  await using book = await openBook({ store: memory(), projections: [park, parkStream, stop] })
  for (const cents of [1, -5, 10]) await book.append('a-1', events.Deposited({ cents }))
  await book.append('a-2', events.Deposited({ cents: 100 }))
  for (const [definition, cents] of [
    [park, 11],
    [parkStream, 1],
  ] as const) {
    const model = book.read(definition)
    const now = await model.find({ notBefore: 4 })
    assert.deepEqual(
      now.map(({ document }) => document.cents),
      [cents, 100],
    )
    assert.deepEqual(await model.find({ asOf: 4 }), now)
    assert.deepEqual(await model.get('a-1', { asOf: 4 }), { cents })
  }
  await assert.rejects(book.read(stop).get('a-1', { asOf: 4 }), { code: 'PROJECTION_FAILED' })
  assert.deepEqual(await book.read(stop).get('a-1', { asOf: 1 }), { cents: 1 })
  await book.subscriptions.skip('park-stream', 2, { reason: 'a slip', actor: 'ops' })
  assert.deepEqual(await book.read(parkStream).get('a-1', { asOf: 4 }), { cents: 11 })
})

test('a moment that is none is refused', async () => {
  await using book = await openBook({ store: memory(), projections: [byId] })
  const model = book.read(byId)
  const refused = { code: 'ILLEGAL_ARGUMENT' }
  for (const asOf of [-1, 1.5, Number.NaN, 'yesterday', '2026-02-30', new Date(Number.NaN)]) {
    await assert.rejects(model.get('1', { asOf }), refused, String(asOf))
    await assert.rejects(model.find({ asOf }), refused)
  }
  await assert.rejects(model.get('1', { asOf: 1, timeline: 'other' as never }), refused)
})
