import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Book, decider, defineEvents, openBook } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: {},
})

const day = (date: number): number => Date.UTC(2026, 0, date)

/** 1 cent recorded on the 1st, 10 on the 2nd that happened in 2025, 100 on the 3rd; another stream in between. */
async function history(): Promise<Book> {
  let nowMs = day(1)
  const book = await openBook({ store: memory(), deciders: [account], host: { now: () => nowMs } })
  await book.append('account-1', events.Deposited({ cents: 1 }))
  await book.append('account-2', events.Deposited({ cents: 7 }))
  nowMs = day(2)
  await book.append('account-1', events.Deposited({ cents: 10 }), { occurredAt: '2025-12-24' })
  nowMs = day(3)
  await book.append('account-1', events.Deposited({ cents: 100 }))
  return book
}

const answers = [
  [{ atVersion: 0 }, 0, 0],
  [{ atVersion: 2 }, 11, 2],
  [{ atVersion: 99 }, 111, 3],
  [{ atPosition: 0 }, 0, 0],
  [{ atPosition: 2 }, 1, 1],
  [{ atPosition: 3 }, 11, 2],
  [{ atTime: '2026-01-01T00:00:00Z' }, 11, 2],
  [{ atTime: '2025-12-31' }, 10, 2],
  [{ atTime: '2025-12-23' }, 0, 0],
  [{ atTime: '2026-01-01T23:59:59Z', timeline: 'recorded' }, 1, 1],
  [{ atTime: '2026-01-02', timeline: 'recorded' }, 11, 2],
  [{ atTime: '2026-01-03T00:00:00.000Z', timeline: 'recorded' }, 111, 3],
  [{ atTime: '2026-01-02T23:59:59.999Z', timeline: 'recorded' }, 11, 2],
  [{}, 111, 3],
] as const

test('a state is loaded as of a version, a position, a business time or a recorded time', async () => {
  await using book = await history()
  for (const [asOf, cents, version] of answers) {
    const at = await book.load(account, '1', asOf)
    assert.deepEqual([at.state.cents, at.version], [cents, version], JSON.stringify(asOf))
  }
})

test('what was loaded in the past is not mistaken for the present', async () => {
  await using book = await history()
  await book.load(account, '1', { atVersion: 1 })
  assert.equal((await book.load(account, '1')).state.cents, 111)
  await book.load(account, '1', { atVersion: 1 })
  assert.equal((await book.load(account, '1')).version, 3)
})

test('a state is a value that its holders cannot change', async () => {
  await using book = await history()
  const { state } = await book.load(account, '1')
  assert.throws(() => Object.assign(state, { cents: 1_000_000 }), TypeError)
  assert.equal((await book.load(account, '1')).state.cents, 111)
})

test('two bounds, or bounds that are none, are refused', async () => {
  await using book = await history()
  const illegal = [
    { atVersion: 1, atPosition: 1 },
    { atVersion: -1 },
    { atVersion: 1.5 },
    { atPosition: Number.NaN },
    { atTime: 'yesterday' },
    { atTime: '2026-01-01T00:00:00' },
  ]
  for (const asOf of illegal) {
    await assert.rejects(book.load(account, '1', asOf), { code: 'ILLEGAL_ARGUMENT' }, JSON.stringify(asOf))
  }
})
