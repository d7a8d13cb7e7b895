import type {
  BriefPage,
  EventLog,
  LogPage,
  LogReader,
  LogSlice,
  ParsedLogPage,
  ParsedStreamPage,
  StreamSlice,
} from '../core/ports/store.ts'

/**
 * A page of the log that no crash can take back: whoever acts on it, moves a checkpoint over it or keeps in memory what
 * it led to, would otherwise do so for events that never were.
 */
export async function readDurably(log: EventLog, slice: LogSlice): Promise<LogPage> {
  return durable(log, slice, await log.readLog(slice))
}

/** Reads as `readDurably`, parsed where the store does that faster: no row must become two events. */
export async function readDurablyParsed(log: EventLog, slice: LogSlice): Promise<ParsedLogPage> {
  const page = log.readLogParsed === undefined ? await log.readLog(slice) : await log.readLogParsed(slice)
  return durable(log, slice, page)
}

/** A page of a stream, parsed where the store does that faster: no row must become two events. It may not be durable. */
export function readStreamParsed(
  log: Pick<LogReader, 'readStream' | 'readStreamParsed'>,
  slice: StreamSlice,
): Promise<ParsedStreamPage> {
  return log.readStreamParsed === undefined ? log.readStream(slice) : log.readStreamParsed(slice)
}

async function durable<Page extends ParsedLogPage>(
  log: EventLog,
  { afterPosition }: LogSlice,
  page: Page,
): Promise<Page> {
  const last = page.rows.at(-1)
  const proof = last?.position === page.scannedTo ? last.id : undefined
  if (page.scannedTo > afterPosition) await log.whenDurable(page.scannedTo, proof)
  return page
}

/** Reads as `readDurably`, but without ids, metadata and tags where the store can leave them out. */
export class BriefReader {
  readonly #log: EventLog
  /** Everything up to here is durable. */
  #durableTo = 0

  constructor(log: EventLog) {
    this.#log = log
  }

  async read(slice: LogSlice): Promise<BriefPage> {
    if (this.#log.readBriefly === undefined) return readDurably(this.#log, slice)
    const page = await this.#log.readBriefly(slice)
    if (page.scannedTo <= Math.max(slice.afterPosition, this.#durableTo)) return page
    // The head of a page proves itself, and with it all events before.
    await this.#log.whenDurable(page.head)
    this.#durableTo = page.head
    return page
  }
}
