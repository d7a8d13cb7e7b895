import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deepFreeze, valueFold } from './fold.ts'
import { FoldedEvent, RowReader } from './recorded-event.ts'
import type { EventRow } from './row-hash.ts'

const row: EventRow = {
  position: 7,
  stream: 'account-4-2',
  version: 3,
  type: 'Deposited',
  schemaVersion: 1,
  id: '00000000-0000-7000-8000-000000000001',
  data: '{"cents":5}',
  metadata: '{"actor":"teller"}',
  tags: '["red"]',
  recordedAtMs: 0,
}

const evolve = {
  Deposited: (state: { cents: number }, data: { cents: number }) => ({ cents: state.cents + data.cents }),
}

test('a fold starts at its frozen initial state and skips types it does not know', () => {
  const initialState = { cents: 0, list: [{ inner: 1 }] }
  const fold = valueFold('account', initialState, evolve, 1)
  assert.equal(Object.isFrozen(initialState.list[0]), true)
  assert.throws(() => initialState.list.push({ inner: 2 }), TypeError)
  const state = fold.evolve(fold.initial(), new FoldedEvent(row))
  assert.deepEqual(state, { cents: 5 })
  assert.equal(fold.evolve(state, new FoldedEvent({ ...row, type: 'Unknown' })), state)
  assert.equal(fold.evolve(state, new FoldedEvent({ ...row, type: 'constructor' })), state)
})

test('what evolve throws says where', () => {
  const cause = new Error('no such owner')
  const throwing = {
    Deposited: () => {
      throw cause
    },
  }
  const fold = valueFold('account', {}, throwing, 1)
  assert.throws(() => fold.evolve({}, new FoldedEvent(row)), {
    code: 'EVOLVE_FAILED',
    cause,
    facts: { fold: 'account', type: 'Deposited', stream: 'account-4-2', version: 3, position: 7 },
  })
  assert.throws(() => valueFold('account', {}, { Deposited: 'not a function' }, 1), {
    code: 'DEFINITION_INVALID',
  })
})

test('the fingerprint follows the code, the initial state and the version, not the order of functions', () => {
  const text = (initial: unknown, functions: { readonly [type: string]: unknown }, version = 1): string =>
    valueFold('account', initial, functions, version).fingerprintText
  const other = { Closed: () => ({}), ...evolve }
  assert.equal(text({}, other), text({}, { ...evolve, Closed: other.Closed }))
  const texts = [text({}, evolve), text({ a: 1 }, evolve), text({}, evolve, 2), text({}, other), text({}, {})]
  assert.equal(new Set(texts).size, texts.length)
})

test('freezing reaches everything, stops at what is frozen, and leaves buffers alone', () => {
  const shared = Object.freeze({ old: true })
  const value = deepFreeze({ list: [1, { deep: {} }], shared, bytes: new Uint8Array(1), nothing: null })
  assert.throws(() => Object.assign(value.list[1] as object, { added: 1 }), TypeError)
  value.bytes[0] = 1
  assert.equal(value.bytes[0], 1)
  assert.equal(deepFreeze('text'), 'text')
})

test('a Map or Set in a state cannot be changed by one of its holders, a copy can', () => {
  const state = deepFreeze({ seats: new Set([1]), owners: new Map([[1, { name: 'Ada' }]]) })
  for (const change of [
    () => state.seats.add(2),
    () => state.seats.delete(1),
    () => state.seats.clear(),
    () => state.owners.set(2, { name: 'Bob' }),
    () => state.owners.delete(1),
    () => state.owners.clear(),
  ]) {
    assert.throws(change, TypeError)
  }
  assert.deepEqual([[...state.seats], state.owners.size], [[1], 1])
  const copy = { seats: new Set(state.seats).add(2), owners: new Map(state.owners).set(2, { name: 'Bob' }) }
  assert.deepEqual([[...copy.seats], copy.owners.size], [[1, 2], 2])
  assert.deepEqual(state, { seats: new Set([1]), owners: new Map([[1, { name: 'Ada' }]]) })
})

test('an evolve that changes the Set it was given fails, and the initial state stays as it was', () => {
  const mutating = {
    Deposited: (state: { seen: Set<number> }, { cents }: { cents: number }) => {
      state.seen.add(cents)
      return state
    },
  }
  const fold = valueFold('room', { seen: new Set<number>() }, mutating, 1)
  assert.throws(() => fold.evolve(fold.initial(), new FoldedEvent(row)), { code: 'EVOLVE_FAILED' })
  assert.deepEqual(fold.initial(), { seen: new Set() })
})

test('a folded event shows what the plain one shows', () => {
  const plain = new RowReader().event(row)
  const folded = new FoldedEvent(row)
  assert.deepEqual(JSON.parse(JSON.stringify(folded)), JSON.parse(JSON.stringify(plain)))
  assert.deepEqual(plain, {
    ...folded.toJSON(),
    category: folded.category,
    streamId: '4-2',
    metadata: folded.metadata,
    tags: folded.tags,
    recordedAt: '1970-01-01T00:00:00.000Z',
  })
})
