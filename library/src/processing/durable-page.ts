import type { EventLog, LogPage, LogSlice } from '../core/ports/store.ts'

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
