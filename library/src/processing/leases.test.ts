import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  type Book,
  type BookOptions,
  type Diagnostic,
  defineEvents,
  openBook,
  projection,
  subscription,
} from '../index.ts'
import { memory } from '../memory/index.ts'
import { type TestHost, testHost } from '../testing/test-host.ts'
import { shardOf } from './shard.ts'

const events = defineEvents({ Paid: z.object({ n: z.int() }) })

/** Lets virtual time pass in small steps, so that what happens in one is over before the next. */
async function pass(host: TestHost, timeMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < timeMs; passedMs += 100) {
    await host.advance(100)
    for (let turn = 0; turn < 10; turn++) await host.nextTurn()
  }
}

function grouped(shards: number, run: (stream: string, n: number) => unknown) {
  return subscription('search', {
    from: events,
    shards,
    run: ({ stream, data }) => run(stream, data.n),
  })
}

async function ownersOf(book: Book): Promise<ReadonlyMap<string, number>> {
  const owners = new Map<string, number>()
  for (const { owner } of (await book.status())[0]?.shards ?? [])
    if (owner !== undefined) owners.set(owner, (owners.get(owner) ?? 0) + 1)
  return owners
}

test('members of a group share its shards as they come and go, and handle every event once and in order', async () => {
  const host = testHost()
  const store = memory()
  const seen: string[] = []
  const open = (): Promise<Book> =>
    openBook({ store, host, subscriptions: [grouped(8, (stream, n) => seen.push(`${stream} ${n}`))] })
  let appended = 0
  const pay = async (book: Book): Promise<void> => {
    for (let nth = 0; nth < 40; nth++) {
      await book.append(`order-${nth % 20}`, events.Paid({ n: appended++ }))
    }
  }
  const shares = async (book: Book): Promise<readonly number[]> =>
    [...(await ownersOf(book)).values()].toSorted((a, b) => a - b)
  const first = await open()
  await pass(host, 1_000)
  assert.deepEqual(await shares(first), [8])
  await pay(first)
  const second = await open()
  await pass(host, 3_000)
  assert.deepEqual(await shares(first), [4, 4])
  await pay(first)
  const third = await open()
  await pass(host, 3_000)
  assert.deepEqual(await shares(first), [2, 3, 3])
  await pay(first)
  await first.close()
  await pass(host, 3_000)
  assert.deepEqual(await shares(second), [4, 4])
  await pay(second)
  await third.close()
  await pass(host, 3_000)
  assert.deepEqual(await shares(second), [8])
  await second.close()
  assert.equal(seen.length, appended)
  for (let nth = 0; nth < 20; nth++) {
    const ofStream = seen.flatMap((each) =>
      each.startsWith(`order-${nth} `) ? [Number(each.split(' ')[1])] : [],
    )
    assert.deepEqual(
      ofStream,
      ofStream.toSorted((a, b) => a - b),
    )
    assert.equal(ofStream.length, 8)
  }
})

test('which shard a stream belongs to never changes', () => {
  const shards = ['order-1', 'order-2', 'account-42', 'Ünïcode-ö'].map((stream) => shardOf(stream, 64))
  assert.deepEqual(shards, [45, 52, 5, 47])
  // The vectors of FNV-1a: 0xe40c292c and 0xbf9cf968.
  assert.deepEqual([shardOf('a', 64), shardOf('foobar', 64)], [0x2c, 0x28])
  assert.equal(shardOf('order-1', 1), 0)
})

/** A host whose process is frozen when told so: its timers never fire. */
function freezable(host: TestHost): {
  readonly host: NonNullable<BookOptions['host']>
  readonly freeze: () => void
} {
  let isFrozen = false
  return {
    host: {
      ...host,
      sleep: async (timeMs, signal) => {
        await host.sleep(timeMs, signal)
        if (isFrozen && signal !== undefined && !signal.aborted)
          await new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => resolve(), { once: true }),
          )
      },
    },
    freeze: () => {
      isFrozen = true
    },
  }
}

const counts = () =>
  projection('counts', {
    from: events,
    key: () => 'all',
    initial: { count: 0 },
    evolve: { Paid: ({ count }) => ({ count: count + 1 }) },
  })

test('one process folds, another stands by, answers all the same, and takes over when that one is closed', async () => {
  const host = testHost()
  const store = memory()
  const [one, other] = [counts(), counts()]
  const owner = await openBook({ store, host, projections: [one] })
  await pass(host, 100)
  await using standby = await openBook({ store, host, projections: [other] })
  await pass(host, 1_000)
  const states = async (): Promise<readonly unknown[]> => [
    (await owner.status())[0]?.state,
    (await standby.status())[0]?.state,
  ]
  assert.deepEqual(await states(), ['waiting', 'standing-by'])
  const { position } = await standby.append('order-1', events.Paid({ n: 1 }))
  const reading = standby.read(other).get('all', { notBefore: position })
  await pass(host, 100)
  assert.deepEqual(await reading, { count: 1 })
  const [before] = await standby.status()
  await owner.close()
  await pass(host, 1_100)
  const [after] = await standby.status()
  assert.equal(after?.state, 'waiting')
  assert.notEqual(after?.owner, before?.owner)
})

test('who does not renew its lease is named in 3 s and replaced after 5; what it still writes is refused', async () => {
  const host = testHost()
  const store = memory()
  const frozen = freezable(host)
  const release = Promise.withResolvers<void>()
  const begun: string[] = []
  const reports: Diagnostic[] = []
  const subscribed = (name: string, hold?: Promise<void>) =>
    grouped(1, (_stream, n) => {
      begun.push(`${name} ${n}`)
      return n === 1 ? hold : undefined
    })
  const owner = await openBook({
    store,
    host: frozen.host,
    subscriptions: [subscribed('owner', release.promise)],
    onDiagnostic: ({ kind }) => begun.push(kind),
  })
  await pass(host, 100)
  await using standby = await openBook({
    store,
    host,
    subscriptions: [subscribed('standby')],
    onDiagnostic: (diagnostic) => reports.push(diagnostic),
  })
  await owner.append(
    'order-1',
    [1, 2].map((n) => events.Paid({ n })),
  )
  await pass(host, 500)
  frozen.freeze()
  const [before] = await standby.status()
  await pass(host, 3_700)
  const [stuck] = await standby.status()
  assert.deepEqual([stuck?.isStuck, stuck?.owner, stuck?.position], [true, before?.owner, 0])
  assert.match(
    stuck?.cause ?? '',
    /has not renewed its lease for [34]\d\d\d ms: it died or hangs, at position 0$/,
  )
  assert.ok(
    reports.some(
      ({ kind, message }) => kind === 'follower-stuck' && message.includes(stuck?.cause?.slice(0, 20) ?? '?'),
    ),
  )
  await pass(host, 3_000)
  assert.deepEqual(begun, ['owner 1', 'standby 1', 'standby 2'])
  const [after] = await standby.status()
  assert.deepEqual([after?.position, after?.isStuck], [2, false])
  // Thawed, the old owner finishes its event, and what it writes of it is refused.
  release.resolve()
  await pass(host, 100)
  assert.deepEqual(begun, ['owner 1', 'standby 1', 'standby 2', 'lease-lost'])
  assert.equal((await standby.status())[0]?.owner, after?.owner)
  await owner.close()
})

test('a paused follower is run by nobody until it is resumed', async () => {
  const host = testHost()
  const store = memory()
  const seen: number[] = []
  await using book = await openBook({ store, host, subscriptions: [grouped(1, (_, n) => seen.push(n))] })
  await using stranger = await openBook({ store, host })
  await pass(host, 100)
  await stranger.subscriptions.pause('search')
  await pass(host, 1_100)
  await book.append('order-1', events.Paid({ n: 1 }))
  await pass(host, 10_000)
  const [status] = await book.status()
  assert.deepEqual([status?.isPaused, status?.isStuck, status?.position, seen.length], [true, false, 0, 0])
  await stranger.subscriptions.resume('search')
  await pass(host, 1_100)
  assert.deepEqual(seen, [1])
  await assert.rejects(stranger.subscriptions.pause('unknown'), { code: 'NOT_REGISTERED' })
})

test('the settings of leases have bounds', async () => {
  for (const lease of [{ ttlMs: 499 }, { ttlMs: 1_000, renewMs: 501 }, { renewMs: 99 }])
    await assert.rejects(openBook({ store: memory(), lease }), { code: 'ILLEGAL_ARGUMENT' })
})
