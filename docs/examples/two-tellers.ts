// #region all
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'

await using book = await openBook({ store: sqlite('bank.db'), deciders: [account] })

const outcomes = await Promise.all([
  book.execute(account.withdraw('42', { cents: 1_500 }), { actor: 'teller-7', occurredAt: '1994-01-03' }),
  book.execute(account.withdraw('42', { cents: 1_500 }), { actor: 'teller-8', occurredAt: '1994-01-03' }),
])

for (const { refused, state } of outcomes) {
  console.log(refused ? `refused: ${refused.reason}` : 'paid out', '- balance', state.cents)
}
// #endregion
