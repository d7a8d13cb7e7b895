/** Writes the same book each time, to show its bytes: a clock that stands still, ids that count. */
// #region all
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { testHost } from 'daybook/testing'
import { accountEvents } from './account.ts'

const host = testHost({ now: Date.parse('2026-01-01T00:00:00Z') })
await using book = await openBook({ store: sqlite('example.db'), host })

const opened = { ...accountEvents.AccountOpened({ owner: 'Zoë' }), tags: ['branch:7', 'vip'] }
await book.append('account-42', [opened, accountEvents.MoneyDeposited({ cents: 2_000 })], {
  actor: 'teller-7',
})
// #endregion
