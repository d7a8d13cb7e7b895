// #region projection
import { DatabaseSync } from 'node:sqlite'
import { openBook, sqlProjection } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents } from './account.ts'

const add = `
  INSERT INTO turnover VALUES (?, 1, ?)
  ON CONFLICT (account) DO UPDATE SET
    movements = turnover.movements + 1, cents = turnover.cents + excluded.cents`

const turnover = sqlProjection('turnover', {
  from: accountEvents,
  tables: { sqlite: ['CREATE TABLE turnover (account TEXT PRIMARY KEY, movements INTEGER, cents INTEGER)'] },
  clear: { sqlite: ['DROP TABLE turnover'] },
  evolve: {
    MoneyDeposited: (sql, { cents }, { streamId }) => sql.query(add, [streamId, cents]),
  },
})
// #endregion

// #region ask
await using book = await openBook({
  store: sqlite('own-tables.db'),
  deciders: [account],
  sqlProjections: [turnover],
})
await book.execute(account.open('42', { owner: 'Ada' }))
await book.execute(account.deposit('42', { cents: 500 }))
const done = await book.execute(account.deposit('42', { cents: 2_000 }))
await book.whenReached(turnover, { notBefore: done.position })

using database = new DatabaseSync('own-tables.db', { readOnly: true })
const row = database.prepare('SELECT * FROM turnover').get()
console.log({ ...row })
// #endregion

// #region rebuild
await book.rebuild(turnover)
console.log((await book.status()).map(({ name, mode, behind }) => `${name} ${mode} ${behind} behind`))
// #endregion
