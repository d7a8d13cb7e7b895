import { testServer } from '@daybook/postgres-server/testing'
import { openBook } from 'daybook'
import { migratePostgres, postgres } from 'daybook/postgres'
import { account } from './account.ts'

await using atTheEnd = new AsyncDisposableStack()
const server = await testServer()
atTheEnd.defer(() => server.dispose())
const address = server.url(await server.createDatabase())
await migratePostgres(address)

// #region write
import { Client } from 'pg'

await using book = await openBook({ store: postgres(address), deciders: [account] })
const client = new Client({ connectionString: address })
await client.connect()
await client.query('CREATE TABLE IF NOT EXISTS customer (id text PRIMARY KEY, name text)')

await client.query('BEGIN')
try {
  await client.query('INSERT INTO customer VALUES ($1, $2)', ['42', 'Ada'])
  await book.execute(account.open('42', { owner: 'Ada' }), { transaction: client })
  await client.query('COMMIT')
} catch (error) {
  await client.query('ROLLBACK')
  throw error
}
// #endregion

console.log('after the commit: version', (await book.load(account, '42')).version)

await client.query('BEGIN')
await client.query('INSERT INTO customer VALUES ($1, $2)', ['43', 'Grace'])
await book.execute(account.open('43', { owner: 'Grace' }), { transaction: client })
await client.query('ROLLBACK')
console.log('after the rollback: version', (await book.load(account, '43')).version)
await client.end()
