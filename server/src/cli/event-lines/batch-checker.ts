import { type Book, type BookOptions, openBook } from 'daybook'
import { memory } from 'daybook/memory'
import type { EventLine } from './event-line.ts'

/** A line that was refused, and why. */
export interface BadLine {
  readonly number: number
  readonly error: unknown
}

/** Lines up to the first bad one. */
export interface Checked {
  readonly good: readonly EventLine[]
  readonly bad: BadLine | undefined
}

/**
 * Tries a batch on a book in memory with the same definitions: what the real one would refuse for its data or names
 * is refused there, before anything of the batch is written.
 */
export async function checkedBatch(batch: readonly EventLine[], defined: BookOptions): Promise<Checked> {
  const { deciders = [], limits = {} } = defined
  await using book = await openBook({ store: memory(), deciders, limits, follow: false })
  const tried = await appendEach(
    book,
    batch.map((line) => ({
      ...line,
      options: { ...line.options, expectedVersion: 'any', idempotencyKey: undefined },
    })),
  )
  const index = tried.findIndex(({ status }) => status === 'rejected')
  const [line, outcome] = [batch[index], tried[index]]
  if (line === undefined || outcome?.status !== 'rejected') return { good: batch, bad: undefined }
  return { good: batch.slice(0, index), bad: { number: line.number, error: outcome.reason } }
}

/** Starts the appends of some lines in turn and awaits them together, so that one transaction takes them all. */
export function appendEach(
  book: Book,
  lines: readonly EventLine[],
): Promise<PromiseSettledResult<Awaited<ReturnType<Book['append']>>>[]> {
  return Promise.allSettled(lines.map(({ stream, event, options }) => book.append(stream, event, options)))
}
