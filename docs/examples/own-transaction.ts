import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'

const path = 'shop.db'

// #region write
import { DatabaseSync } from 'node:sqlite'

await using book = await openBook({ store: sqlite(path), deciders: [account] })
using database = new DatabaseSync(path, { timeout: 5_000 })
database.exec('PRAGMA synchronous = FULL')
database.exec('CREATE TABLE IF NOT EXISTS customer (id TEXT PRIMARY KEY, name TEXT) STRICT')

database.exec('BEGIN IMMEDIATE')
try {
  database.prepare('INSERT INTO customer VALUES (?, ?)').run('42', 'Ada')
  await book.execute(account.open('42', { owner: 'Ada' }), { transaction: database })
  const { state } = await book.load(account, '42', { transaction: database })
  console.log('inside the transaction:', state)
  database.exec('COMMIT')
} catch (error) {
  if (database.isTransaction) database.exec('ROLLBACK')
  throw error
}
// #endregion

const { version } = await book.load(account, '42')
console.log('after the commit: version', version)

database.exec('BEGIN IMMEDIATE')
database.prepare('INSERT INTO customer VALUES (?, ?)').run('43', 'Grace')
await book.execute(account.open('43', { owner: 'Grace' }), { transaction: database })
database.exec('ROLLBACK')
console.log('after the rollback: version', (await book.load(account, '43')).version)
