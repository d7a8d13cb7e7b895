import { DatabaseSync } from 'node:sqlite'
import type { Book } from 'daybook'
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
  path: string,
  expectedEvents: number,
): Promise<void> {
  const head = await book.head()
  const { facts, problems } = await book.inspect()
  await book.close()
  check(head === expectedEvents, `the book has ${head} events, not the ${expectedEvents} acknowledged`)
  check(problems.length === 0, problems.map(({ message }) => message).join('; '))
  if (store !== 'sqlite') return
  check(facts.isDurable === true, 'the book says that its commits are not durable')
  check(facts.journalMode === 'wal', `the book's journal mode is ${facts.journalMode}`)
  check((facts.synchronous ?? 'full') === 'full', `the book's commits are synchronous = ${facts.synchronous}`)
  const count = countEvents(path)
  check(count === expectedEvents, `the file has ${count} events, not the ${expectedEvents} acknowledged`)
}

function countEvents(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare('SELECT count(*) AS count FROM event').get()?.count)
  } finally {
    database.close()
  }
}
