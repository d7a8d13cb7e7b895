import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { scenario } from 'daybook/testing'
import { account } from './account.ts'
import { accountEvents, type Movement, movementSigns } from './account-events.ts'
import { bank } from './bank.ts'

const opened = accountEvents.AccountOpened({ owner: 'Hana' })
const deposited = accountEvents.MoneyDeposited({ cents: 500_00 })
const elsewhere = { bank: 'KV', account: '12345678' }

const fresh = scenario(account)
const open = fresh.given(opened)
const funded = open.given(deposited)
const closed = open.given(accountEvents.AccountClosed({}))

test('an account is opened once', () => {
  fresh
    .when(account.open('1', { owner: 'Hana' }))
    .then(accountEvents.AccountOpened({ owner: 'Hana', currency: 'CZK', statements: 'monthly' }))
  open.when(account.open('1', { owner: 'Hana' })).thenRefused('AlreadyOpened', { status: 'open' })
  closed.when(account.open('1', { owner: 'Hana' })).thenRefused('AlreadyOpened', { status: 'closed' })
})

test('owners spend what they have, and not a cent more', () => {
  const all = { cents: 500_00 }
  const tooMuch = { cents: 500_01 }
  const facts = { availableCents: 500_00, wantedCents: 500_01 }
  funded.when(account.withdraw('1', all)).then(accountEvents.MoneyWithdrawn(all))
  funded.when(account.withdraw('1', tooMuch)).thenRefused('InsufficientFunds', facts)
  funded.when(account.withdrawByCard('1', all)).then(accountEvents.CardWithdrawalMade(all))
  funded.when(account.withdrawByCard('1', tooMuch)).thenRefused('InsufficientFunds', facts)
  funded.when(account.payLoan('1', all)).then(accountEvents.LoanPaymentMade(all))
  funded.when(account.payLoan('1', tooMuch)).thenRefused('InsufficientFunds', facts)
  const sent = { ...all, counterparty: elsewhere }
  funded.when(account.send('1', sent)).then(accountEvents.TransferSent(sent))
  funded
    .when(account.send('1', { ...tooMuch, counterparty: elsewhere }))
    .thenRefused('InsufficientFunds', facts)
})

test('an agreed overdraft can be drawn', () => {
  const agreed = funded.given(accountEvents.OverdraftAgreed({ limitCents: 100_00 }))
  agreed.when(account.withdraw('1', { cents: 600_00 })).then(accountEvents.MoneyWithdrawn({ cents: 600_00 }))
  agreed.when(account.withdraw('1', { cents: 600_01 })).thenRefused('InsufficientFunds')
})

test('the bank books its charges whatever the balance, and says so when that overdraws the account', () => {
  const fee = accountEvents.FeeCharged({ cents: 14_60 })
  funded.when(account.chargeFee('1', { cents: 14_60 })).then(fee)
  open
    .when(account.chargeFee('1', { cents: 14_60 }))
    .then(fee, accountEvents.OverdraftExceeded({ limitCents: 0, byCents: 14_60 }))
  open
    .given(fee)
    .when(account.chargePenaltyInterest('1', { cents: 20 }))
    .then(
      accountEvents.PenaltyInterestCharged({ cents: 20 }),
      accountEvents.OverdraftExceeded({ limitCents: 0, byCents: 14_80 }),
    )
})

test('what a ledger has booked is recorded even below zero, but only movements, and only of an open account', () => {
  const drawn = accountEvents.MoneyWithdrawn({ cents: 700_00, reference: '9' })
  funded
    .when(account.record('1', drawn))
    .then(drawn, accountEvents.OverdraftExceeded({ limitCents: 0, byCents: 200_00 }))
  closed.when(account.record('1', drawn)).thenRefused('AccountNotOpen', { status: 'closed' })
  fresh.when(account.record('1', drawn)).thenRefused('AccountNotOpen', { status: 'new' })
  const command = account.record('1', drawn)
  const forged = { ...command, input: { type: 'AccountClosed', data: {} } }
  funded.when(forged).thenRefused('NoMovement')
})

test('a correction carries its reason and its operator', () => {
  const correction = { cents: -1_00, reason: 'booked twice', operator: 'operator-7' }
  funded.when(account.adjust('1', correction)).then(accountEvents.BalanceAdjusted(correction))
  assert.throws(
    () => funded.when(account.adjust('1', { ...correction, operator: '' })).thenNothing(),
    /operator/,
  )
  assert.throws(() => funded.when(account.adjust('1', { ...correction, cents: 0 })).thenNothing(), /cents/)
})

test('an account is closed at zero, and then nothing happens to it any more', () => {
  funded.when(account.close('1')).thenRefused('BalanceNotZero', { cents: 500_00 })
  open.when(account.close('1')).then(accountEvents.AccountClosed({}))
  const facts = { status: 'closed' } as const
  closed.when(account.close('1')).thenRefused('AccountNotOpen', facts)
  closed.when(account.deposit('1', { cents: 1 })).thenRefused('AccountNotOpen', facts)
  closed.when(account.creditInterest('1', { cents: 1 })).thenRefused('AccountNotOpen', facts)
  closed.when(account.chargeFee('1', { cents: 1 })).thenRefused('AccountNotOpen', facts)
  closed
    .when(account.receive('1', { cents: 1, counterparty: elsewhere }))
    .thenRefused('AccountNotOpen', facts)
  closed.when(account.agreeOverdraft('1', { limitCents: 1 })).thenRefused('AccountNotOpen', facts)
})

test('every movement changes the balance as its sign says', () => {
  const data = { cents: 7, counterparty: elsewhere, reason: 'why', operator: 'who' }
  const movements: Movement[] = [
    accountEvents.MoneyDeposited(data),
    accountEvents.TransferReceived(data),
    accountEvents.InterestCredited(data),
    accountEvents.ChargeRefunded(data),
    accountEvents.BalanceAdjusted(data),
    accountEvents.MoneyWithdrawn(data),
    accountEvents.CardWithdrawalMade(data),
    accountEvents.TransferSent(data),
    accountEvents.LoanPaymentMade(data),
    accountEvents.PenaltyInterestCharged(data),
    accountEvents.FeeCharged(data),
  ]
  assert.deepEqual(movements.map(({ type }) => type).sort(), Object.keys(movementSigns).sort())
  for (const movement of movements) {
    funded.when(account.record('1', movement)).thenState({
      status: 'open',
      owner: 'Hana',
      cents: 500_00 + 7 * movementSigns[movement.type],
      limitCents: 0,
      movements: 2,
      lastReference: '',
    })
  }
})

test('a fee is taken back by an event of its own', async () => {
  await using book = await openBook({ store: memory(), ...bank })
  await book.execute(account.open('1', { owner: 'Hana' }))
  await book.execute(account.deposit('1', { cents: 500_00 }))
  const { version } = accepted(await book.execute(account.chargeFee('1', { cents: 14_60 })))
  const why = { actor: 'operator-7', reason: 'the statement was never sent' }
  const undone = accepted(await book.undo(account, '1', { version, ...why }))
  assert.deepEqual(
    undone.events.map(({ type }) => type),
    ['ChargeRefunded'],
  )
  assert.equal(undone.state.cents, 500_00)
})
