import { openBook, type Store } from 'daybook'
import { bank } from '../bank.ts'
import type { History } from '../pkdd/history.ts'
import { bookingsOf, unbalancedClosings } from './bookings.ts'
import { checkBook } from './check.ts'
import { ImportFailure } from './failure.ts'
import { Progress } from './progress.ts'
import { missing, readKnown } from './resume.ts'
import { runBookings } from './run.ts'

/** What an import came to; the same however often it was interrupted. */
export interface ImportResult {
  /** Accounts with transactions. */
  readonly accounts: number
  readonly transactions: number
  readonly events: number
  /** Steps whose balance is the bank's. */
  readonly exact: number
  /** Steps that are off by 0.10 or less. */
  readonly rounding: number
  readonly other: number
}

/**
 * Imports a history into a book, or what is missing of it, lets the read models catch up and checks all of it.
 * `source` names the history: it begins every idempotency key. Throws `ImportFailure`, `DaybookError`.
 */
export async function importHistory(
  store: Store,
  history: History,
  source: string,
  stderr: NodeJS.WriteStream,
  signal: AbortSignal,
): Promise<ImportResult> {
  await bookHistory(store, history, source, stderr, signal)
  await using book = await openBook({ store, ...bank })
  const agreements = await checkBook(book, history)
  const { accounts, steps } = history
  return { accounts: accounts.length, transactions: steps.length, events: await book.head(), ...agreements }
}

/** The read models stay behind meanwhile: they catch up faster in one go, in large batches. */
async function bookHistory(
  store: Store,
  history: History,
  source: string,
  stderr: NodeJS.WriteStream,
  signal: AbortSignal,
) {
  await using book = await openBook({ store, ...bank, follow: false })
  const known = await readKnown(book, history)
  const before = [...known.values()].reduce((sum, { movements }) => sum + movements, 0)
  const progress = new Progress(history.steps.length, before, stderr)
  if (before > 0) stderr.write(`going on: ${before} transactions are in the book already\n`)
  const unbalanced = unbalancedClosings(history)
  if (unbalanced.size > 0)
    stderr.write(
      `closed by the bank with amounts that do not sum to 0, left open: ${[...unbalanced].join(', ')}\n`,
    )
  const bookings = missing(bookingsOf(history, source), known)
  await runBookings(book, bookings, ({ steps }) => progress.add(steps), signal)
  progress.end()
  if (!signal.aborted) return
  throw new ImportFailure(
    'INTERRUPTED',
    `stopped after ${progress.done} of ${history.steps.length} transactions`,
    'Run the same command again to go on; nothing will be booked twice.',
  )
}
