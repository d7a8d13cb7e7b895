import { openBook, projection } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents } from './account.ts'
import { balances } from './balances.ts'

const store = sqlite('bank.db')

// The book as it was: version 1 serves.
{
  await using book = await openBook({ store, deciders: [account], projections: [balances] })
  await book.execute(account.open('42', { owner: 'Ada' }))
  const { position } = await book.execute(account.deposit('42', { cents: 2_000 }))
  await book.read(balances).get('42', { notBefore: position })
}

// #region version
const balances2 = projection('balances', {
  version: 2,
  swap: 'manual',
  from: accountEvents,
  key: (event) => event.streamId,
  initial: { owner: '', cents: 0, deposits: 0 },
  columns: { owner: 'text', cents: 'integer', deposits: 'integer' },
  evolve: {
    AccountOpened: (balance, { owner }) => ({ ...balance, owner: owner.toUpperCase() }),
    MoneyDeposited: (balance, { cents }) => ({
      ...balance,
      cents: balance.cents + cents,
      deposits: balance.deposits + 1,
    }),
    MoneyWithdrawn: (balance, { cents }) => ({ ...balance, cents: balance.cents - cents }),
  },
})

const book = await openBook({ store, deciders: [account], projections: [balances, balances2] })
// #endregion

// #region estimate
const { events } = await book.rebuilds.estimate(balances2)
console.log(events, 'events to fold')
// #endregion

// #region start
const filled = await book.rebuilds.start(balances2, {
  eventsPerSecond: 50_000,
  onProgress: ({ state, position, head, secondsLeft }) =>
    process.stderr.write(`${state} ${position} of ${head}, ${secondsLeft ?? '?'} s left\n`),
})
console.log(filled.outcome)
// #endregion

// #region compare
for await (const { key, field, serving, other } of book.rebuilds.compare(balances2, { limit: 100 }))
  console.log(key, field, serving, '→', other)
// #endregion

// #region swap
await book.rebuilds.swap(balances2)
console.log(await book.read(balances2).find({ where: { deposits: { gte: 1 } } }))
// #endregion

// #region undo
const { serving } = await book.rebuilds.undo('balances')
console.log('version', serving.version, 'serves again')
// #endregion

// #region status
for (const { projection, serving, previous, next } of await book.rebuilds.status())
  console.log(projection, serving.subscription, previous?.subscription, next?.subscription)
// #endregion

await book.close()
