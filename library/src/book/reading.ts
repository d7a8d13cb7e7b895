import { DaybookError } from '../core/errors.ts'
import type { RecordedEvent } from '../core/event.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { legalName, legalStream } from '../core/names.ts'
import type { EventLog, LogPage, StreamSlice } from '../core/ports/store.ts'
import { type Query, queryItems } from '../core/query.ts'
import { RowReader } from '../core/recorded-event.ts'
import type { ParsedRow } from '../core/row-hash.ts'
import { readDurablyParsed, readStreamParsed } from '../processing/durable-page.ts'
import { pageEvents } from '../processing/page-sizes.ts'
import { streamPages } from '../processing/stream-pages.ts'
import { Wakeups } from '../processing/wakeups.ts'
import type { BookContext } from './context.ts'

/** Which events of a stream to read. */
export interface ReadStreamOptions {
  /** Default `'forwards'`. */
  readonly direction?: 'forwards' | 'backwards'
  /** Inclusive; default 1. */
  readonly fromVersion?: number
  /** Inclusive; default the end of the stream. */
  readonly toVersion?: number
  /** Only these types. */
  readonly types?: readonly string[]
  /** Most events. */
  readonly limit?: number
  readonly signal?: AbortSignal
  /** Reads from inside the caller's own transaction, its uncommitted events included. */
  readonly transaction?: unknown
}

/** Which events of the log to read, in the order of their positions. */
export interface ReadLogOptions {
  /** Exclusive; default 0, the beginning. */
  readonly afterPosition?: number
  /** Inclusive; default the end of the log. */
  readonly toPosition?: number
  readonly query?: Query
  /** Most events. */
  readonly limit?: number
  /** Waits for more at the end of the log, until the signal is aborted or the book closed. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

/** Events being read, page by page, in bounded memory: `for await (const event of …)`. */
export interface Events<Event = RecordedEvent> extends AsyncIterable<Event> {
  /** The same events a page at a time: faster, where there are millions. */
  batches(): AsyncIterable<readonly Event[]>
  /** All of them in one array. Mind the size of what you ask for. */
  toArray(): Promise<Event[]>
}

/** Reads a stream; a stream without events is empty, not an error. */
export function readStreamEvents(log: EventLog, stream: string, options: ReadStreamOptions): Events {
  const name = legalStream(stream)
  const direction = options.direction ?? 'forwards'
  if (direction !== 'forwards' && direction !== 'backwards') {
    throw new DaybookError('ILLEGAL_ARGUMENT', "direction must be 'forwards' or 'backwards'", {
      argument: 'direction',
      value: direction,
    })
  }
  const types = options.types?.map((type) => legalName('event type', type))
  const first = integerWithin('fromVersion', options.fromVersion ?? 1, 1, maxPosition)
  const last = integerWithin('toVersion', options.toVersion ?? maxPosition, 0, maxPosition)
  const most = integerWithin('limit', options.limit ?? maxPosition, 0, maxPosition)
  // Whoever reads events may act on them, so none is shown that a crash could take back.
  return events(async function* () {
    const reader = new RowReader()
    options.signal?.throwIfAborted()
    // Versions have no gaps, so that a bound on their number is one on them.
    const pages =
      direction === 'forwards' && types === undefined
        ? streamPages(log, name, first, Math.min(last, first + most - 1))
        : chosenPages(log, { stream: name, direction, fromVersion: first, toVersion: last, types }, most)
    for await (const rows of pages) {
      options.signal?.throwIfAborted()
      if (rows.length > 0) yield reader.events(rows)
    }
  })
}

/** The pages of a stream backwards, or of some types, that no crash can take back. */
async function* chosenPages(
  log: EventLog,
  slice: Omit<StreamSlice, 'limit'>,
  most: number,
): AsyncGenerator<readonly ParsedRow[], void> {
  let { fromVersion, toVersion } = slice
  for (let left = most; left > 0 && fromVersion <= toVersion; ) {
    const limit = Math.min(left, pageEvents)
    const { rows, isEnd } = await readStreamParsed(log, { ...slice, fromVersion, toVersion, limit })
    const newest = slice.direction === 'forwards' ? rows.at(-1) : rows[0]
    if (newest !== undefined) await log.whenDurable(newest.position, newest.id)
    yield rows
    left -= rows.length
    const reached = rows.at(-1)?.version
    if (isEnd || reached === undefined) return
    if (slice.direction === 'forwards') fromVersion = reached + 1
    else toVersion = reached - 1
  }
}

/** Reads the log from a position, filtered, and on request for ever. */
export function readLogEvents(
  { store: { log }, host, pageSizes }: BookContext,
  options: ReadLogOptions,
  closed: AbortSignal,
): Events {
  const items = options.query === undefined ? undefined : queryItems(options.query)
  const start = integerWithin('afterPosition', options.afterPosition ?? 0, 0, maxPosition)
  const toPosition = integerWithin('toPosition', options.toPosition ?? maxPosition, 0, maxPosition)
  const most = integerWithin('limit', options.limit ?? maxPosition, 0, maxPosition)
  return events(async function* () {
    using wakeups = options.follow === true ? new Wakeups(log, host) : undefined
    using size = pageSizes.begin()
    const ended = options.signal === undefined ? closed : AbortSignal.any([options.signal, closed])
    const reader = new RowReader()
    // Turned into events as soon as it is read, so that a reader that stops pulling does not hold the rows as well.
    const read = async (after: number, left: number): Promise<EventPage> => {
      const slice = { afterPosition: after, toPosition, items, limit: size.next(left) }
      const page = await readDurablyParsed(log, slice)
      size.note(page)
      return { batch: reader.events(page.rows), scannedTo: page.scannedTo, head: page.head }
    }
    let [afterPosition, left] = [start, most]
    let ahead: Promise<EventPage> | undefined
    while (left > 0 && afterPosition < toPosition) {
      // A reader that follows for ever ends by its signal, or with the book; for others it is an interruption.
      if (wakeups !== undefined && ended.aborted) return
      options.signal?.throwIfAborted()
      const { batch, scannedTo, head } = await (ahead ?? read(afterPosition, left))
      left -= batch.length
      afterPosition = scannedTo
      const hasMore = scannedTo < Math.min(head, toPosition)
      // The store looks for the next page while this one is used.
      ahead = hasMore && left > 0 ? read(afterPosition, left) : undefined
      ahead?.catch(() => undefined)
      if (batch.length > 0) yield batch
      if (hasMore) continue
      if (wakeups === undefined) return
      if (await wakeups.next(ended)) return
    }
  })
}

interface EventPage extends Pick<LogPage, 'scannedTo' | 'head'> {
  readonly batch: readonly RecordedEvent[]
}

function events(batches: () => AsyncGenerator<readonly RecordedEvent[]>): Events {
  return {
    batches,
    async *[Symbol.asyncIterator]() {
      for await (const batch of batches()) yield* batch
    },
    async toArray() {
      const all: RecordedEvent[] = []
      for await (const batch of batches()) for (const event of batch) all.push(event)
      return all
    },
  }
}
