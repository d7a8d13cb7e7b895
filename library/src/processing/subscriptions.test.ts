import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  type Book,
  type BookOptions,
  type Diagnostic,
  defineEvents,
  openBook,
  type Store,
  type Subscription,
  type SubscriptionOptions,
  subscription,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Paid: z.object({ n: z.int() }), Noted: z.object({}) })

type Options = Extract<SubscriptionOptions<typeof events, 'Paid'>, { readonly batch?: 1 }>

type Settings = Partial<Omit<Options, 'run' | 'runBatch' | 'batch' | 'from' | 'types'>>

type Run = NonNullable<Options['run']>

/** Tries again at once. */
const retry = { maxAttempts: 3, delayMs: 1, maxDelayMs: 1 }

function search(run: Run, settings: Settings = {}): Subscription {
  return subscription<typeof events, 'Paid'>('search', {
    from: events,
    types: ['Paid'],
    retry,
    run,
    ...settings,
  })
}

/** Resolves when it was called so often. */
function countdown(times: number): { readonly done: Promise<void>; readonly count: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = times
  return { done: promise, count: () => void (--left === 0 && resolve()) }
}

/** Appends to a stream the numbers given. */
async function pay(book: Book, stream: string, ...numbers: readonly number[]): Promise<void> {
  await book.append(
    stream,
    numbers.map((n) => events.Paid({ n })),
  )
}

/** What is aside when nothing runs any more. */
async function aside(store: Store, options: Partial<BookOptions> = {}): Promise<readonly unknown[]> {
  await using book = await openBook({ store, follow: false, ...options })
  const parked = await book.subscriptions.parked({
    statuses: ['retrying', 'waiting', 'parked', 'skipped'],
  })
  return parked.map(({ position, status, attempts }) => [position, status, attempts])
}

test('every event of its filter is handled once, in order, also what was appended before', async () => {
  const store = memory()
  const seen: number[] = []
  const { done, count } = countdown(4)
  const wanted = search(
    ({ data }) => {
      seen.push(data.n)
      count()
    },
    { categories: ['order'], tags: ['vip'] },
  )
  await using writer = await openBook({ store })
  const vip = { tags: ['vip'] }
  await writer.append('order-1', [events.Paid({ n: 1 }, vip), events.Noted({}, vip), events.Paid({ n: -1 })])
  await writer.append('other-1', events.Paid({ n: -2 }, vip))
  await using book = await openBook({ store, subscriptions: [wanted] })
  await writer.append(
    'order-2',
    [2, 3, 4].map((n) => events.Paid({ n }, vip)),
  )
  await done
  assert.deepEqual(seen, [1, 2, 3, 4])
  assert.equal((await book.status())[0]?.name, 'search')
})

test('a failing event makes its stream wait, in order, while others go on', async () => {
  const store = memory()
  const seen: string[] = []
  const { done, count } = countdown(6)
  const failing = search(({ stream, data }, { attempt, isRepeat }) => {
    seen.push(`${stream} ${data.n} ${attempt} ${isRepeat}`)
    if (data.n === 1 && attempt < 3) throw new Error('unreachable')
    count()
  })
  const book = await openBook({ store, subscriptions: [failing] })
  await pay(book, 'order-1', 1, 2, 3)
  await pay(book, 'order-2', 4, 5, 6)
  await done
  await book.close()
  const of = (stream: string): string[] => seen.filter((each) => each.startsWith(stream))
  assert.deepEqual(of('order-1'), [
    'order-1 1 1 false',
    'order-1 1 2 true',
    'order-1 1 3 true',
    'order-1 2 1 false',
    'order-1 3 1 false',
  ])
  assert.deepEqual(of('order-2'), ['order-2 4 1 false', 'order-2 5 1 false', 'order-2 6 1 false'])
  assert.deepEqual(await aside(store), [])
})

test("with 'park' later events of the stream go on once it is parked", async () => {
  const store = memory()
  const seen: string[] = []
  const { done, count } = countdown(1)
  const failing = search(
    ({ data }, { attempt }) => {
      seen.push(`${data.n} ${attempt}`)
      if (data.n === 1) throw new Error('unreachable')
      if (data.n === 3) count()
    },
    { onFailure: 'park' },
  )
  const book = await openBook({ store, subscriptions: [failing] })
  await pay(book, 'order-1', 1, 2, 3)
  await done
  await book.close()
  assert.deepEqual(seen, ['1 1', '1 2', '1 3', '2 1', '3 1'])
  assert.deepEqual(await aside(store), [[1, 'parked', 3]])
})

/** A subscription that fails on 1 until it is repaired; tells when 1 is parked, and what it handled well. */
function repairable(settings: Settings = {}) {
  const parked = Promise.withResolvers<Diagnostic>()
  const handled: number[] = []
  const waiting: { readonly n: number; readonly resolve: () => void }[] = []
  let isRepaired = false
  const failing = search(({ data }) => {
    if (data.n === 1 && !isRepaired) throw new Error('unreachable')
    handled.push(data.n)
    for (const { n, resolve } of waiting) if (n === data.n) resolve()
  }, settings)
  return {
    failing,
    handled,
    parked: parked.promise,
    repair: (): void => {
      isRepaired = true
    },
    whenHandled: (n: number) => new Promise<void>((resolve) => waiting.push({ n, resolve })),
    onDiagnostic: (diagnostic: Diagnostic): void => {
      if (diagnostic.kind === 'event-parked' || diagnostic.kind === 'subscription-stopped')
        parked.resolve(diagnostic)
    },
  }
}

test('a parked event is tried again when a person says so, in any process, and its stream drains in order', async () => {
  const store = memory()
  const { failing, handled, parked, repair, whenHandled, onDiagnostic } = repairable()
  await using book = await openBook({ store, subscriptions: [failing], onDiagnostic })
  await pay(book, 'order-1', 1, 2)
  assert.match((await parked).message, /subscription search@1, event 1, try 3: unreachable/)
  const last = whenHandled(4)
  await pay(book, 'order-1', 3, 4)
  await using stranger = await openBook({ store })
  repair()
  assert.equal(await stranger.subscriptions.retry('search', 1), 1)
  await last
  assert.deepEqual(handled, [1, 2, 3, 4])
  await assert.rejects(stranger.subscriptions.retry('search', 99), { code: 'NOT_PARKED' })
  await assert.rejects(stranger.subscriptions.retry('unknown', 1), { code: 'NOT_REGISTERED' })
})

test('a parked event that a person skips is kept with reason and actor, and its stream goes on', async () => {
  const store = memory()
  const { failing, handled, parked, whenHandled, onDiagnostic } = repairable()
  const book = await openBook({ store, subscriptions: [failing], onDiagnostic })
  await pay(book, 'order-1', 1, 2, 3)
  await parked
  const last = whenHandled(3)
  await assert.rejects(book.subscriptions.skip('search', 1, { reason: ' ', actor: 'ada' }), {
    code: 'ILLEGAL_ARGUMENT',
  })
  await book.subscriptions.skip('search', 1, { reason: 'sent by hand', actor: 'ada' })
  await last
  assert.deepEqual(handled, [2, 3])
  const [skipped] = await book.subscriptions.parked({ statuses: ['skipped'], position: 1 })
  assert.deepEqual(await book.subscriptions.parked({ statuses: ['skipped'], position: 2 }), [])
  await assert.rejects(book.subscriptions.parked({ position: 0 }), { code: 'ILLEGAL_ARGUMENT' })
  assert.deepEqual([skipped?.reason, skipped?.actor, skipped?.error], ['sent by hand', 'ada', 'unreachable'])
  await book.close()
  assert.deepEqual(await aside(store), [[1, 'skipped', 3]])
})

test("with 'stop' everything stops at it, visibly for every process, until a person decides", async () => {
  for (const decision of ['retry', 'skip'] as const) {
    const store = memory()
    const { failing, handled, parked, repair, whenHandled, onDiagnostic } = repairable({ onFailure: 'stop' })
    const book = await openBook({ store, subscriptions: [failing], onDiagnostic })
    const last = whenHandled(3)
    await pay(book, 'order-1', 1, 2)
    await pay(book, 'order-2', 3)
    assert.equal((await parked).kind, 'subscription-stopped')
    await using stranger = await openBook({ store })
    const [at] = await stranger.subscriptions.parked({ subscription: 'search' })
    assert.deepEqual([at?.position, at?.status, at?.error], [1, 'parked', 'unreachable'])
    assert.equal((await book.status())[0]?.state, 'stopped')
    repair()
    if (decision === 'retry') await stranger.subscriptions.retry('search', 'all')
    else await stranger.subscriptions.skip('search', 1, { reason: 'nobody wants it', actor: 'ada' })
    await last
    assert.deepEqual(handled, decision === 'retry' ? [1, 2, 3] : [2, 3])
    await book.close()
    assert.deepEqual(await aside(store), decision === 'retry' ? [] : [[1, 'skipped', 3]])
  }
})

test('a batch that fails is tried one by one, so that only the culprit is put aside', async () => {
  const store = memory()
  const calls: string[] = []
  const [parked, last] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const batches = subscription('search', {
    from: events,
    types: ['Paid'],
    batch: 3,
    retry,
    runBatch: (batch, { attempt, isRepeat }) => {
      calls.push(`${batch.map(({ data }) => data.n).join()} ${attempt} ${isRepeat}`)
      if (batch[0]?.data.n === 4) last.resolve()
      if (batch.some(({ data }) => data.n === 2)) throw new Error('unreachable')
    },
  })
  const writer = await openBook({ store })
  await pay(writer, 'order-1', 1)
  await pay(writer, 'order-2', 2)
  await pay(writer, 'order-3', 3, 4)
  await writer.close()
  const onDiagnostic = ({ kind }: Diagnostic): void => {
    if (kind === 'event-parked') parked.resolve()
  }
  const book = await openBook({ store, subscriptions: [batches], onDiagnostic })
  await Promise.all([parked.promise, last.promise])
  await book.close()
  assert.deepEqual(calls.slice(0, 4), ['1,2,3 1 false', '1 2 true', '2 2 true', '3 2 true'])
  assert.deepEqual(calls.slice(4).toSorted(), ['2 3 true', '4 1 false'])
  assert.deepEqual(await aside(store), [[2, 'parked', 3]])
})

test('an attempt that takes too long is aborted, has failed, and does not hold others up for ever', async () => {
  const { done, count } = countdown(2)
  const reports: Diagnostic[] = []
  const hanging = search(
    ({ data }, { signal, attempt }) => {
      count()
      if (data.n !== 1 || attempt > 1) return undefined
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
    { timeoutMs: 20 },
  )
  await using book = await openBook({
    store: memory(),
    subscriptions: [hanging],
    onDiagnostic: (diagnostic) => reports.push(diagnostic),
  })
  await pay(book, 'order-1', 1)
  await done
  assert.match(String(reports[0]?.error), /did not end within 20 ms at position 1/)
})

test('another version begins anew, at the end, or where the last one had got', async () => {
  const store = memory()
  await using writer = await openBook({ store })
  const first = countdown(2)
  const old = await openBook({ store, subscriptions: [search(first.count)] })
  await pay(writer, 'order-1', 1, 2)
  await first.done
  await old.close()
  await pay(writer, 'order-1', 3)
  for (const [version, startAt, expected] of [
    [2, 'previous', [3, 4]],
    [3, 'now', [5]],
    [4, 'beginning', [1, 2, 3, 4, 5, 6]],
  ] as const) {
    const seen: number[] = []
    const { done, count } = countdown(expected.length)
    const run: Run = ({ data }) => {
      seen.push(data.n)
      count()
    }
    await using book = await openBook({ store, subscriptions: [search(run, { version, startAt })] })
    await pay(book, 'order-1', version + 2)
    await done
    assert.deepEqual(seen, expected)
  }
})
