import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareBalance } from './history.ts'
import { type Movement, type OrderedMovement, orderMovements } from './order.ts'
import { Random } from './random.ts'

const day = '1993-01-31'

function movement(
  transactionId: number,
  signedCents: number,
  statedBalanceCents: number,
  date = day,
): Movement {
  return { transactionId, date, signedCents, statedBalanceCents }
}

function ids(ordered: readonly OrderedMovement<Movement>[]): number[] {
  return ordered.map(({ movement }) => movement.transactionId)
}

/** `[others, roundings, total error]` of transactions in the given order. */
function costOf(movements: readonly Movement[], openingCents = 0): [number, number, number] {
  const cost: [number, number, number] = [0, 0, 0]
  let balance = openingCents
  for (const { signedCents, statedBalanceCents } of movements) {
    const { agreement, differenceCents } = compareBalance(balance, signedCents, statedBalanceCents)
    cost[0] += agreement === 'other' ? 1 : 0
    cost[1] += agreement === 'rounding' ? 1 : 0
    cost[2] += Math.abs(differenceCents)
    balance = statedBalanceCents
  }
  return cost
}

function permutations<Value>(values: readonly Value[]): Value[][] {
  if (values.length === 0) return [[]]
  return values.flatMap((value, at) => permutations(values.toSpliced(at, 1)).map((rest) => [value, ...rest]))
}

/** A day's transactions in the bank's order, that start from `openingCents`. */
function chainedDay(random: Random, size: number, openingCents = 0): Movement[] {
  let balance = openingCents
  return Array.from({ length: size }, (_, index) => {
    const signedCents = random.integer(-200, 300) * 100
    balance += signedCents
    return movement(index + 1, signedCents, balance)
  })
}

test('no transactions have an order', () => {
  assert.deepEqual(orderMovements([]), [])
})

test('days come in order, within a day each balance follows from the one before', () => {
  const ordered = orderMovements([
    movement(4, 50, 1000, '1993-02-01'),
    movement(3, -1000, 500),
    movement(1, 1000, 1500),
    movement(2, 450, 950, '1993-02-01'),
    movement(5, 500, 500),
  ])
  assert.deepEqual(ids(ordered), [5, 1, 3, 2, 4])
  assert.ok(ordered.every(({ agreement, differenceCents }) => agreement === 'exact' && differenceCents === 0))
})

test('an account starts from zero, or from the balance given', () => {
  const [fromZero] = orderMovements([movement(1, 100, 600)])
  assert.deepEqual([fromZero?.agreement, fromZero?.differenceCents], ['other', 500])
  const [given] = orderMovements([movement(1, 100, 600)], { openingBalanceCents: 500 })
  assert.equal(given?.agreement, 'exact')
})

test('a difference of 10 cents is rounding, of 11 is other, each with its sign', () => {
  const ordered = orderMovements([
    movement(1, 1000, 1010, '1993-01-01'),
    movement(2, 1000, 2000, '1993-01-02'),
    movement(3, 1000, 3011, '1993-01-03'),
    movement(4, 1000, 4000, '1993-01-04'),
  ])
  assert.deepEqual(
    ordered.map(({ agreement, differenceCents }) => [agreement, differenceCents]),
    [
      ['rounding', 10],
      ['rounding', -10],
      ['other', 11],
      ['other', -11],
    ],
  )
})

test('an order is found where every step is rounded', () => {
  const rounded = [movement(1, 100, 110), movement(2, 100, 220), movement(3, 100, 330)]
  assert.deepEqual(ids(orderMovements(rounded.toReversed())), [1, 2, 3])
})

test('orders that end differently and are equally good are decided by the next day', () => {
  // Neither of the first day's transactions fits; the second day follows from transaction 1, so that is the last.
  const ambiguous = [movement(1, 0, 1000), movement(2, 0, -1000)]
  assert.deepEqual(ids(orderMovements([...ambiguous, movement(3, 5, 1005, '1993-02-01')])), [2, 1, 3])
  assert.deepEqual(ids(orderMovements([...ambiguous, movement(3, 5, -995, '1993-02-01')])), [1, 2, 3])
})

test('the order found is never worse than the best of all permutations', () => {
  const random = new Random(1993)
  for (let round = 0; round < 300; round++) {
    const openingCents = random.integer(0, 5) * 100
    const movements = chainedDay(random, random.integer(1, 6), openingCents).map((one) => {
      const offBy = random.pick([0, 0, 0, 10, -10, 7, 19900, -300])
      return { ...one, statedBalanceCents: one.statedBalanceCents + offBy }
    })
    const found = orderMovements(random.shuffled(movements), { openingBalanceCents: openingCents })
    const costs = permutations(movements).map((order) => costOf(order, openingCents))
    const [best] = costs.sort((one, other) => one[0] - other[0] || one[1] - other[1] || one[2] - other[2])
    assert.deepEqual(
      costOf(
        found.map((one) => one.movement),
        openingCents,
      ),
      best,
    )
  }
})

test('the order of the input does not matter, not even where orders tie', () => {
  const random = new Random(7)
  for (let round = 0; round < 50; round++) {
    const movements = Array.from({ length: 7 }, (_, index) =>
      movement(index + 1, random.integer(-2, 2), random.integer(-3, 3)),
    )
    const expected = orderMovements(movements)
    assert.deepEqual(orderMovements(random.shuffled(movements)), expected)
  }
})

test('a day of 400 shuffled transactions, one of them lost, one rounded, is put back in order', () => {
  const random = new Random(42)
  let balance = 0
  const booked = Array.from({ length: 400 }, (_, index) => {
    const signedCents = random.integer(-50_000, 80_000)
    balance += signedCents + (index === 300 ? 10 : 0)
    return movement(index + 1, signedCents, balance)
  })
  const stated = booked.toSpliced(150, 1)
  const ordered = orderMovements(random.shuffled(stated))
  assert.deepEqual(
    ordered.map((one) => one.movement),
    stated,
  )
  const odd = ordered.filter(({ agreement }) => agreement !== 'exact')
  assert.deepEqual(
    odd.map(({ agreement, differenceCents }) => [agreement, differenceCents]),
    [
      ['other', booked[150]?.signedCents],
      ['rounding', 10],
    ],
  )
})

test('the work for a day is bounded, and what is found is whole, even where nothing fits', () => {
  const random = new Random(3)
  const hopeless = Array.from({ length: 500 }, (_, index) =>
    movement(index + 1, random.integer(-1e6, 1e6), random.integer(-1e6, 1e6)),
  )
  const started = performance.now()
  const ordered = orderMovements(hopeless, { maxComparisonsPerDay: 100_000 })
  assert.ok(performance.now() - started < 20_000)
  assert.equal(new Set(ids(ordered)).size, 500)
  assert.deepEqual(orderMovements(random.shuffled(hopeless), { maxComparisonsPerDay: 100_000 }), ordered)
})
