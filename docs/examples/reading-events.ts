import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'

await using book = await openBook({ store: sqlite('reading.db'), deciders: [account] })
await book.execute(account.open('42', { owner: 'Ada' }), { actor: 'teller-7' })
await book.execute(account.deposit('42', { cents: 2_000 }), { actor: 'teller-7' })
await book.execute(account.withdraw('42', { cents: 500 }), { actor: 'teller-8' })

// #region stream
for await (const event of book.readStream(account.stream('42'), { fromVersion: 2 })) {
  if (event.type === 'MoneyDeposited') console.log(event.version, 'deposited', event.data.cents)
  if (event.type === 'MoneyWithdrawn') console.log(event.version, 'withdrawn', event.data.cents)
}

const [last] = await book.readStream('account-42', { direction: 'backwards', limit: 1 }).toArray()
console.log('last:', last?.type)
// #endregion

// #region log
const head = await book.head()
const query = { categories: ['account'], types: ['MoneyDeposited'] }
for await (const { position, stream } of book.readLog({ query, toPosition: head })) {
  console.log(position, stream)
}
// #endregion

// #region follow
const enough = new AbortController()
const seen: string[] = []
for await (const { type } of book.readLog({ afterPosition: 1, follow: true, signal: enough.signal })) {
  seen.push(type)
  if (seen.length === 2) enough.abort()
}
console.log(seen)
// #endregion

// #region past
const { state } = await book.load(account, '42', { atVersion: 2 })
console.log(state)
// #endregion
