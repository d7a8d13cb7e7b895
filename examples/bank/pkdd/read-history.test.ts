import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { PkddError } from './errors.ts'
import type { HistoryStep } from './history.ts'
import { readPkddHistory, toHistory } from './read-history.ts'
import type { PkddData, TransactionRow } from './rows.ts'

const row: TransactionRow = {
  transactionId: 1,
  accountId: 5,
  date: '1993-01-31',
  direction: 'credit',
  operation: 'cashDeposit',
  amountCents: 1000,
  signedCents: 1000,
  statedBalanceCents: 1000,
  purpose: undefined,
  partner: undefined,
  line: 2,
}

const data: PkddData = {
  transactions: [row],
  accounts: [
    { accountId: 5, districtId: 1, frequency: 'monthly', openedOn: '1993-01-31' },
    { accountId: 6, districtId: 1, frequency: 'weekly', openedOn: '1993-01-31' },
  ],
  clients: [
    { clientId: 8, districtId: 1, bornOn: '1970-12-13', sex: 'female' },
    { clientId: 9, districtId: 2, bornOn: '1945-02-04', sex: 'male' },
  ],
  dispositions: [
    { dispositionId: 1, clientId: 8, accountId: 5, role: 'owner' },
    { dispositionId: 2, clientId: 9, accountId: 5, role: 'disponent' },
  ],
  cards: [],
  orders: [],
  loans: [],
  districts: [
    {
      districtId: 1,
      name: 'Here',
      region: 'North',
      inhabitants: 1,
      averageSalaryCrowns: 1,
      unemployment1995Percent: null,
      unemployment1996Percent: 1,
    },
  ],
}

test('rows become accounts with their people, and steps in the bank’s order without empty fields', () => {
  const interest: TransactionRow = {
    ...row,
    transactionId: 3,
    operation: undefined,
    purpose: 'interest',
    amountCents: 5,
    signedCents: 5,
    statedBalanceCents: 515,
  }
  const household: TransactionRow = {
    ...row,
    transactionId: 2,
    direction: 'debit',
    operation: 'remittanceToBank',
    purpose: 'household',
    partner: { bank: 'YZ', account: '871' },
    amountCents: 500,
    signedCents: -500,
    statedBalanceCents: 500,
  }
  const { accounts, steps } = toHistory({ ...data, transactions: [interest, household, row] })
  assert.deepEqual(accounts, [
    {
      accountId: '5',
      openedOn: '1993-01-31',
      frequency: 'monthly',
      owner: {
        personId: '8',
        bornOn: '1970-12-13',
        sex: 'female',
        district: { name: 'Here', region: 'North' },
      },
      disponent: { personId: '9', bornOn: '1945-02-04', sex: 'male' },
    },
  ])
  const same = { accountId: '5', date: '1993-01-31' }
  const exact = { differenceCents: 0, agreement: 'exact' }
  const deposit = { transactionId: '1', kind: 'cashDeposit', amountCents: 1000, signedCents: 1000 }
  const transfer = { transactionId: '2', kind: 'transferOut', amountCents: 500, signedCents: -500 }
  const counterparty = { bank: 'YZ', account: '871' }
  assert.deepEqual(steps, [
    { ...same, ...deposit, statedBalanceCents: 1000, ...exact },
    { ...same, ...transfer, statedBalanceCents: 500, ...exact, purpose: 'household', counterparty },
    {
      ...same,
      transactionId: '3',
      kind: 'interest',
      amountCents: 5,
      signedCents: 5,
      statedBalanceCents: 515,
      differenceCents: 10,
      agreement: 'rounding',
    },
  ])
})

test('rows that contradict each other are refused', () => {
  const cases: [Partial<PkddData>, RegExp][] = [
    [{ accounts: [] }, /account\.asc\.gz: Account 5 has transactions but no row/],
    [{ dispositions: [] }, /disp\.asc\.gz: Account 5 has no owner/],
    [{ clients: [] }, /disp\.asc\.gz: Disposition 1 is of no known client/],
    [
      { transactions: [{ ...row, direction: 'debit' }] },
      /trans\.asc\.gz, line 2: Direction debit, operation cashDep/,
    ],
    [
      { transactions: [{ ...row, operation: undefined }] },
      /operation none and purpose none do not go together/,
    ],
  ]
  for (const [change, message] of cases) {
    assert.throws(
      () => toHistory({ ...data, ...change }, 'data'),
      (error) => {
        assert.ok(error instanceof PkddError)
        assert.equal(error.code, 'InconsistentData')
        assert.match(error.message, message)
        return true
      },
    )
  }
})

const repository = resolve(import.meta.dirname, '../../..')
const { DAYBOOK_PKDD99: named } = process.env
const directory = named ?? resolve(repository, '../shared/data/pkdd99')
// A directory that is named must be there; only the usual place may be missing.
const skip =
  named === undefined && !existsSync(directory)
    ? "the PKDD'99 data is not here; set DAYBOOK_PKDD99 to the directory that holds trans.asc.gz and the others"
    : false

test('the real data: order and differences found from the balances', { skip }, async () => {
  const { accounts, steps } = await readPkddHistory(directory)
  assert.equal(accounts.length, 989)
  assert.equal(steps.length, 39_333)
  const count = (test: (step: HistoryStep) => boolean): number => steps.filter(test).length
  assert.equal(
    count((step) => step.agreement === 'exact'),
    37_469,
  )
  assert.equal(
    count((step) => step.agreement === 'rounding'),
    1_844,
  )
  assert.equal(
    count((step) => step.agreement === 'other'),
    20,
  )
  // The excerpt seems to end amid the bookings of 31 March 1994: each gap is the size of a month's interest.
  const others = steps.filter((step) => step.agreement === 'other')
  assert.ok(others.every((step) => step.date === '1994-03-31' && step.differenceCents > 0))
  assert.equal(
    count((step) => step.statedBalanceCents < 0),
    75,
  )

  for (const [accountId, own] of Map.groupBy(steps, (step) => step.accountId)) {
    let balance = 0
    for (const step of own) {
      balance += step.signedCents + step.differenceCents
      assert.equal(step.statedBalanceCents, balance)
    }
    const account = accounts.find((one) => one.accountId === accountId)
    assert.equal(own[0]?.date, account?.openedOn)
  }
})
