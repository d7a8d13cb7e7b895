import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type StoreUnderTest, testConformance } from '../testing/index.ts'
import { sqlite } from './index.ts'

testConformance('sqlite', freshBook)

function freshBook(): StoreUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  const path = join(folder, 'book.db')
  const connections: DatabaseSync[] = []
  return {
    store: sqlite(path),
    begin: async () => {
      const transaction = new DatabaseSync(path)
      connections.push(transaction)
      transaction.exec('BEGIN IMMEDIATE')
      return {
        transaction,
        commit: async () => transaction.exec('COMMIT'),
        rollback: async () => transaction.exec('ROLLBACK'),
      }
    },
    dispose: () => {
      for (const connection of connections) connection.close()
      rmSync(folder, { recursive: true })
    },
  }
}
