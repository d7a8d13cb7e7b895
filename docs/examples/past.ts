// #region all
import { openBook } from 'daybook'
import { account } from './account.ts'
import definition from './daybook.config.ts'

await using book = await openBook(definition)

const newYearsEve = await book.load(account, '42', { atTime: '1993-12-31T23:59:59Z' })
const now = await book.load(account, '42')
console.log("on New Year's Eve:", newYearsEve.state.cents, 'now:', now.state.cents)

for await (const event of book.readStream('account-42')) {
  console.log(event.version, event.type, event.metadata.actor, event.metadata.occurredAt)
}
// #endregion
