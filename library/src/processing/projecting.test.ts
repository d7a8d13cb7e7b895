import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  type AnyProjection,
  type Book,
  type DaybookError,
  defineEvents,
  openBook,
  type ProjectionMode,
  projection,
  type Store,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Deposited: z.object({ cents: z.int() }),
  Moved: z.object({ from: z.string(), to: z.string() }),
  Closed: z.object({}),
})

function balances(mode: ProjectionMode) {
  return projection('balances', {
    from: events,
    mode,
    categories: ['account'],
    key: (event) => (event.type === 'Moved' ? [event.data.from, event.data.to] : event.streamId),
    initial: { cents: 0, events: 0 },
    columns: { cents: 'integer' },
    evolve: {
      Deposited: (document, { cents }) => ({ cents: document.cents + cents, events: document.events + 1 }),
      Moved: (document) => ({ ...document, events: document.events + 1 }),
      Closed: () => null,
    },
  })
}

async function fill(book: Book): Promise<number> {
  await book.append('account-1', events.Deposited({ cents: 5 }))
  await book.append('other-1', events.Deposited({ cents: 1_000 }))
  await book.append([
    { stream: 'account-2', events: [events.Deposited({ cents: 7 }), events.Moved({ from: '1', to: '3' })] },
    { stream: 'account-4', events: [events.Deposited({ cents: 9 }), events.Closed({})] },
  ])
  return (await book.append('account-5', { type: 'Unknown', data: {} })).position
}

function open(store: Store, projections: readonly AnyProjection[], follow = true): Promise<Book> {
  return openBook({ store, projections, follow })
}

const expected = [
  { key: '1', document: { cents: 5, events: 2 } },
  { key: '2', document: { cents: 7, events: 1 } },
  { key: '3', document: { cents: 0, events: 1 } },
]

for (const mode of ['async', 'inline', 'live'] as const) {
  test(`${mode}: documents by key, several keys an event, deletion, categories`, async () => {
    const definition = balances(mode)
    await using book = await open(memory(), [definition])
    const model = book.read(definition)
    assert.deepEqual(await model.find(), [])
    const position = await fill(book)
    assert.deepEqual(await model.find({ notBefore: position }), expected)
    assert.deepEqual(await model.get('1'), expected[0]?.document)
    assert.equal(await model.get('4'), undefined)
    assert.equal(await model.count({ where: { cents: { gte: 5 } } }), 2)
    const found = await model.find({ where: { cents: { gt: 0 } }, orderBy: { cents: 'desc' }, limit: 1 })
    assert.deepEqual(
      found.map(({ key }) => key),
      ['2'],
    )
    const all: string[] = []
    for await (const { key } of model.all()) all.push(key)
    assert.deepEqual(all, ['1', '2', '3'])
  })

  test(`${mode}: a book opened later knows what was appended before`, async () => {
    const store = memory()
    await using writer = await open(store, [])
    const position = await fill(writer)
    const definition = balances(mode)
    await using book = await open(store, [definition])
    assert.deepEqual(await book.read(definition).find({ notBefore: position }), expected)
  })
}

test('an inline projection is there when the append is answered', async () => {
  const definition = balances('inline')
  await using book = await open(memory(), [definition], false)
  for (let cents = 1; cents <= 20; cents++) {
    const both = [
      book.append('account-1', events.Deposited({ cents })),
      book.append('account-2', events.Deposited({ cents })),
    ]
    await Promise.all(both)
    assert.equal((await book.read(definition).get('1'))?.events, cents)
  }
  const [status] = await book.status()
  assert.deepEqual([status?.position, status?.behind, status?.mode], [40, 0, 'inline'])
})

test('an inline projection folds first what was appended without it', async () => {
  const store = memory()
  const definition = balances('inline')
  await using book = await open(store, [definition], false)
  await using other = await open(store, [])
  await fill(other)
  await book.append('account-1', events.Deposited({ cents: 1 }))
  assert.deepEqual(await book.read(definition).get('1'), { cents: 6, events: 3 })
})

test('an event that an inline projection throws on is not appended; others of its batch are', async () => {
  const strict = projection('strict', {
    from: events,
    mode: 'inline',
    key: ({ streamId }) => streamId,
    initial: { cents: 0 },
    evolve: {
      Deposited: (document, { cents }) => {
        if (cents < 0) throw new Error('negative')
        return { cents: document.cents + cents }
      },
    },
  })
  await using book = await open(memory(), [strict], false)
  const settled = await Promise.allSettled(
    [1, -1, 2].map((cents) => book.append('account-1', events.Deposited({ cents }))),
  )
  assert.deepEqual(
    settled.map((each) => (each.status === 'rejected' ? each.reason.code : each.status)),
    ['fulfilled', 'PROJECTION_FAILED', 'fulfilled'],
  )
  assert.deepEqual([await book.head(), await book.read(strict).get('1')], [2, { cents: 3 }])
})

test('a reader waits for the position it names, and no longer than it says', async () => {
  const store = memory()
  const definition = balances('async')
  await using reader = await open(store, [definition], false)
  const position = await fill(reader)
  await assert.rejects(
    reader.read(definition).get('1', { notBefore: position, timeoutMs: 0 }),
    ({ code, facts }: DaybookError) => {
      const { waitedMs, ...others } = facts
      assert.equal(code, 'READ_MODEL_TIMEOUT')
      assert.deepEqual(others, { readModel: 'balances@1', reached: 0, position })
      return typeof waitedMs === 'number'
    },
  )
  const waiting = reader.read(definition).get('1', { notBefore: position })
  await using follower = await open(store, [balances('async')])
  assert.deepEqual(await waiting, expected[0]?.document)
  assert.equal(await follower.head(), position)
})

test('two books that run the same projection fold every event once', async () => {
  const store = memory()
  const [one, other] = [balances('async'), balances('async')]
  await using first = await open(store, [one])
  await using second = await open(store, [other])
  let position = 0
  for (let nth = 0; nth < 100; nth++) {
    const book = nth % 2 === 0 ? first : second
    position = (await book.append('account-1', events.Deposited({ cents: 1 }))).position
  }
  const seen = await first.read(one).get('1', { notBefore: position })
  assert.deepEqual(seen, { cents: 100, events: 100 })
  assert.deepEqual(await second.read(other).get('1'), seen)
})

test('an asynchronous projection stops at the event it throws on, keeping what came before', async () => {
  const fragile = projection('fragile', {
    from: events,
    key: ({ streamId }) => streamId,
    initial: { cents: 0 },
    evolve: {
      Deposited: (document, { cents }) => {
        if (cents === 13) throw new Error('unlucky')
        return { cents: document.cents + cents }
      },
    },
  })
  await using book = await open(memory(), [fragile])
  const batch = [1, 2, 13, 4].map((cents) => events.Deposited({ cents }))
  const { position } = await book.append('account-1', batch)
  await assert.rejects(book.read(fragile).get('1', { notBefore: position }), { code: 'READ_MODEL_TIMEOUT' })
  const [status] = await book.status()
  assert.deepEqual([status?.state, status?.position, status?.behind], ['stopped', 2, 2])
  assert.match(status?.error ?? '', /unlucky/)
  assert.deepEqual(await book.read(fragile).get('1'), { cents: 3 })
})

test('changed code without a new version is reported; a new version is filled beside the old', async () => {
  const store = memory()
  const first = balances('async')
  await using book = await open(store, [first])
  const position = await fill(book)
  await book.read(first).get('1', { notBefore: position })
  const define = (version: number) =>
    projection('balances', {
      version,
      from: events,
      key: () => 'all',
      initial: { events: 0 },
      evolve: { Deposited: (document) => ({ events: document.events + 1 }) },
    })
  const kinds: string[] = []
  const onDiagnostic = ({ kind }: { kind: string }): unknown => kinds.push(kind)
  const changed = await openBook({ store, projections: [define(1)], follow: false, onDiagnostic })
  assert.deepEqual(kinds, ['projection-changed'])
  assert.equal((await changed.status())[0]?.isChanged, true)
  await changed.close()
  const next = define(2)
  await using newer = await openBook({ store, projections: [next], onDiagnostic })
  assert.equal((await newer.rebuilds.start(next)).outcome, 'swapped')
  assert.deepEqual(await newer.read(next).get('all', { notBefore: position }), { events: 4 })
  assert.deepEqual(await book.read(first).get('1'), expected[0]?.document)
  assert.deepEqual(kinds, ['projection-changed', 'projection-swapped'])
})
