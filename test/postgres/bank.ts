/** A small bank for the tests of the store on PostgreSQL, and short ways to run SQL beside it. */
import { Client } from 'pg'
import { z } from 'zod'
import { type Book, decider, defineEvents, openBook, projection, refuse } from '../../library/src/index.ts'
import { type PostgresOptions, postgres } from '../../library/src/postgres/index.ts'

export const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

export const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: {
    deposit: (_state, input: { cents: number }) =>
      input.cents > 0 ? events.Deposited(input) : refuse('NothingToDeposit'),
  },
})

export const balances = projection('balances', {
  from: events,
  key: ({ streamId }) => streamId,
  initial: { cents: 0 },
  columns: { cents: 'integer' },
  evolve: { Deposited: (document, { cents }) => ({ cents: document.cents + cents }) },
})

/** The time that a store of these tests waits for a server, in ms: short, since many tests wait for it in vain. */
export const timeoutMs = 2_000

/** Opens the bank, making its schema when it is missing. */
export function openBank(
  url: string,
  options: PostgresOptions = {},
  settings: { readonly follow?: boolean } = {},
): Promise<Book> {
  return openBook({
    store: postgres(url, { timeoutMs, migrate: options.readOnly !== true, ...options }),
    deciders: [account],
    projections: [balances],
    ...settings,
  })
}

/** Runs work on a connection of its own, which is closed afterwards. */
export async function onClient<Result>(
  url: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client({ connectionString: url })
  // A server that is stopped ends the connection, which is no error of the test.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Runs SQL and returns its rows, as arrays. */
export async function rowsOf(url: string, text: string): Promise<readonly unknown[][]> {
  return onClient(url, async (client) => (await client.query({ text, rowMode: 'array' })).rows)
}

/** The address of another user or database of the same server. */
export function urlOf(
  url: string,
  parts: { readonly user?: string; readonly password?: string; readonly database?: string },
): string {
  const address = new URL(url)
  if (parts.user !== undefined) address.username = parts.user
  if (parts.password !== undefined) address.password = parts.password
  if (parts.database !== undefined) address.pathname = `/${parts.database}`
  return address.href
}
