import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { Trial } from '../core/ports/following.ts'
import { type Diagnostic, defineEvents, openBook, type Store, subscription } from '../index.ts'
import { memory } from '../memory/index.ts'
import { type TestHost, testHost } from '../testing/test-host.ts'
import { begunError, parkedEvent } from './aside.ts'

const events = defineEvents({ Paid: z.object({ n: z.int() }) })

/** Lets virtual time pass in small steps, so that what happens in one is over before the next. */
async function pass(host: TestHost, timeMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < timeMs; passedMs += 100) {
    await host.advance(100)
    for (let turn = 0; turn < 10; turn++) await host.nextTurn()
  }
}

/** Makes it look as if an owner had died: the lease is taken, and a trial noted, by somebody who never comes back. */
async function die(store: Store, host: TestHost, trial?: Trial): Promise<void> {
  const { following } = await store.open(host)
  const acquired = await following.acquire('subscription search@1', 'somebody/1/dead', 1_000)
  assert.ok(acquired)
  if (trial !== undefined) assert.equal(await following.noteTrial(acquired.lease, trial), true)
  await host.advance(1_001)
}

interface Try {
  readonly n: number
  readonly attempt: number
  readonly isRepeat: boolean
}

function searching(
  tries: Try[],
  settings: { readonly inbox?: boolean; readonly onFailure?: 'stop' | 'park' } = {},
) {
  return subscription('search', {
    from: events,
    retry: { maxAttempts: 3 },
    ...settings,
    run: ({ data: { n } }, { attempt, isRepeat }) => {
      tries.push({ n, attempt, isRepeat })
    },
  })
}

/** A store whose subscription was prepared, with events that wait. */
async function prepared(
  host: TestHost,
  streams: readonly string[] = ['order-1', 'order-2', 'order-3', 'order-4'],
): Promise<Store> {
  const store = memory()
  const unwatched = searching([])
  await using book = await openBook({ store, host, follow: false, subscriptions: [unwatched] })
  for (const [index, stream] of streams.entries()) await book.append(stream, events.Paid({ n: index + 1 }))
  return store
}

test('after an owner that died, what it may have had under way is told as perhaps repeated', async () => {
  const host = testHost()
  const store = await prepared(host)
  await die(store, host)
  const tries: Try[] = []
  await using book = await openBook({ store, host, subscriptions: [searching(tries)] })
  await pass(host, 500)
  assert.deepEqual(
    tries.map(({ n, isRepeat }) => [n, isRepeat]),
    [
      [1, true],
      [2, true],
      [3, false],
      [4, false],
    ],
  )
  assert.equal((await book.status())[0]?.position, 4)
})

test('an event that ended the process counts as failed, and does not hold up those of other streams', async () => {
  const host = testHost()
  const store = await prepared(host)
  await die(store, host, { position: 1, attempts: 1 })
  const tries: Try[] = []
  const kinds: string[] = []
  const onDiagnostic = ({ kind }: Diagnostic): unknown => kinds.push(kind)
  await using book = await openBook({ store, host, subscriptions: [searching(tries)], onDiagnostic })
  await pass(host, 500)
  assert.equal(kinds[0], 'event-retrying')
  assert.deepEqual(
    tries.toSorted((a, b) => a.n - b.n),
    [
      { n: 1, attempt: 2, isRepeat: true },
      { n: 2, attempt: 1, isRepeat: true },
      { n: 3, attempt: 1, isRepeat: false },
      { n: 4, attempt: 1, isRepeat: false },
    ],
  )
  assert.deepEqual(await book.subscriptions.parked(), [])
})

test('one that ended the process as often as it may is parked, or stops a follower that is to stop', async () => {
  for (const settings of [{}, { onFailure: 'stop' }] as const) {
    const host = testHost()
    const store = await prepared(host)
    await die(store, host, { position: 1, attempts: 3 })
    const tries: Try[] = []
    await using book = await openBook({ store, host, subscriptions: [searching(tries, settings)] })
    await pass(host, 500)
    const [parked] = await book.subscriptions.parked()
    assert.deepEqual(
      [parked?.position, parked?.status, parked?.attempts, parked?.error],
      [1, 'parked', 3, 'the process ended while handling it'],
    )
    assert.deepEqual(
      tries.map(({ n }) => n),
      settings.onFailure === 'stop' ? [] : [2, 3, 4],
    )
  }
})

test('with an inbox only the event that was begun is told as a repeat', async () => {
  const host = testHost()
  const store = await prepared(host)
  await die(store, host, { position: 1, attempts: 0 })
  const tries: Try[] = []
  const first = await openBook({ store, host, subscriptions: [searching(tries, { inbox: true })] })
  await pass(host, 500)
  assert.deepEqual(
    tries.map(({ n, isRepeat }) => [n, isRepeat]),
    [
      [1, true],
      [2, false],
      [3, false],
      [4, false],
    ],
  )
  await first.close()
})

/** A store that asks before each call of what keeps checkpoints, by its name, what comes of it instead; nothing: it is made. */
function troubled(store: Store, trouble: (method: string | symbol) => Promise<never> | undefined): Store {
  const part = <Part extends object>(whole: Part): Part =>
    new Proxy(whole, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return (...values: unknown[]) => trouble(key) ?? Reflect.apply(value, target, values)
      },
    })
  const open: Store['open'] = async (host) => {
    const opened = await store.open(host)
    return { ...opened, following: part(opened.following), readModels: part(opened.readModels) }
  }
  return { name: store.name, open }
}

test('with an inbox what an owner began stays a repeat, also when the next one dies on the way', async () => {
  const host = testHost()
  const store = await prepared(host)
  const batched = (tries: Try[], hangsAt?: number) =>
    subscription('search', {
      from: events,
      batch: 4,
      inbox: true,
      retry: { maxAttempts: 3 },
      runBatch: async (batch, { attempt, isRepeat }) => {
        for (const { data } of batch) tries.push({ n: data.n, attempt, isRepeat })
        if (batch.some(({ data }) => data.n === hangsAt)) await Promise.withResolvers().promise
      },
    })
  // All four were begun together.
  await die(store, host, { position: 4, attempts: 0 })
  const second: Try[] = []
  let isDead = false
  // As if its process had been killed.
  const dying = troubled(store, () => (isDead ? Promise.withResolvers<never>().promise : undefined))
  await openBook({ store: dying, host, subscriptions: [batched(second, 2)] })
  await pass(host, 500)
  assert.deepEqual(
    second.map(({ n, isRepeat }) => [n, isRepeat]),
    [
      [1, true],
      [2, true],
    ],
  )
  isDead = true
  await pass(host, 6_000)
  const third: Try[] = []
  await using book = await openBook({ store, host, subscriptions: [batched(third)] })
  await pass(host, 3_000)
  assert.deepEqual(
    third.toSorted((a, b) => a.n - b.n),
    [
      { n: 2, attempt: 2, isRepeat: true },
      { n: 3, attempt: 1, isRepeat: true },
      { n: 4, attempt: 1, isRepeat: true },
    ],
  )
  assert.deepEqual(await book.subscriptions.parked(), [])
})

for (const inbox of [false, true])
  test(`${inbox ? 'with' : 'without'} an inbox what was handled is a repeat when its checkpoint could not be moved`, async () => {
    const host = testHost()
    const store = await prepared(host)
    let failures = 0
    const failing = troubled(store, (method) => {
      const isMove = method === (inbox ? 'transaction' : 'moveCheckpoint')
      if (!isMove || tries.length === 0 || failures++ > 0) return undefined
      return Promise.reject(new Error('the store is away for a moment'))
    })
    const tries: Try[] = []
    await using book = await openBook({
      store: failing,
      host,
      subscriptions: [searching(tries, { inbox })],
      onDiagnostic: () => undefined,
    })
    await pass(host, 2_000)
    assert.ok(failures > 0)
    const told = tries.filter(({ n }) => n === 1)
    assert.deepEqual(told, [
      { n: 1, attempt: 1, isRepeat: false },
      { n: 1, attempt: 1, isRepeat: true },
    ])
    assert.deepEqual(tries.at(-1), { n: 4, attempt: 1, isRepeat: false })
    assert.equal((await book.status())[0]?.position, 4)
  })

for (const inbox of [false, true])
  test(`${inbox ? 'with' : 'without'} an inbox what waits behind an event that ended the process is a repeat if it was begun`, async () => {
    const host = testHost()
    const store = await prepared(host, ['order-1', 'order-1', 'order-1'])
    // The owner before last died of the first two together, the last one of the first.
    await die(store, host, { position: 2, attempts: 1 })
    const tries: Try[] = []
    await using book = await openBook({ store, host, subscriptions: [searching(tries, { inbox })] })
    await pass(host, 2_000)
    assert.deepEqual(tries, [
      { n: 1, attempt: 2, isRepeat: true },
      { n: 2, attempt: 2, isRepeat: true },
      { n: 3, attempt: 1, isRepeat: false },
    ])
    assert.deepEqual(await book.subscriptions.parked(), [])
  })

test('what waits behind an event that failed is a repeat if it was begun together with it', async () => {
  const host = testHost()
  const store = await prepared(host, ['order-1', 'order-1'])
  const tries: Try[] = []
  let failures = 0
  const search = subscription('search', {
    from: events,
    batch: 2,
    inbox: true,
    runBatch: (batch, { attempt, isRepeat }) => {
      if (failures++ < 2) throw new Error('the search engine is away')
      for (const { data } of batch) tries.push({ n: data.n, attempt, isRepeat })
    },
  })
  await using book = await openBook({ store, host, subscriptions: [search] })
  await pass(host, 2_000)
  assert.deepEqual(tries, [
    { n: 1, attempt: 3, isRepeat: true },
    { n: 2, attempt: 2, isRepeat: true },
  ])
  assert.deepEqual(await book.subscriptions.parked(), [])
})

test('with an inbox an event that is done is not run again, though its checkpoint was set back', async () => {
  const host = testHost()
  const store = await prepared(host)
  const tries: Try[] = []
  const open = () => openBook({ store, host, subscriptions: [searching(tries, { inbox: true })] })
  const first = await open()
  await pass(host, 500)
  await first.close()
  assert.equal(tries.length, 4)
  const { readModels } = await store.open(host)
  const checkpoint = await readModels.checkpoint('subscription search@1')
  assert.ok(checkpoint)
  assert.equal(
    await readModels.moveCheckpoint('subscription search@1', 4, { ...checkpoint, position: 1 }),
    true,
  )
  await using again = await open()
  await again.append('order-5', events.Paid({ n: 5 }))
  await pass(host, 500)
  assert.deepEqual(
    tries.map(({ n }) => n),
    [1, 2, 3, 4, 5],
  )
})

test("with 'park' the stream goes on behind one that ended the process as often as it may", async () => {
  const host = testHost()
  const store = await prepared(host)
  const name = 'subscription search@1'
  await using writer = await openBook({ store, host })
  await writer.append('order-1', events.Paid({ n: 5 }))
  const { readModels, following } = await store.open(host)
  const checkpoint = await readModels.checkpoint(name)
  assert.ok(checkpoint)
  await readModels.moveCheckpoint(name, 0, { ...checkpoint, position: 5 })
  await following.transaction(async (transaction) => {
    const [first, last] = [1, 5].map((position) => ({
      position,
      id: `event ${position}`,
      stream: 'order-1',
      type: 'Paid',
    }))
    assert.ok(first !== undefined && last !== undefined)
    const begun = { status: 'retrying', attempts: 3, error: begunError, nextAtMs: 0 } as const
    await transaction.putParked(parkedEvent(name, first, 0, begun))
    const waiting = { status: 'waiting', attempts: 0, error: null, nextAtMs: null } as const
    await transaction.putParked(parkedEvent(name, last, 0, waiting))
  })
  const tries: Try[] = []
  await using book = await openBook({
    store,
    host,
    subscriptions: [searching(tries, { onFailure: 'park' })],
  })
  await pass(host, 500)
  assert.deepEqual(tries, [{ n: 5, attempt: 1, isRepeat: false }])
  const parked = await book.subscriptions.parked()
  assert.deepEqual(
    parked.map(({ position, status, error }) => [position, status, error]),
    [[1, 'parked', 'the process ended while handling it']],
  )
})

test('an attempt that takes long holds up its own stream, and no other', async () => {
  const host = testHost()
  const store = await prepared(host)
  const release = Promise.withResolvers<void>()
  const done: number[] = []
  const search = subscription('search', {
    from: events,
    run: async ({ data: { n } }) => {
      if (n === 1) await release.promise
      done.push(n)
    },
  })
  await using book = await openBook({ store, host, subscriptions: [search] })
  await book.append('order-1', events.Paid({ n: 5 }))
  await pass(host, 900)
  assert.deepEqual(done, [])
  await pass(host, 600)
  assert.deepEqual(done, [2, 3, 4])
  const aside = await book.subscriptions.parked()
  assert.deepEqual(
    aside.map(({ position, status, error }) => [position, status, error]),
    [
      [1, 'retrying', 'an attempt was begun, and has not ended'],
      [5, 'waiting', null],
    ],
  )
  release.resolve()
  await pass(host, 500)
  assert.deepEqual(done, [2, 3, 4, 1, 5])
  assert.deepEqual(await book.subscriptions.parked(), [])
})

test('an attempt that is cut off by closing is a repeat the next time, and none that failed', async () => {
  const host = testHost()
  const store = await prepared(host)
  const hanging = subscription('search', {
    from: events,
    run: (_event, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
  const first = await openBook({ store, host, subscriptions: [hanging] })
  await pass(host, 100)
  await first.close()
  const tries: Try[] = []
  await using second = await openBook({ store, host, subscriptions: [searching(tries)] })
  await pass(host, 500)
  assert.deepEqual(tries[0], { n: 1, attempt: 1, isRepeat: true })
  assert.deepEqual(tries[1], { n: 2, attempt: 1, isRepeat: false })
  assert.equal((await second.status())[0]?.position, 4)
})
