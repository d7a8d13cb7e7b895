/** Books on a real server, whole or broken. */
import type { PostgresConnection } from '../../../library/src/postgres/driver.ts'
import { type PostgresOptions, postgres } from '../../../library/src/postgres/index.ts'
import type { StoreUnderTest } from '../../../library/src/testing/index.ts'
import { type Alteration, alteredDriver, type Conversations, plain } from './altered-driver.ts'

/** A book in a schema of its own, as the cases for PostgreSQL alone need it. */
export interface PostgresUnderTest extends StoreUnderTest, Conversations {
  readonly url: string
  readonly schema: string
  readonly options: PostgresOptions
}

const whole: Alteration = (send) => send
let schemas = 0

/** An empty book in a schema of its own, and connections for its callers, both altered. */
export function freshPostgresBook(url: string, alteration: Alteration = whole): PostgresUnderTest {
  const conversations: Conversations = { sent: [], refusals: [], altered: 0, happenings: 0 }
  const driver = alteredDriver(alteration, conversations)
  const schema = `book_${++schemas}`
  const options: PostgresOptions = { schema, driver, migrate: true }
  const callers: PostgresConnection[] = []
  return Object.assign(conversations, {
    url,
    schema,
    options,
    store: postgres(url, options),
    begin: async () => {
      const transaction = new driver.Client({ connectionString: url })
      callers.push(transaction)
      await transaction.connect()
      await transaction.query(plain('BEGIN'))
      return {
        transaction,
        commit: async () => void (await transaction.query(plain('COMMIT'))),
        rollback: async () => void (await transaction.query(plain('ROLLBACK'))),
      }
    },
    dispose: async () => {
      for (const caller of callers) await caller.end()
    },
  })
}
