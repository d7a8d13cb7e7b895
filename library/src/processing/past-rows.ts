import type { EventLog } from '../core/ports/store.ts'
import { matchesQuery, type QueryItem } from '../core/query.ts'
import { tagsOf } from '../core/recorded-event.ts'
import type { ParsedRow } from '../core/row-hash.ts'
import { readDurablyParsed } from './durable-page.ts'
import { streamPages } from './stream-pages.ts'

/** Until when history counts. */
export interface PastBound {
  readonly toPosition: number
  /** False for events to leave out. */
  readonly counts: (row: ParsedRow) => boolean
  /** True when no later event counts after one that does not. */
  readonly isOrdered: boolean
  /** Told after every page of the log which position was read, of how many. */
  readonly onProgress?: ((position: number, toPosition: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const pageEvents = 500

/** The events of a filter that count, in the order of their positions, page by page. */
export async function* logUntil(
  log: EventLog,
  items: readonly QueryItem[],
  bound: PastBound,
): AsyncGenerator<readonly ParsedRow[]> {
  for (let afterPosition = 0; ; ) {
    const { toPosition, onProgress, signal } = bound
    signal?.throwIfAborted()
    const page = await readDurablyParsed(log, { afterPosition, toPosition, items, limit: pageEvents })
    const counted = page.rows.filter(bound.counts)
    yield counted
    afterPosition = page.scannedTo
    const isOver = bound.isOrdered && counted.length < page.rows.length
    const end = Math.min(page.head, toPosition)
    onProgress?.(Math.min(afterPosition, end), end)
    if (isOver || afterPosition >= end) return
  }
}

/** As `logUntil`, of some streams alone: these are all that is read. */
export async function* streamsUntil(
  log: EventLog,
  streams: readonly string[],
  items: readonly QueryItem[],
  bound: PastBound,
): AsyncGenerator<readonly ParsedRow[]> {
  const readers = streams.map((stream) => streamUntil(log, stream, bound))
  const heads = await Promise.all(readers.map(async (reader) => (await reader.next()).value))
  for (;;) {
    let least = -1
    for (const [nth, head] of heads.entries()) {
      if (head && head.position < (heads[least]?.position ?? Number.POSITIVE_INFINITY)) least = nth
    }
    const row = heads[least]
    if (row === undefined || row === null) return
    const isMeant = matchesQuery(items, { stream: row.stream, type: row.type, tags: tagsOf(row) })
    if (isMeant && bound.counts(row)) yield [row]
    heads[least] = (await readers[least]?.next())?.value
  }
}

async function* streamUntil(
  log: EventLog,
  stream: string,
  { toPosition, counts, isOrdered, signal }: PastBound,
): AsyncGenerator<ParsedRow, undefined> {
  signal?.throwIfAborted()
  for await (const rows of streamPages(log, stream, 1, Number.MAX_SAFE_INTEGER)) {
    signal?.throwIfAborted()
    for (const row of rows) {
      if (row.position > toPosition || (isOrdered && !counts(row))) return undefined
      yield row
    }
  }
  return undefined
}
