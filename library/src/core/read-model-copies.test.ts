import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReadModelCopy, ReadModelRecord } from './ports/following.ts'
import {
  answeringCopy,
  copyOfSubscription,
  copySubscription,
  leftCopies,
  nextCopy,
  ownCopy,
  recordWhenOpened,
  recordWhenSwapped,
} from './read-model-copies.ts'

const copy = (version: number, generation = 1): ReadModelCopy => ({ version, generation })

function record(serving: ReadModelCopy, others: Partial<ReadModelRecord> = {}): ReadModelRecord {
  return { name: 'sums', serving, previous: undefined, next: undefined, changedAtMs: 0, ...others }
}

const opened = (held: ReadModelRecord | undefined, version: number, stored: readonly ReadModelCopy[] = []) =>
  recordWhenOpened({ name: 'sums', record: held, stored }, version, 0)

test('the name of a checkpoint says which copy it is of, and only of its own read model', () => {
  for (const each of [copy(2), copy(2, 3), copy(12, 10)])
    assert.deepEqual(copyOfSubscription('sums', copySubscription('sums', each)), each)
  assert.equal(copySubscription('sums', copy(2)), 'sums@2')
  for (const other of ['sums@2.3#1', 'sums-daily@2', 'sum@2', 'sums', 'sums@', 'sums@x'])
    assert.equal(copyOfSubscription('sums', other), undefined, other)
})

test('which copy serves when code of a version is opened', () => {
  const cases: readonly [string, ReadModelRecord, ReadModelRecord][] = [
    ['a new book: the first version serves', opened(undefined, 3), record(copy(3))],
    ['from before: its own', opened(undefined, 2, [copy(2)]), record(copy(2))],
    [
      'from before: its own, and the older to go back to',
      opened(undefined, 2, [copy(1), copy(2)]),
      record(copy(2), { previous: copy(1) }),
    ],
    [
      'from before: an older one serves',
      opened(undefined, 3, [copy(1), copy(2)]),
      record(copy(2), { next: copy(3) }),
    ],
    ['the same again', opened(record(copy(2, 4)), 2), record(copy(2, 4))],
    ['a newer one is filled beside', opened(record(copy(2, 4)), 3), record(copy(2, 4), { next: copy(3) })],
    [
      'one newer than that takes its place',
      opened(record(copy(2), { next: copy(3) }), 4),
      record(copy(2), { next: copy(4) }),
    ],
    [
      'one between changes nothing',
      opened(record(copy(2), { next: copy(4) }), 3),
      record(copy(2), { next: copy(4) }),
    ],
    ['an older one changes nothing', opened(record(copy(2)), 1), record(copy(2))],
    [
      'one that was taken back is not begun again',
      opened(record(copy(1), { previous: copy(2) }), 2),
      record(copy(1), { previous: copy(2) }),
    ],
  ]
  for (const [name, actual, expected] of cases) assert.deepEqual(actual, expected, name)
})

test('which copy code of a version reads and keeps up to date', () => {
  const swapped = recordWhenSwapped(record(copy(1), { next: copy(2) }), copy(2), 5)
  assert.deepEqual(swapped, record(copy(2), { previous: copy(1), changedAtMs: 5 }))
  const cases: readonly [string, ReadModelRecord, number, ReadModelCopy, ReadModelCopy][] = [
    ['newer code, before the swap', record(copy(1), { next: copy(2) }), 2, copy(1), copy(2)],
    ['older code, before the swap', record(copy(1), { next: copy(2) }), 1, copy(1), copy(1)],
    ['newer code, after the swap', swapped, 2, copy(2), copy(2)],
    ['older code, after the swap', swapped, 1, copy(1), copy(1)],
    ['code older still', record(copy(3), { previous: copy(2) }), 1, copy(1), copy(1)],
    ['while it is filled again', record(copy(2), { next: copy(2, 2) }), 2, copy(2), copy(2)],
    ['after it was filled again', record(copy(2, 2), { previous: copy(2) }), 2, copy(2, 2), copy(2, 2)],
  ]
  for (const [name, held, version, read, kept] of cases) {
    assert.deepEqual(answeringCopy(held, version), read, name)
    assert.deepEqual(ownCopy(held, version), kept, name)
  }
})

test('a copy that is filled again has a number that no other has, and goes on where it was begun', () => {
  const stored = [copy(2), copy(2, 2), copy(3)]
  assert.deepEqual(nextCopy({ name: 'sums', record: record(copy(2)), stored }, 2), copy(2, 3))
  assert.deepEqual(
    nextCopy({ name: 'sums', record: record(copy(2, 5), { previous: copy(2, 4) }), stored }, 2),
    copy(2, 6),
  )
  assert.deepEqual(
    nextCopy({ name: 'sums', record: record(copy(2), { next: copy(2, 3) }), stored }, 2),
    copy(2, 3),
  )
  assert.deepEqual(nextCopy({ name: 'sums', record: record(copy(2)), stored: [copy(2)] }, 3), copy(3))
})

test('copies that the record does not name are left over', () => {
  const held = record(copy(2, 2), { previous: copy(2), next: copy(3) })
  assert.deepEqual(leftCopies(held, [copy(1), copy(2), copy(2, 2), copy(3), copy(3, 2)]), [
    copy(1),
    copy(3, 2),
  ])
})
