import type { EventLog, ParsedStreamPage } from '../core/ports/store.ts'
import type { ParsedRow } from '../core/row-hash.ts'
import { readStreamParsed } from './durable-page.ts'

/** Most events of the first page, since many streams, and nearly all that follows a snapshot, are less; and of the others. */
const firstEvents = 128
const pageEvents = 1_000
/** Pages under way while one is in use, so that neither the store nor who folds waits for the other. */
const pagesAhead = 2

/** Versions that are being read, both ends included. */
interface Range {
  readonly toVersion: number
  readonly page: Promise<ParsedStreamPage>
}

/**
 * The events of a stream in the order of their versions, page by page, both ends included; no crash can take them back. A long
 * stream is read ahead, in ranges of versions, since where a page ends is not known before it has come. Each page is proven when it has
 * come, not when it is asked for: by then the log may have another history. No row must become two events.
 */
export async function* streamPages(
  log: Pick<EventLog, 'readStream' | 'readStreamParsed' | 'whenDurable'>,
  stream: string,
  fromVersion: number,
  toVersion: number,
): AsyncGenerator<readonly ParsedRow[], void> {
  const read = async (from: number, to: number, limit: number): Promise<ParsedStreamPage> => {
    const slice = {
      stream,
      direction: 'forwards',
      fromVersion: from,
      toVersion: to,
      types: undefined,
    } as const
    const page = await readStreamParsed(log, { ...slice, limit })
    const last = page.rows.at(-1)
    if (last !== undefined) await log.whenDurable(last.position, last.id)
    return page
  }
  const range = (from: number, to: number): Range => {
    const page = read(from, to, pageEvents)
    // Should nobody come for it, its failure is nobody's.
    page.catch(() => undefined)
    return { toVersion: to, page }
  }
  const ranges: Range[] = []
  let next = fromVersion
  const readMore = (): void => {
    for (; ranges.length < pagesAhead && next <= toVersion; next += pageEvents)
      ranges.push(range(next, Math.min(toVersion, next + pageEvents - 1)))
  }
  if (fromVersion > toVersion) return
  const first = await read(fromVersion, toVersion, firstEvents)
  next = (first.rows.at(-1)?.version ?? toVersion) + 1
  if (!first.isEnd) readMore()
  yield first.rows
  for (let now = ranges.shift(); now !== undefined; now = ranges.shift()) {
    const { rows, isEnd } = await now.page
    const last = rows.at(-1)?.version
    // Versions have no gaps: where the store has less than the range, the stream ends.
    if (last === undefined || (isEnd && last < now.toVersion)) ranges.length = 0
    else {
      if (last < now.toVersion) ranges.unshift(range(last + 1, now.toVersion))
      readMore()
    }
    yield rows
  }
}
