/** SQLite stores that go wrong in the caller's transaction. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { EventLog } from '../../library/src/core/ports/store.ts'
import { sqlite } from '../../library/src/sqlite/index.ts'
import type { StoreUnderTest } from '../../library/src/testing/index.ts'
import { alteredStore, delegating, type Mutant } from './altered-store.ts'

/** A book in a folder of its own, and transactions on its file. */
export function freshSqliteBook(): StoreUnderTest {
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

function brokenJoin(
  name: string,
  caughtBy: string,
  join: (log: EventLog, transaction: unknown) => EventLog,
): Mutant {
  const factory = (): StoreUnderTest => {
    const book = freshSqliteBook()
    const store = alteredStore(book.store, (opened) => {
      const within = (transaction: unknown): EventLog => join(opened.log, transaction)
      return { ...opened, log: { ...delegating(opened.log), within } }
    })
    return { ...book, store }
  }
  return { name, caughtBy, factory }
}

export const joiningMutants: readonly Mutant[] = [
  brokenJoin(
    'a joined append commits by itself',
    'what is appended within a transaction is gone when it rolls back',
    (log, transaction) => {
      const joined = delegating(log.within(transaction))
      return {
        ...joined,
        append: async (requests, inline) => {
          const outcomes = await joined.append(requests, inline)
          if (transaction instanceof DatabaseSync) transaction.exec('COMMIT; BEGIN IMMEDIATE')
          return outcomes
        },
      }
    },
  ),
  brokenJoin(
    'a joined log reads only what is committed',
    'the joined log sees its own uncommitted events, keys and versions',
    (log, transaction) => {
      const joined = log.within(transaction)
      return { ...delegating(log), append: (requests, inline) => joined.append(requests, inline) }
    },
  ),
  brokenJoin(
    'anything is taken for a transaction',
    'what is no open transaction on this book is refused',
    (log, transaction) => {
      try {
        return log.within(transaction)
      } catch {
        return log
      }
    },
  ),
  brokenJoin(
    'a failed inline step leaves its changes in the transaction',
    'an inline step that throws within a transaction takes back only its own append',
    (log, transaction) => {
      const joined = delegating(log.within(transaction))
      return {
        ...joined,
        append: async (requests, inline) => {
          let failure: unknown
          const outcomes = await joined.append(requests, async (...given) => {
            await inline?.(...given).catch((error: unknown) => {
              failure = error
            })
          })
          if (failure !== undefined) throw failure
          return outcomes
        },
      }
    },
  ),
]
