/** A server for the tests of one file: the one that the test runner has started for all files, or one of its own. */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { type ServerOptions, startServer } from './server.ts'

/** The environment variable that holds the superuser's address of the runner's server. */
export const sharedServerVariable = 'DAYBOOK_TEST_POSTGRES'

/** A server on which every test makes databases of its own. */
export interface TestServer {
  /** The address of a database, as the superuser. */
  url(database?: string): string
  /** Makes an empty database and returns its name; it is dropped with the server, or by `dispose`. */
  createDatabase(template?: string): Promise<string>
  /** Runs statements as the superuser. */
  run(text: string, database?: string): Promise<void>
  /** Drops the databases, and stops the server when it is this file's own. */
  dispose(): Promise<void>
}

/** The server of the runner, or a new one. With options it is always a new one. */
export async function testServer(options?: ServerOptions): Promise<TestServer> {
  const shared = process.env[sharedServerVariable]
  const own = shared === undefined || options !== undefined ? await startServer(options) : undefined
  const databases: string[] = []
  const url = (database = 'postgres'): string => {
    const address = new URL(own?.url() ?? shared ?? '')
    address.pathname = `/${database}`
    return address.href
  }
  const run = async (text: string, database?: string): Promise<void> => {
    const client = new Client({ connectionString: url(database) })
    client.on('error', () => undefined)
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }
  return {
    url,
    run,
    createDatabase: async (template = 'template1') => {
      const name = `test_${randomBytes(6).toString('hex')}`
      await run(`CREATE DATABASE ${name} TEMPLATE ${template}`)
      databases.push(name)
      return name
    },
    dispose: async () => {
      if (own !== undefined) return own.dispose()
      // Together, for each waits for a checkpoint, and one serves all.
      await Promise.all(databases.map((name) => run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)))
    },
  }
}
