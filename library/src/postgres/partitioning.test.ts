import { after } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { type StoreUnderTest, testConformance } from '../testing/index.ts'
import { migratePostgres, partitionPostgres, postgres } from './index.ts'

// It takes as long as all the rest: on the older server only where everything is to be tried.
const debian = process.env.DAYBOOK_REQUIRE_ALL === '1' ? debianBinaries(15) : undefined
const servers: readonly (readonly [string, TestServer])[] = [
  ['postgres', await testServer()],
  ...(debian === undefined ? [] : [['postgres 15', await testServer({ binaries: debian })] as const]),
]

for (const [name, server] of servers) {
  const database = await server.createDatabase()
  let schemas = 0
  const deviations = {
    'the clock of the host decides, to the millisecond, when a lease and a membership are over':
      "the clock is the server's",
  }
  // Nearly every append reaches another partition, and many fill several.
  testConformance(
    `${name}, partitioned`,
    () => dividedBook(server.url(database), `divided_${++schemas}`, 5),
    {
      deviations,
    },
  )
  after(() => server.dispose())
}

async function dividedBook(url: string, schema: string, events: number): Promise<StoreUnderTest> {
  await migratePostgres(url, { schema })
  await partitionPostgres(url, { schema, events })
  const clients: Client[] = []
  return {
    store: postgres(url, { schema }),
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
