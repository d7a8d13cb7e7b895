// #region scenarios
import { describe, it } from 'node:test'
import { scenario } from 'daybook/testing'
import { account, accountEvents } from './account.ts'

const { AccountOpened, MoneyDeposited, MoneyWithdrawn } = accountEvents

describe('withdrawing', () => {
  const funded = scenario(account).given(AccountOpened({ owner: 'Ada' }), MoneyDeposited({ cents: 2_000 }))

  it('pays out what is there', () => {
    funded.when(account.withdraw('42', { cents: 500 })).then(MoneyWithdrawn({ cents: 500 }))
  })

  it('is refused beyond the balance', () => {
    funded
      .when(account.withdraw('42', { cents: 2_500 }))
      .thenRefused('InsufficientFunds', { available: 2_000 })
  })

  it('leaves the rest', () => {
    funded.when(account.withdraw('42', { cents: 500 })).thenState({ isOpen: true, cents: 1_500 })
  })
})

// #endregion

// #region projection
import assert from 'node:assert/strict'
import { foldProjection } from 'daybook/testing'
import { balances } from './balances.ts'

it('balances count movements', () => {
  const documents = foldProjection(balances, [
    { stream: 'account-42', events: [AccountOpened({ owner: 'Ada' }), MoneyDeposited({ cents: 2_000 })] },
  ])
  assert.deepEqual(documents.get('42'), { owner: 'Ada', cents: 2_000, movements: 1 })
})

// #endregion

// #region book
import { accepted, openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { testHost } from 'daybook/testing'

it('an event is recorded at the time of the test', async () => {
  const host = testHost({ now: Date.parse('2026-03-01T09:00:00Z') })
  await using book = await openBook({ store: memory(), deciders: [account], host })
  const { events } = accepted(await book.execute(account.open('42', { owner: 'Ada' })))
  assert.equal(events[0]?.recordedAt, '2026-03-01T09:00:00.000Z')
})
// #endregion
