import type { BriefPage, EventLog, LogPage, LogSlice } from '../core/ports/store.ts'

/**
 * A page of the log that no crash can take back: whoever acts on it, moves a checkpoint over it or keeps in memory what
 * it led to, would otherwise do so for events that never were.
 */
export async function readDurably(log: EventLog, slice: LogSlice): Promise<LogPage> {
  const page = await log.readLog(slice)
  const last = page.rows.at(-1)
  const proof = last?.position === page.scannedTo ? last.id : undefined
  if (page.scannedTo > slice.afterPosition) await log.whenDurable(page.scannedTo, proof)
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
