// #region all
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'

await using book = await openBook({ store: sqlite('bank.db'), deciders: [account] })

const done = await book.execute(account.withdraw('42', { cents: 2_500 }), { actor: 'teller-7' })

if (done.refused) console.log('refused:', done.refused.reason, done.refused.facts)
else console.log('paid out, the balance is', done.state.cents)
// #endregion
