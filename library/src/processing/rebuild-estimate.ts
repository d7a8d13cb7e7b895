import type { Host } from '../core/ports/host.ts'
import type { BriefPage, EventLog, LogSlice } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { DocumentFold } from './document-fold.ts'

/** So many pages are folded at most, spread over the log, and for so long. */
const sample = { pages: 40, limitMs: 500 }
const pageEvents = 500

/** What folding a log anew would take, judged by a sample of it. */
export async function estimateRebuild(
  definition: ProjectionDefinition,
  log: EventLog,
  host: Host,
): Promise<{ readonly events: number; readonly bytes: number; readonly secondsAbout: number }> {
  const events = (await log.head()).position
  if (events === 0) return { events, bytes: 0, secondsAbout: 0 }
  const stride = Math.max(pageEvents, Math.floor(events / sample.pages))
  const models = { documents: async () => new Map<string, string>() }
  let isWholeWanted = false
  const read = (slice: LogSlice): Promise<BriefPage> =>
    isWholeWanted || log.readBriefly === undefined ? log.readLog(slice) : log.readBriefly(slice)
  let [scanned, bytes, tookMs] = [0, 0, 0]
  for (let afterPosition = 0; afterPosition < events; afterPosition += stride) {
    const startMs = performance.now()
    const toPosition = Math.min(events, afterPosition + pageEvents)
    const page = await read({ afterPosition, toPosition, items: definition.items, limit: pageEvents })
    // A fold of its own for each page: a document may need the events before, and what throws here is no failure.
    const { gaps } = await new DocumentFold(definition).fold(page.rows, models)
    if (gaps.isMet) {
      // Once more, and from now on, with what the projection looks at.
      isWholeWanted = true
      afterPosition -= stride
      continue
    }
    tookMs += performance.now() - startMs
    for (const { data } of page.rows) bytes += (typeof data === 'string' ? data : JSON.stringify(data)).length
    scanned += Math.max(0, page.scannedTo - afterPosition)
    if (tookMs > sample.limitMs) break
    await host.nextTurn()
  }
  const share = scanned === 0 ? 0 : events / scanned
  const seconds = (tookMs / 1_000) * share
  return { events, bytes: Math.round(bytes * share), secondsAbout: Math.round(seconds * 10) / 10 }
}
