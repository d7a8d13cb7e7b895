import { after } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { recyclingDriver } from '@daybook/postgres-server/recycling'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { type StoreUnderTest, testConformance } from '../testing/index.ts'
import { postgres } from './index.ts'

const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['postgres', await testServer()],
  ...(debian === undefined ? [] : [['postgres 15', await testServer({ binaries: debian })] as const]),
]

const deviations = {
  'the clock of the host decides, to the millisecond, when a lease and a membership are over':
    "the clock is the server's, so that machines whose clocks differ agree; `following.test.ts` has its cases",
}

const driver = recyclingDriver()
after(() => driver.close())

for (const [name, server] of servers) {
  const database = await server.createDatabase()
  let schemas = 0
  testConformance(name, () => freshBook(server.url(database), `book_${++schemas}`), { deviations })
  after(() => server.dispose())
}

function freshBook(url: string, schema: string): StoreUnderTest {
  const clients: Client[] = []
  return {
    store: postgres(url, { schema, migrate: true, driver }),
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
