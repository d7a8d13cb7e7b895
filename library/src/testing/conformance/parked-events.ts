import assert from 'node:assert/strict'
import type { ParkedEvent, ParkedFilter, ParkedStatus } from '../../core/ports/following.ts'
import { seededRandom } from '../test-host.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, range } from './context.ts'

const statuses: readonly ParkedStatus[] = ['retrying', 'waiting', 'parked', 'skipped']

/** An event kept aside by a subscription. */
export function parkedEvent(position: number, changed: Partial<ParkedEvent> = {}): ParkedEvent {
  return {
    subscription: 'mails',
    position,
    eventId: `e${position}`,
    stream: 'account-1',
    type: 'Happened',
    status: 'parked',
    attempts: 1,
    error: 'it failed',
    nextAtMs: null,
    failedAtMs: 1_000 + position,
    changedAtMs: 2_000 + position,
    reason: null,
    actor: null,
    ...changed,
  }
}

async function park({ store }: ConformanceContext, events: readonly ParkedEvent[]): Promise<void> {
  await store.following.transaction(async (transaction) => {
    for (const event of events) await transaction.putParked(event)
  })
}

/** Of three subscriptions and streams, of every status; given out of order. */
function many(): readonly ParkedEvent[] {
  const events = range(1, 60).map((n) =>
    parkedEvent(n, {
      subscription: ['mails', 'balances@2', 'mails#1'][n % 3] ?? '',
      stream: `account-${n % 4}`,
      status: statuses[n % statuses.length] ?? 'parked',
      nextAtMs: n % 4 === 0 ? 1_000 * n : null,
    }),
  )
  return [...events.slice(30).reverse(), ...events.slice(0, 30)]
}

/** What a filter must find, in its order. */
function expected(events: readonly ParkedEvent[], filter: ParkedFilter): readonly ParkedEvent[] {
  const { subscription, stream, position, statuses: among, dueAtMs, afterPosition = 0 } = filter
  return events
    .filter((event) => subscription === undefined || event.subscription === subscription)
    .filter((event) => stream === undefined || event.stream === stream)
    .filter((event) => position === undefined || event.position === position)
    .filter((event) => among === undefined || among.includes(event.status))
    .filter(({ nextAtMs }) => dueAtMs === undefined || (nextAtMs !== null && nextAtMs <= dueAtMs))
    .filter((event) => event.position > afterPosition)
    .toSorted((a, b) =>
      a.subscription === b.subscription ? a.position - b.position : a.subscription < b.subscription ? -1 : 1,
    )
    .slice(0, filter.limit)
}

/** Each condition by itself, then many at once. */
function filters(): readonly ParkedFilter[] {
  const limit = 1_000
  const single: readonly Omit<ParkedFilter, 'limit'>[] = [
    {},
    { subscription: 'mails' },
    { subscription: 'unknown' },
    { statuses: ['retrying'] },
    { statuses: ['parked', 'skipped'] },
    { statuses: [] },
    { stream: 'account-2' },
    { position: 7 },
    { dueAtMs: 20_000 },
    { dueAtMs: 19_999 },
    { afterPosition: 20 },
    { afterPosition: 0 },
  ]
  const random = seededRandom(7)
  const either = <Value>(value: Value): Value | undefined => (random() < 0.4 ? value : undefined)
  const mixed = range(1, 60).map((n) => ({
    subscription: either(n % 2 === 0 ? 'mails' : 'mails#1'),
    statuses: either(statuses.filter(() => random() < 0.6)),
    stream: either(`account-${n % 4}`),
    dueAtMs: either(Math.floor(random() * 60_000)),
    afterPosition: either(Math.floor(random() * 60)),
    limit: 1 + Math.floor(random() * 10),
  }))
  return [...single.map((filter) => ({ ...filter, limit })), ...mixed]
}

const parking: readonly ConformanceCase[] = [
  {
    name: 'a parked event comes back as it was put, replaced and dropped by its position',
    run: async (book) => {
      const { following } = book.store
      const odd = 'ž 🦉 \'"%\n'
      const first = parkedEvent(7, { error: odd, reason: odd, actor: odd, nextAtMs: 2 ** 52 })
      const second = parkedEvent(8, { error: null, attempts: 0, status: 'waiting' })
      await park(book, [second, first, parkedEvent(7, { subscription: 'others' })])
      const found = (): Promise<readonly ParkedEvent[]> =>
        following.parked({ subscription: 'mails', limit: 10 })
      assert.deepEqual(await found(), [first, second])
      const skipped = { ...first, status: 'skipped', nextAtMs: null, error: null, attempts: 9 } as const
      await park(book, [skipped])
      assert.deepEqual(await found(), [skipped, second])
      await following.transaction(async (transaction) => {
        await transaction.dropParked('mails', 7)
        await transaction.dropParked('mails', 99)
      })
      assert.deepEqual(await found(), [second])
      assert.equal((await following.parked({ limit: 10 })).length, 2)
    },
  },
  {
    name: 'words that no database can hold do not keep an event from being parked',
    run: async (book) => {
      await park(book, [parkedEvent(1, { error: 'a\0b\ud800', reason: '\0', actor: '\udfff' })])
      const replaced = { error: 'a\ufffdb\ufffd', reason: '\ufffd', actor: '\ufffd' }
      assert.deepEqual(await book.store.following.parked({ limit: 1 }), [parkedEvent(1, replaced)])
    },
  },
  {
    name: 'parked events are found by every condition, ordered by subscription and position',
    run: async (book) => {
      const events = many()
      await park(book, events)
      const { following } = book.store
      for (const filter of filters()) {
        const told = JSON.stringify(filter)
        assert.deepEqual(await following.parked(filter), expected(events, filter), told)
        const inside = await following.transaction((transaction) => transaction.parked(filter))
        assert.deepEqual(inside, expected(events, filter), told)
      }
    },
  },
  {
    name: 'parked events are counted by subscription and status, in byte order',
    run: async (book) => {
      const { following } = book.store
      assert.deepEqual(await following.countParked(), [])
      const of = (subscription: string, status: ParkedStatus, ...places: readonly number[]) =>
        places.map((position) => parkedEvent(position, { subscription, status }))
      await park(book, [
        ...of('🦉', 'parked', 1),
        ...of('\ufb01', 'waiting', 1, 2),
        ...of('a', 'skipped', 1),
        ...of('a', 'parked', 2, 3, 4),
        ...of('Z', 'retrying', 9),
      ])
      assert.deepEqual(await (await book.open()).following.countParked(), [
        { subscription: 'Z', status: 'retrying', count: 1 },
        { subscription: 'a', status: 'parked', count: 3 },
        { subscription: 'a', status: 'skipped', count: 1 },
        { subscription: '\ufb01', status: 'waiting', count: 2 },
        { subscription: '🦉', status: 'parked', count: 1 },
      ])
    },
  },
]

const inbox: readonly ConformanceCase[] = [
  {
    name: 'an inbox tells which ids a subscription remembers, until they are forgotten',
    run: async (book) => {
      const { following } = book.store
      const seen = (subscription: string, ...ids: readonly string[]): Promise<readonly string[]> =>
        following.transaction(async (transaction) => [...(await transaction.seen(subscription, ids))].sort())
      await following.transaction(async (transaction) => {
        await transaction.remember('mails', [
          { id: 'e1', position: 1 },
          { id: 'e2', position: 2 },
          { id: 'e3', position: 3 },
        ])
        await transaction.remember('mails', [{ id: 'e2', position: 2 }])
        await transaction.remember('others', [{ id: 'e1', position: 1 }])
        await transaction.remember('mails', [])
      })
      assert.deepEqual(await seen('mails', 'e3', 'e1', 'e9'), ['e1', 'e3'])
      assert.deepEqual(await seen('others', 'e1', 'e2'), ['e1'])
      assert.deepEqual(await seen('unknown', 'e1'), [])
      assert.deepEqual(await seen('mails'), [])
      await following.transaction((transaction) => transaction.forgetSeen('mails', 2))
      assert.deepEqual(await seen('mails', 'e1', 'e2', 'e3'), ['e3'])
      assert.deepEqual(await seen('others', 'e1'), ['e1'])
    },
  },
  {
    name: 'an inbox takes 2,000 ids at once',
    run: async (book) => {
      const events = range(1, 2_000).map((n) => ({ id: `id ${n}`, position: n }))
      const ids = events.map(({ id }) => id)
      await book.store.following.transaction((transaction) => transaction.remember('mails', events))
      const count = (): Promise<number> =>
        book.store.following.transaction(async (transaction) => (await transaction.seen('mails', ids)).size)
      assert.equal(await count(), 2_000)
      await book.store.following.transaction((transaction) => transaction.forgetSeen('mails', 1_500))
      assert.equal(await count(), 500)
    },
  },
]

/** Events that a subscription keeps aside, and those that it has done. */
export const parkedEvents: ConformanceGroup = {
  name: 'parked events and the inbox',
  cases: [...parking, ...inbox],
}
