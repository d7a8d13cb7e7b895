import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  type Diagnostic,
  defineEvents,
  type LagAlarm,
  type Meter,
  type MetricAttributes,
  type MetricResult,
  openBook,
  subscription,
} from '../index.ts'
import { memory } from '../memory/index.ts'
import { LagWindow } from '../processing/lag-window.ts'
import { type TestHost, testHost } from '../testing/test-host.ts'

const events = defineEvents({ Paid: z.object({ n: z.int() }) })

async function pass(host: TestHost, timeMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < timeMs; passedMs += 100) {
    await host.advance(100)
    for (let turn = 0; turn < 10; turn++) await host.nextTurn()
  }
}

/** A subscription that hangs at 1 until it is released. */
function hanging() {
  const { promise, resolve } = Promise.withResolvers<void>()
  const search = subscription('search', {
    from: events,
    timeoutMs: 600_000,
    // So that it holds everything up.
    onFailure: 'stop',
    run: ({ data }, { signal }) => {
      // Closing need not wait for it.
      signal.addEventListener('abort', () => resolve())
      return data.n === 1 ? promise : undefined
    },
  })
  return { search, release: () => resolve() }
}

test('one that falls behind, or does not get on, is told of once, and once more when that is over', async () => {
  const host = testHost()
  const told: string[] = []
  const alarms: LagAlarm[] = []
  const { search, release } = hanging()
  await using book = await openBook({
    store: memory(),
    host,
    subscriptions: [search],
    lag: { alarmMs: 2_500, onAlarm: (alarm) => alarms.push(alarm) },
    onDiagnostic: ({ kind, subject, message }: Diagnostic) => told.push(`${kind} ${subject}: ${message}`),
  })
  await pass(host, 500)
  await book.append('order-1', events.Paid({ n: 1 }))
  await pass(host, 10_000)
  assert.match(
    told[0] ?? '',
    /^follower-lagging search@1: subscription search@1 is [23]\d\d\d ms and 1 events behind$/,
  )
  assert.match(
    told[1] ?? '',
    /^follower-stuck search@1: .* holds the lease and does not get on, at position 0$/,
  )
  const [status] = await book.status()
  assert.deepEqual([status?.isStuck, status?.behind, status?.lag], [true, 1, undefined])
  assert.ok((status?.stuckMs ?? 0) > 9_000 && (status?.behindMs ?? 0) > 9_000)
  release()
  await pass(host, 2_000)
  assert.deepEqual(told.slice(2), [
    'follower-recovered search@1: subscription search@1 gets on again',
    'follower-lagging search@1: subscription search@1 is less than 2500 ms behind again',
  ])
  assert.deepEqual(
    alarms.map(({ isOver, follower }) => [isOver, follower.name]),
    [
      [false, 'search'],
      [true, 'search'],
    ],
  )
  const [after] = await book.status()
  assert.deepEqual([after?.isStuck, after?.behindMs, after?.lag?.events], [false, 0, 1])
  assert.ok((after?.lag?.p99Ms ?? 0) >= 9_000)
})

test('a process that only watches names who hangs in another', async () => {
  const host = testHost()
  const store = memory()
  const { search, release } = hanging()
  const told: string[] = []
  await using book = await openBook({ store, host, subscriptions: [search] })
  await using watcher = await openBook({
    store,
    host,
    follow: false,
    lag: {},
    subscriptions: [hanging().search],
    onDiagnostic: ({ kind }) => told.push(kind),
  })
  await pass(host, 500)
  await book.append('order-1', events.Paid({ n: 1 }))
  await pass(host, 4_900)
  assert.deepEqual(told, ['follower-lagging', 'follower-stuck'])
  const [status] = await watcher.status()
  assert.deepEqual(
    [status?.state, status?.isStuck, status?.owner],
    ['idle', true, (await book.status())[0]?.owner],
  )
  release()
  await pass(host, 100)
})

/** A meter as OpenTelemetry's, whose gauges are asked by hand. */
function handMeter() {
  const gauges = new Map<string, Set<(result: MetricResult) => void>>()
  const recorded: [string, number, MetricAttributes | undefined][] = []
  const meter: Meter = {
    createObservableGauge: (name) => {
      const callbacks = new Set<(result: MetricResult) => void>()
      gauges.set(name, callbacks)
      return {
        addCallback: (callback) => callbacks.add(callback),
        removeCallback: (callback) => callbacks.delete(callback),
      }
    },
    createHistogram: (name) => ({
      record: (value, attributes) => recorded.push([name, value, attributes]),
    }),
  }
  const read = (name: string): readonly unknown[] => {
    const observed: unknown[] = []
    for (const callback of gauges.get(name) ?? [])
      callback({ observe: (value, attributes) => observed.push([value, attributes?.status]) })
    return observed
  }
  return { meter, read, recorded }
}

test('a meter is told how far behind everything is, and how long events took', async () => {
  const host = testHost()
  const { meter, read, recorded } = handMeter()
  const { search, release } = hanging()
  const book = await openBook({ store: memory(), host, subscriptions: [search], meter })
  await pass(host, 500)
  await book.append(
    'order-1',
    [1, 2].map((n) => events.Paid({ n })),
  )
  await pass(host, 5_000)
  assert.deepEqual(read('daybook.follower.behind'), [[2, undefined]])
  assert.deepEqual(read('daybook.follower.stuck'), [[1, undefined]])
  assert.deepEqual(read('daybook.follower.parked'), [
    [0, 'retrying'],
    [0, 'waiting'],
    [0, 'parked'],
    [0, 'skipped'],
  ])
  release()
  await pass(host, 2_000)
  assert.deepEqual(read('daybook.follower.behind'), [[0, undefined]])
  const attributes = {
    'daybook.follower.kind': 'subscription',
    'daybook.follower.name': 'search',
    'daybook.follower.version': '1',
  }
  assert.deepEqual(
    recorded.map(([name, , given]) => [name, given]),
    [
      ['daybook.follower.lag', attributes],
      ['daybook.follower.lag', attributes],
    ],
  )
  assert.ok(recorded.every(([, seconds]) => seconds >= 4.9 && seconds < 6))
  await book.close()
  assert.deepEqual(read('daybook.follower.behind'), [])
})

test('quantiles of the last minute are at most 9 % too high, and forget what is older', () => {
  let nowMs = 1_000_000
  const window = new LagWindow(() => nowMs)
  assert.equal(window.quantiles(), undefined)
  for (let lagMs = 1; lagMs <= 1_000; lagMs++) window.record(lagMs)
  const { p50Ms, p99Ms, events: count } = window.quantiles() ?? { p50Ms: 0, p99Ms: 0, events: 0 }
  assert.ok(p50Ms >= 500 && p50Ms <= 545, String(p50Ms))
  assert.ok(p99Ms >= 990 && p99Ms <= 1_080, String(p99Ms))
  assert.equal(count, 1_000)
  nowMs += 50_000
  window.record(5)
  assert.equal(window.quantiles()?.events, 1_001)
  nowMs += 20_000
  assert.deepEqual(window.quantiles(), { p50Ms: 5, p99Ms: 5, events: 1 })
  nowMs -= 3_600_000
  window.record(0)
  assert.deepEqual(window.quantiles(), { p50Ms: 0, p99Ms: 0, events: 1 })
})
