import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GenerateOptions, generateHistory, ownBank } from './generate.ts'
import { type History, type HistoryStep, stepDirections } from './history.ts'
import { orderMovements } from './order.ts'
import { Random } from './random.ts'

const options: GenerateOptions = { seed: 1993, accounts: 60, months: 24 }
const history = generateHistory(options)

function stepsByAccount({ steps }: History): Map<string, HistoryStep[]> {
  return Map.groupBy(steps, (step) => step.accountId)
}

test('the same options give the same history, another seed another', () => {
  assert.deepEqual(generateHistory(options), history)
  assert.notDeepEqual(generateHistory({ ...options, seed: 1994 }).steps, history.steps)
})

test('a history is whole: dates rise, ids are unique, accounts and steps belong together', () => {
  const ids = new Set(history.steps.map((step) => step.transactionId))
  assert.equal(ids.size, history.steps.length)
  const byAccount = stepsByAccount(history)
  assert.deepEqual(new Set(byAccount.keys()), new Set(history.accounts.map((account) => account.accountId)))
  assert.equal(history.accounts.length, 60)
  let date = '1993-01-01'
  for (const step of history.steps) {
    assert.ok(step.date >= date && step.date <= '1994-12-31')
    date = step.date
  }
  for (const { accountId, openedOn } of history.accounts) {
    const [first] = byAccount.get(accountId) ?? []
    assert.deepEqual([first?.date, first?.kind], [openedOn, 'cashDeposit'])
  }
})

test('every step is exact, signed as its kind says, and leaves no balance below zero', () => {
  for (const steps of stepsByAccount(history).values()) {
    let balance = 0
    for (const step of steps) {
      const sign = stepDirections[step.kind] === 'credit' ? 1 : -1
      assert.ok(step.amountCents > 0)
      assert.equal(step.signedCents, sign * step.amountCents)
      balance += step.signedCents
      assert.equal(step.statedBalanceCents, balance)
      assert.deepEqual([step.agreement, step.differenceCents], ['exact', 0])
      assert.ok(balance >= 0)
    }
  }
})

test('it is lively: every kind but penalty interest occurs, people pay one another, some accounts close', () => {
  const kinds = new Set(history.steps.map((step) => step.kind))
  assert.deepEqual(
    [...kinds].sort(),
    Object.keys(stepDirections)
      .filter((kind) => kind !== 'penaltyInterest')
      .sort(),
  )
  for (const purpose of ['household', 'insurance', 'pension', 'rent', 'salary']) {
    assert.ok(
      history.steps.some((step) => step.purpose === purpose),
      purpose,
    )
  }
  const closed = history.accounts.filter((account) => account.closedOn !== undefined)
  assert.ok(closed.length >= 2)
  for (const account of closed) {
    const last = stepsByAccount(history).get(account.accountId)?.at(-1)
    assert.deepEqual([last?.date, last?.statedBalanceCents], [account.closedOn, 0])
  }
})

test('a transfer within the bank is two neighbouring steps that name each other', () => {
  const sent = history.steps.flatMap((step, at) =>
    step.transferId && step.kind === 'transferOut' ? [{ step, at }] : [],
  )
  assert.ok(sent.length > 50)
  for (const { step, at } of sent) {
    const received = history.steps[at + 1]
    assert.equal(received?.transferId, step.transferId)
    assert.equal(received?.kind, 'transferIn')
    assert.equal(received?.amountCents, step.amountCents)
    assert.deepEqual(step.counterparty, { bank: ownBank, account: received?.accountId })
    assert.deepEqual(received?.counterparty, { bank: ownBank, account: step.accountId })
  }
  const withId = history.steps.filter((step) => step.transferId)
  assert.equal(withId.length, 2 * sent.length)
})

test('overdrafts, roundings and lost interest appear when asked for', () => {
  const odd = generateHistory({
    ...options,
    overdraftShare: 0.5,
    roundingShare: 0.3,
    lostInterestShare: 0.05,
  })
  const penalties = odd.steps.filter((step) => step.kind === 'penaltyInterest')
  assert.ok(penalties.length > 0)
  assert.ok(penalties.every((step) => step.statedBalanceCents < 0))
  const rounded = odd.steps.filter((step) => step.agreement === 'rounding' && step.kind === 'interest')
  assert.ok(rounded.length > 50)
  assert.ok(odd.steps.some((step) => step.agreement === 'other' && step.differenceCents > 10))
})

test('the order within a day can be found again from the balances alone', () => {
  const random = new Random(5)
  for (const steps of stepsByAccount(history).values()) {
    const movements = steps.map((step) => ({ ...step, transactionId: Number(step.transactionId) }))
    const ordered = orderMovements(random.shuffled(movements))
    assert.ok(ordered.every(({ agreement }) => agreement === 'exact'))
    assert.deepEqual(
      ordered.map(({ movement }) => movement.statedBalanceCents),
      steps.map((step) => step.statedBalanceCents),
    )
  }
})

test('the first month can be chosen, and a history of one account and one month exists', () => {
  const small = generateHistory({ seed: 0, accounts: 1, months: 1, firstMonth: '2024-02' })
  assert.equal(small.steps[0]?.date, small.accounts[0]?.openedOn)
  assert.equal(small.steps.at(-1)?.date, '2024-02-29')
})

test('options out of bounds are refused by name', () => {
  const bad: [Partial<GenerateOptions>, RegExp][] = [
    [{ seed: -1 }, /seed is -1/],
    [{ seed: 2 ** 32 }, /seed/],
    [{ accounts: 0 }, /accounts is 0/],
    [{ accounts: 1.5 }, /accounts/],
    [{ months: 601 }, /months is 601/],
    [{ accounts: 100_000, months: 6 }, /600000/],
    [{ firstMonth: '1993-13' }, /firstMonth/],
    [{ overdraftShare: 1.1 }, /overdraftShare is 1.1/],
    [{ roundingShare: Number.NaN }, /roundingShare/],
  ]
  for (const [change, message] of bad) {
    assert.throws(() => generateHistory({ ...options, ...change }), { name: 'RangeError', message })
  }
})
