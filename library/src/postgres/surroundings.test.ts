/** What surrounds a book: other databases of the server, which share its roles, and settings of the database. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { openBook } from '../index.ts'
import { migratePostgres, partitionPostgres, postgres } from './index.ts'

const server: TestServer = await testServer({ settings: { max_connections: '30' } })
after(() => server.dispose())

it('roles may be made for the book of another database at the same time', async () => {
  const other = new Client({ connectionString: server.url() })
  await other.connect()
  await other.query('BEGIN; CREATE ROLE daybook_writer')
  const migrated = migratePostgres(server.url(await server.createDatabase()), { roles: true })
  for (let waiting = 0; waiting === 0; ) {
    const { rowCount } = await other.query(
      "SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted",
    )
    waiting = rowCount ?? 0
  }
  await other.query('COMMIT')
  await other.end()
  assert.deepEqual((await migrated).roles, ['daybook_owner', 'daybook_writer', 'daybook_reader'])
})

it('settings of the database change neither appends nor partitions', async () => {
  const database = await server.createDatabase()
  for (const setting of [
    'standard_conforming_strings = off',
    "bytea_output = 'escape'",
    'quote_all_identifiers = on',
    "default_transaction_isolation = 'serializable'",
    "DateStyle = 'SQL, DMY'",
    'search_path = \'"odd", nothing\'',
  ]) {
    await server.run(`ALTER DATABASE ${database} SET ${setting}`)
  }
  const url = server.url(database)
  await using book = await openBook({ store: postgres(url, { migrate: true }) })
  const happened = { type: 'Happened', data: { text: "a\\'b" } }
  await book.append('thing-1', happened)
  const { partitions } = await partitionPostgres(url, { events: 2 })
  assert.deepEqual(partitions[1], { table: 'event_3', firstPosition: 3, lastPosition: 4 })
  for (let count = 0; count < 10; count++) await book.append('thing-1', happened)
  assert.deepEqual(await book.verify(), { events: 11 })
  assert.deepEqual((await book.readStream('thing-1').toArray()).at(-1)?.data, happened.data)
})
