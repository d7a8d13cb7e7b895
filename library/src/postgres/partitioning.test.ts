import assert from 'node:assert/strict'
import { after } from 'node:test'
import { recyclingDriver } from '@daybook/postgres-server/recycling'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { conformanceSuite, type StoreUnderTest, testConformance } from '../testing/index.ts'
import { migratePostgres, partitionPostgres, postgres } from './index.ts'

const server: TestServer = await testServer()
const database = await server.createDatabase()
const driver = recyclingDriver()
after(async () => {
  await driver.close()
  await server.dispose()
})

/** What is kept beside the log knows nothing of partitions. */
const besideTheLog = [
  'read models',
  'finding documents',
  'pages of documents',
  'copies of read models',
  'leases and members',
  'leases and what is written under them',
  'transactions of subscriptions',
  'parked events and the inbox',
  'SQL of the user',
  'snapshots',
]
assert.deepEqual(
  besideTheLog.filter((name) => conformanceSuite.every((group) => group.name !== name)),
  [],
)
const ofTheLog = conformanceSuite.filter(({ name }) => !besideTheLog.includes(name))
let schemas = 0

// Many appends reach another partition, and some fill several.
testConformance(
  'postgres, partitioned',
  () => dividedBook(server.url(database), `divided_${++schemas}`, 20),
  {
    only: ofTheLog.flatMap(({ cases }) => cases.map(({ name }) => name)),
  },
)

async function dividedBook(url: string, schema: string, events: number): Promise<StoreUnderTest> {
  await migratePostgres(url, { schema, driver })
  await partitionPostgres(url, { schema, events, driver })
  const clients: Client[] = []
  return {
    store: postgres(url, { schema, driver }),
    begin: async () => {
      const transaction = new Client({ connectionString: url })
      clients.push(transaction)
      await transaction.connect()
      await transaction.query('BEGIN')
      return {
        transaction,
        commit: async () => void (await transaction.query('COMMIT')),
        rollback: async () => void (await transaction.query('ROLLBACK')),
      }
    },
    dispose: async () => {
      for (const client of clients) await client.end()
    },
  }
}
