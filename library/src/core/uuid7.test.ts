import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuid7Maker } from '../host/uuid7.ts'

const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

test('ids are UUIDs of version 7 and strictly increase within a millisecond', () => {
  const newId = uuid7Maker(() => 1_767_225_600_000)
  const ids = Array.from({ length: 20_000 }, newId)
  assert.equal(new Set(ids).size, ids.length)
  assert.deepEqual(ids, ids.toSorted())
  for (const id of ids.slice(0, 100)) {
    assert.match(id, version7)
    assert.equal(timeOf(id), 1_767_225_600_000)
  }
})

test('a clock that steps back keeps the time already used, one that goes on is followed', () => {
  const times = [1_000, 5_000, 4_000, 1, 5_000, 5_001]
  let turn = 0
  const newId = uuid7Maker(() => times[turn++] ?? 0)
  const ids = times.map(newId)
  assert.deepEqual(ids.map(timeOf), [1_000, 5_000, 5_000, 5_000, 5_000, 5_001])
  assert.deepEqual(ids, ids.toSorted())
})

test('two makers at the same instant do not meet', () => {
  const makers = Array.from({ length: 50 }, () => uuid7Maker(() => 1_000))
  const ids = makers.flatMap((newId) => Array.from({ length: 50 }, newId))
  assert.equal(new Set(ids).size, ids.length)
})
