import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { nodeHost } from '../host/node-host.ts'
import {
  type Book,
  type Diagnostic,
  defineEvents,
  openBook,
  type ProjectionMode,
  projection,
  type RebuildProgress,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

interface Sum {
  readonly cents: number
  readonly movements: number
}

interface SumOptions {
  readonly mode?: ProjectionMode
  readonly swap?: 'auto' | 'manual'
  /** Seeds a difference: what each deposit counts. */
  readonly factor?: (key: string) => number
  /** What an account begins with: another is other code. */
  readonly cents?: number
}

/** Sums per account; from version 2 on with a column for the movements. */
function sums(version: number, { mode = 'async', swap, factor = () => 1, cents = 0 }: SumOptions = {}) {
  const initial: Sum = { cents, movements: 0 }
  return projection('sums', {
    version,
    from: events,
    mode,
    ...(swap ? { swap } : {}),
    key: ({ streamId }) => streamId,
    initial,
    columns: version === 1 ? { cents: 'integer' } : { cents: 'integer', movements: 'integer' },
    evolve: {
      Deposited: (document, { cents }, { streamId }) => ({
        cents: document.cents + cents * factor(streamId),
        movements: document.movements + 1,
      }),
    },
  })
}

/** One event each, to so many accounts in turn. */
async function deposit(book: Book, count: number, accounts = 10): Promise<number> {
  let position = 0
  for (let index = 0; index < count; index++)
    position = (await book.append(`account-${index % accounts}`, events.Deposited({ cents: 1 }))).position
  return position
}

/** Resolves when something is so; the book goes on by itself. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
}

const servedBy = async (book: Book): Promise<string | undefined> =>
  (await book.rebuilds.status())[0]?.serving.subscription

/** A book in memory with events of ten accounts, read by version 1. */
async function bookOfVersion1(count: number) {
  const store = memory()
  const version1 = sums(1)
  const book = await openBook({ store, projections: [version1] })
  const position = await deposit(book, count)
  await book.read(version1).get('0', { notBefore: position })
  return { store, version1, book, position }
}

test('a newer version is filled beside the one that serves, takes its place, and can be taken back', async () => {
  const { store, book: before } = await bookOfVersion1(30)
  await before.close()
  const version2 = sums(2)
  const told: string[] = []
  const onDiagnostic = ({ kind, subject }: Diagnostic): number => told.push(`${kind} ${subject}`)
  await using book = await openBook({ store, projections: [version2], onDiagnostic })
  await until(async () => (await servedBy(book)) === 'sums@2')
  const found = await book.read(version2).find({ where: { movements: 3 }, limit: 1 })
  assert.deepEqual(found, [{ key: '0', document: { cents: 3, movements: 3 } }])
  const [status] = await book.rebuilds.status()
  assert.deepEqual([status?.previous?.subscription, status?.next], ['sums@1', undefined])
  assert.ok(told.includes('projection-swapped sums@2'))
  const undone = await book.rebuilds.undo('sums')
  assert.deepEqual([undone.serving.version, undone.previous.version], [1, 2])
  assert.equal(await servedBy(book), 'sums@1')
  await assert.rejects(book.read(version2).find({ where: { movements: 3 } }), {
    code: 'PROJECTION_FILLING',
    facts: { projection: 'sums', version: 2, serving: 1, column: 'movements' },
  })
  assert.deepEqual(await book.read(version2).get('0'), { cents: 3, movements: 3 })
  assert.equal((await book.read(version2).find({ where: { cents: 3 } })).length, 10)
})

test('what was taken back is not begun again by opening the book, and serves again when that is taken back', async () => {
  const { store, book: before } = await bookOfVersion1(10)
  await before.close()
  const version2 = sums(2)
  const opened = await openBook({ store, projections: [version2] })
  await until(async () => (await servedBy(opened)) === 'sums@2')
  await opened.rebuilds.undo(version2)
  await opened.close()
  await using book = await openBook({ store, projections: [version2] })
  const position = await deposit(book, 10)
  assert.equal((await book.rebuilds.status())[0]?.next, undefined)
  const { serving } = await book.rebuilds.undo(version2)
  assert.deepEqual(serving, { version: 2, generation: 1 })
  assert.equal((await book.read(version2).get('0', { notBefore: position }))?.cents, 2)
})

test('a version that waits for a person is compared first, at one position, while appends go on', async () => {
  const { store, book: before, version1 } = await bookOfVersion1(40)
  const version2 = sums(2, { swap: 'manual', factor: (key) => (key === '7' ? 100 : 1) })
  await using book = await openBook({ store, projections: [version2] })
  const appending = deposit(before, 200)
  const result = await book.rebuilds.start(version2)
  assert.deepEqual([result.outcome, result.version, result.generation], ['filled', 2, 1])
  const differences = []
  for await (const difference of book.rebuilds.compare('sums')) differences.push(difference)
  assert.deepEqual(
    differences.map(({ key, field }) => [key, field]),
    [['7', 'cents']],
  )
  const [only] = differences
  assert.equal(Number(only?.other), Number(only?.serving) * 100)
  assert.equal(await servedBy(book), 'sums@1')
  await assert.rejects(before.rebuilds.start(version1), { code: 'REBUILD_REFUSED' })
  const position = await appending
  const { serving } = await book.rebuilds.swap(version2)
  assert.deepEqual(serving, { version: 2, generation: 1 })
  assert.equal((await book.read(version2).get('7', { notBefore: position }))?.cents, 2_400)
  const afterwards: [string, string | undefined, unknown][] = []
  for await (const { key, field, serving, other } of book.rebuilds.compare(version2))
    afterwards.push([key, field, Number(serving) / Number(other)])
  assert.deepEqual(afterwards, [['7', 'cents', 100]])
  // Code of the older version goes on reading what it knows.
  assert.equal((await before.read(version1).get('7', { notBefore: position }))?.cents, 24)
  await before.close()
})

test('a copy of which no code runs is compared at the position where it stands', async () => {
  const { store, book: before } = await bookOfVersion1(40)
  await before.close()
  const version2 = sums(2, { swap: 'manual', factor: (key) => (key === '3' ? 5 : 1) })
  await using book = await openBook({ store, projections: [version2] })
  await deposit(book, 25)
  await book.rebuilds.start(version2)
  const differences = []
  for await (const difference of book.rebuilds.compare(version2)) differences.push(difference)
  assert.deepEqual(differences, [{ key: '3', field: 'cents', serving: 4, other: 20 }])
})

test('documents that only one side has are differences without a field, as many as are asked for', async () => {
  const { store, book: before } = await bookOfVersion1(40)
  await before.close()
  const others = projection('sums', {
    version: 2,
    swap: 'manual',
    from: events,
    key: ({ streamId }) => (Number(streamId) < 8 ? streamId : `new-${streamId}`),
    initial: { cents: 0, movements: 0 },
    evolve: {
      Deposited: (document, { cents }) => ({
        cents: document.cents + cents,
        movements: document.movements + 1,
      }),
    },
  })
  await using book = await openBook({ store, projections: [others] })
  await book.rebuilds.start(others)
  const found: string[] = []
  for await (const { key, field, serving } of book.rebuilds.compare(others))
    found.push(`${key} ${field} ${serving === undefined ? 'added' : 'missing'}`)
  const expected = [
    '8 undefined missing',
    '9 undefined missing',
    'new-8 undefined added',
    'new-9 undefined added',
  ]
  assert.deepEqual(found, expected)
  let count = 0
  for await (const _ of book.rebuilds.compare(others, { limit: 3 })) count++
  assert.equal(count, 3)
})

test('a read model is filled again beside itself, while appends go on, and the copy before is dropped by the next', async () => {
  const { book, version1 } = await bookOfVersion1(50)
  const seen: (number | undefined)[] = []
  let isOver = false
  const reading = (async () => {
    while (!isOver) {
      seen.push((await book.read(version1).get('1'))?.cents)
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const appending = deposit(book, 100)
  const result = await book.rebuilds.start(version1)
  assert.deepEqual([result.outcome, result.generation], ['swapped', 2])
  const position = await appending
  const checked = await book.read(version1).get('1', { notBefore: position })
  isOver = true
  await reading
  assert.equal(checked?.cents, 15)
  assert.deepEqual(
    seen.filter((cents, index) => (cents ?? 0) < (seen[index - 1] ?? 5)),
    [],
    'a reader saw less than before',
  )
  await book.rebuilds.start(version1)
  const [status] = await book.rebuilds.status()
  assert.deepEqual([status?.serving.subscription, status?.previous?.subscription], ['sums@1.3', 'sums@1.2'])
  assert.equal((await book.status())[0]?.position, await book.head())
  await book.rebuilds.undo(version1)
  assert.equal((await book.read(version1).get('1', { notBefore: await book.head() }))?.cents, 15)
  await book.close()
})

test('a book from before there were copies: what it has stored serves', async () => {
  const store = memory()
  const host = nodeHost()
  const { readModels } = await store.open(host)
  const { shape } = sums(1).definition
  const start = { position: 0, epoch: 1, fingerprint: 'old', updatedAtMs: 0 }
  await readModels.prepare(shape, 'sums@1', start)
  const change = { shape, subscription: 'sums@1', fromPosition: 0, deletes: [] }
  const upserts = [{ key: '1', document: '{"cents":7,"movements":1}', columns: [7] }]
  const version2 = sums(2, { swap: 'manual' })
  await using book = await openBook({ store, projections: [version2], follow: false })
  const { position } = await book.append('account-1', events.Deposited({ cents: 7 }))
  await readModels.change({ ...change, upserts, checkpoint: { ...start, position } })
  assert.deepEqual(await book.read(version2).get('1', { notBefore: position }), { cents: 7, movements: 1 })
  assert.equal(await servedBy(book), 'sums@1')
})

test('code older than what serves, whose copy was dropped, fills one of its own and answers when it is filled', async () => {
  const { store, book: before } = await bookOfVersion1(30)
  await before.close()
  for (const version of [2, 3]) {
    const model = sums(version)
    const book = await openBook({ store, projections: [model] })
    await until(async () => (await servedBy(book)) === `sums@${version}`)
    await book.close()
  }
  const version1 = sums(1)
  const waiting = await openBook({ store, projections: [version1], follow: false })
  await assert.rejects(waiting.read(version1).get('1'), { code: 'PROJECTION_FILLING' })
  await waiting.close()
  await using book = await openBook({ store, projections: [version1] })
  await until(async () => (await book.status())[0]?.position === 30)
  assert.deepEqual(await book.read(version1).get('1'), { cents: 3, movements: 3 })
  assert.equal(await servedBy(book), 'sums@3')
  await assert.rejects(book.rebuilds.start(version1), { code: 'REBUILD_REFUSED' })
})

test('a rebuild is halted, goes on where it was, and is given up; all of it told', async () => {
  const { book, version1 } = await bookOfVersion1(400)
  const told: RebuildProgress[] = []
  const slow = { eventsPerSecond: 1_000, onProgress: (progress: RebuildProgress) => void told.push(progress) }
  const running = book.rebuilds.start(version1, slow)
  await until(async () => told.some(({ state, position }) => state === 'filling' && position >= 100))
  await book.rebuilds.pause(version1)
  await until(async () => told.at(-1)?.state === 'paused')
  const halted = told.at(-1)?.position ?? 0
  assert.ok(halted >= 100 && halted < 400, `halted at ${halted}`)
  assert.equal((await book.rebuilds.status())[0]?.next?.isPaused, true)
  await book.rebuilds.resume('sums')
  assert.equal((await running).outcome, 'swapped')
  const positions = told.map(({ position }) => position)
  assert.deepEqual(
    positions,
    positions.toSorted((a, b) => a - b),
  )
  assert.ok(told.some(({ eventsPerSecond, secondsLeft }) => eventsPerSecond > 0 && (secondsLeft ?? 0) > 0))
  const second = book.rebuilds.start('sums', { eventsPerSecond: 100 })
  await until(async () => ((await book.rebuilds.status())[0]?.next?.position ?? 0) > 0)
  await book.rebuilds.cancel('sums')
  assert.equal((await second).outcome, 'cancelled')
  const [status] = await book.rebuilds.status()
  assert.deepEqual([status?.serving.generation, status?.next], [2, undefined])
  await book.close()
})

test('a rebuild that was stopped goes on where it was; one that other code began is begun anew', async () => {
  const { store, book, version1 } = await bookOfVersion1(300)
  const stop = new AbortController()
  const stopped = book.rebuilds.start(version1, {
    eventsPerSecond: 1_000,
    signal: stop.signal,
    onProgress: ({ position }) => (position >= 100 ? stop.abort() : undefined),
  })
  await assert.rejects(stopped, { name: 'AbortError' })
  const left = (await book.rebuilds.status())[0]?.next?.position ?? 0
  assert.ok(left >= 100 && left < 300, `left at ${left}`)
  await book.close()
  const again = await openBook({ store, projections: [version1], follow: false })
  const resumed = await again.rebuilds.start(version1)
  assert.deepEqual([resumed.generation, resumed.events, resumed.outcome], [2, 300 - left, 'swapped'])
  await again.close()

  const changed = sums(1, { cents: 1_000 })
  await using other = await openBook({ store, projections: [changed], follow: false })
  const begun = new AbortController()
  const onProgress = ({ position }: RebuildProgress): void => (position >= 100 ? begun.abort() : undefined)
  const half = { eventsPerSecond: 1_000, signal: begun.signal, onProgress }
  const book3 = await openBook({ store, projections: [version1], follow: false })
  await assert.rejects(book3.rebuilds.start(version1, half), { name: 'AbortError' })
  await book3.close()
  const anew = await other.rebuilds.start(changed)
  assert.deepEqual([anew.generation, anew.events], [3, 300])
  assert.equal((await other.read(changed).get('1'))?.cents, 1_030)
})

test('two that start the same rebuild in two processes fill one copy', async () => {
  const { store, book, version1 } = await bookOfVersion1(200)
  await using other = await openBook({ store, projections: [version1] })
  const results = await Promise.all([
    book.rebuilds.start(version1, { eventsPerSecond: 2_000 }),
    other.rebuilds.start(version1, { eventsPerSecond: 2_000 }),
    other.rebuilds.start(version1),
  ])
  assert.deepEqual(
    results.map(({ generation, outcome }) => [generation, outcome]),
    results.map(() => [2, 'swapped']),
  )
  assert.equal((await book.read(version1).get('1'))?.cents, 20)
  await book.close()
})

test('an inline read model is rebuilt under appends, and every answer includes what was appended before it', async () => {
  const store = memory()
  const model = sums(1, { mode: 'inline' })
  await using book = await openBook({ store, projections: [model] })
  await using other = await openBook({ store, projections: [model] })
  await deposit(book, 50)
  const rebuilding = Promise.all([1, 2, 3].map(() => book.rebuilds.start(model)))
  for (let count = 6; count < 40; count++) {
    const writer = count % 2 === 0 ? book : other
    await writer.append('account-1', events.Deposited({ cents: 1 }))
    assert.equal((await writer.read(model).get('1'))?.cents, count)
  }
  await rebuilding
  assert.equal(await servedBy(book), 'sums@1.2')
  await other.append('account-1', events.Deposited({ cents: 1 }))
  assert.equal((await other.read(model).get('1'))?.cents, 40)
  assert.equal((await book.read(model).get('1'))?.cents, 40)
  await book.rebuilds.undo(model)
  assert.equal((await other.read(model).get('1'))?.cents, 40)
  await other.append('account-1', events.Deposited({ cents: 1 }))
  assert.equal((await book.read(model).get('1'))?.cents, 41)
})

test('what cannot be is refused, and says why', async () => {
  const live = sums(1, { mode: 'live' })
  await using liveBook = await openBook({ store: memory(), projections: [live] })
  await assert.rejects(liveBook.rebuilds.start(live), { code: 'REBUILD_REFUSED' })
  const { book, version1 } = await bookOfVersion1(5)
  for (const refused of [
    () => book.rebuilds.undo(version1),
    () => book.rebuilds.swap(version1),
    () => book.rebuilds.cancel(version1),
    () => book.rebuilds.pause(version1),
    () => book.rebuilds.undo('others'),
    () => book.rebuilds.start('others'),
    () => book.rebuilds.compare(version1).next(),
  ])
    await assert.rejects(refused, { code: 'REBUILD_REFUSED' })
  await assert.rejects(book.rebuilds.start(version1, { eventsPerSecond: 0 }), { code: 'ILLEGAL_ARGUMENT' })
  assert.throws(() => sums(2, { mode: 'inline', swap: 'manual' }), { code: 'DEFINITION_INVALID' })
  await book.close()
})

test('an estimate comes from a sample, and changes nothing', async () => {
  const { book, version1 } = await bookOfVersion1(1)
  const more = Array.from({ length: 1_999 }, () => events.Deposited({ cents: 1 }))
  for (let from = 0; from < more.length; from += 500)
    await book.append('account-1', more.slice(from, from + 500))
  const estimate = await book.rebuilds.estimate(version1)
  assert.equal(estimate.events, 2_000)
  assert.equal(estimate.bytes, 2_000 * '{"cents":1}'.length)
  assert.ok(estimate.secondsAbout >= 0 && estimate.secondsAbout < 60)
  assert.equal((await book.rebuilds.status())[0]?.next, undefined)
  await book.close()
})
