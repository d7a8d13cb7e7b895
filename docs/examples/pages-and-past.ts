import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'
import { balances } from './balances.ts'

await using book = await openBook({
  store: sqlite('pages-and-past.db'),
  deciders: [account],
  projections: [balances],
})
for (const [id, owner, cents] of [
  ['1', 'Ada', 300],
  ['2', 'Grace', 100],
  ['3', 'Adele', 200],
] as const) {
  await book.execute(account.open(id, { owner }))
  await book.execute(account.deposit(id, { cents }))
}
const before = await book.head()
const done = await book.execute(account.withdraw('1', { cents: 250 }))
const model = book.read(balances)

// #region pages
const query = { where: { owner: { prefix: 'Ad' } }, orderBy: { cents: 'desc' }, limit: 1 } as const
const first = await model.page({ ...query, notBefore: done.position })
const second = await model.page({ ...query, after: first.next })
console.log(
  [...first.items, ...second.items].map(({ document }) => document.owner),
  second.next,
)
// #endregion

// #region past
console.log(await model.get('1', { asOf: before }))
console.log((await model.find({ asOf: '2020-12-31', timeline: 'recorded' })).length)
// #endregion

// #region late
try {
  await model.get('1', { notBefore: done.position + 1_000, timeoutMs: 20 })
} catch (error) {
  console.log((error as { code?: string }).code)
}
// #endregion
