import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { openBook } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

const happened = { type: 'Happened', data: {} }
const readingConnections = `
  SELECT count(*)::int AS count FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'daybook reader'`

test('a second connection is opened for reads at the same time, not for one after the other', async () => {
  const url = server.url(await server.createDatabase())
  await using book = await openBook({ store: postgres(url, { migrate: true }) })
  await using other = await connected(url)
  const connections = async (): Promise<number> =>
    (await other.client.query(readingConnections)).rows[0].count
  await book.append('thing-1', happened)
  const read = (): Promise<readonly unknown[]> => Array.fromAsync(book.readStream('thing-1'))
  for (let nth = 0; nth < 5; nth++) assert.equal((await read()).length, 1)
  assert.equal(await connections(), 1)
  await Promise.all(Array.from({ length: 5 }, read))
  assert.equal(await connections(), 2)
})

test('short reads do not wait behind a long one', async () => {
  const url = server.url(await server.createDatabase())
  await using book = await openBook({ store: postgres(url, { migrate: true }) })
  await book.append('thing-1', happened)
  await using other = await connected(url)
  await other.client.query('BEGIN; LOCK TABLE daybook.event_index')
  let isRead = false
  const read = Array.fromAsync(book.readStream('thing-1')).finally(() => {
    isRead = true
  })
  for (let nth = 0; nth < 5; nth++) assert.equal(await book.head(), 1)
  assert.equal(isRead, false)
  await other.client.query('COMMIT')
  assert.equal((await read).length, 1)
})

async function connected(url: string): Promise<{ readonly client: Client } & AsyncDisposable> {
  const client = new Client({ connectionString: url })
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end() }
}
