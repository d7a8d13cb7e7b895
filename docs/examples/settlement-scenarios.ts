// #region scenarios
import { describe, it } from 'node:test'
import { deadline, finish, refuse } from 'daybook'
import { processScenario } from 'daybook/testing'
import { settlement } from './settlement.ts'
import { purse, purseEvents, withdrawal, withdrawalEvents } from './withdrawals.ts'

const requested = withdrawalEvents.WithdrawalRequested({ account: '1', cents: 300 })
const reserved = purseEvents.MoneyReserved({ cents: 300, withdrawal: '7' })
const reserve = purse.reserve('1', { cents: 300, withdrawal: '7' })

describe('settlement', () => {
  const begun = processScenario(settlement).given('withdrawal-7', requested)

  it('reserves the money, and gives it 24 hours', () => {
    processScenario(settlement).when('withdrawal-7', requested).then(reserve)
    begun.when('purse-1', reserved).then(deadline.set('settle', { hours: 24 }))
  })

  it('cancels what is not settled', () => {
    begun
      .given('purse-1', reserved)
      .whenReached('settle')
      .then(withdrawal.cancel('7', { reason: 'not settled within 24 hours' }))
  })

  it('cancels what there is no money for', () => {
    begun
      .whenRefused(reserve, refuse('InsufficientFunds'))
      .then(withdrawal.cancel('7', { reason: 'InsufficientFunds' }))
  })

  it('gives the money back, and ends', () => {
    begun
      .given('purse-1', reserved)
      .when('withdrawal-7', withdrawalEvents.WithdrawalCancelled({ reason: 'changed my mind' }))
      .then(purse.release('1', { cents: 300 }), finish())
  })
})
// #endregion
