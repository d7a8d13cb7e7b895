// #region all
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'

await using book = await openBook({ store: sqlite('bank.db'), deciders: [account] })

await book.execute(account.open('42', { owner: 'Ada' }), { actor: 'teller-7', occurredAt: '1993-12-30' })
const done = await book.execute(account.deposit('42', { cents: 2_000 }), {
  actor: 'teller-7',
  occurredAt: '1993-12-31',
})

console.log('state', done.state)
console.log('version', done.version, 'position', done.position)
// #endregion
