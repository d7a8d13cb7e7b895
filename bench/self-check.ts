import { DatabaseSync } from 'node:sqlite'
import type { Book } from 'daybook'
import { Client } from 'pg'
import type { StoreName } from './benchmark.ts'

/** Ends the run when a figure would be of something else than it says. */
export function check(holds: boolean, problem: string): void {
  if (!holds) throw new Error(`self-check: ${problem}`)
}

/**
 * Closes a book, after making sure that what was measured is what is kept: as many events as were acknowledged, on a
 * store that flushes every commit. The events are counted again by a plain connection, past Daybook.
 */
export async function closeChecked(
  book: Book,
  store: StoreName,
  address: string,
  expectedEvents: number,
): Promise<void> {
  const head = await book.head()
  const { facts, problems } = await book.inspect()
  await book.close()
  check(head === expectedEvents, `the book has ${head} events, not the ${expectedEvents} acknowledged`)
  check(problems.length === 0, problems.map(({ message }) => message).join('; '))
  if (store === 'memory') return
  if (store === 'sqlite') {
    check(facts.isDurable === true, 'the book says that its commits are not durable')
    check(facts.journalMode === 'wal', `the book's journal mode is ${facts.journalMode}`)
    check(
      (facts.synchronous ?? 'full') === 'full',
      `the book's commits are synchronous = ${facts.synchronous}`,
    )
  }
  const count = store === 'sqlite' ? countInFile(address) : await countOnServer(address)
  check(count === expectedEvents, `the store has ${count} events, not the ${expectedEvents} acknowledged`)
}

function countInFile(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare('SELECT count(*) AS count FROM event').get()?.count)
  } finally {
    database.close()
  }
}

async function countOnServer(address: string): Promise<number> {
  const rows = await queryServer(address, 'SELECT count(*) FROM daybook.event')
  await requireDurable(address)
  return Number(rows[0]?.[0])
}

/** Ends the run on a server that does not flush what it says it committed. */
export async function requireDurable(address: string): Promise<void> {
  const [settings] = await queryServer(
    address,
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')",
  )
  check(settings?.every((value) => value === 'on') === true, `the server is not durable: ${settings}`)
}

/** Rows of one statement, on a connection of its own. */
export async function queryServer(address: string, text: string): Promise<readonly unknown[][]> {
  const client = new Client({ connectionString: address })
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}
