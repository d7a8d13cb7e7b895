import { openBook, projection } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents } from './account.ts'
import { balances } from './balances.ts'

// #region modes
const openAccounts = projection('open-accounts', {
  from: accountEvents,
  mode: 'inline',
  key: () => 'all',
  initial: { count: 0 },
  evolve: { AccountOpened: ({ count }) => ({ count: count + 1 }) },
})

const deposits = projection('deposits', {
  from: accountEvents,
  mode: 'live',
  key: (event) => (event.type === 'MoneyDeposited' && event.data.cents >= 1_000 ? event.id : undefined),
  initial: { stream: '', cents: 0 },
  evolve: { MoneyDeposited: (_, { cents }, { stream }) => ({ stream, cents }) },
})
// #endregion

await using book = await openBook({
  store: sqlite('read-models.db'),
  deciders: [account],
  projections: [balances, openAccounts, deposits],
})
await book.execute(account.open('42', { owner: 'Ada' }))
await book.execute(account.open('43', { owner: 'Grace' }))
await book.execute(account.deposit('43', { cents: 70_000 }))

// #region fresh
const done = await book.execute(account.deposit('42', { cents: 2_000 }))
const own = await book.read(balances).get('42', { notBefore: done.position, timeoutMs: 1_000 })
console.log(own)
// #endregion

// #region find
const rich = await book.read(balances).find({
  where: { cents: { gte: 1_000 }, owner: { in: ['Ada', 'Grace'] } },
  orderBy: { cents: 'desc' },
  limit: 50,
})
console.log(rich.map(({ key, document }) => `${key} ${document.cents}`))
console.log(await book.read(balances).count({ where: { key: '42' } }))
for await (const { key } of book.read(balances).all()) console.log(key)
// #endregion

// #region others
console.log(await book.read(openAccounts).get('all'))
console.log((await book.read(deposits).find()).length)
// #endregion

// #region status
for (const { name, mode, behind } of await book.status()) console.log(name, mode, behind, 'behind')
// #endregion
