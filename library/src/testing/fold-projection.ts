import type { StreamAppend } from '../core/append-request.ts'
import type { RecordedEvent } from '../core/event.ts'
import { documentRow, evolveDocument, type Projection } from '../core/projection.ts'
import { matchesQuery } from '../core/query.ts'
import { recordedEvents } from './recorded-events.ts'

/**
 * The documents of a projection by key, folded from events without a book: recorded ones, or new ones as one would
 * append them, `{ stream: 'account-42', events: [opened] }`. Throws `PROJECTION_FAILED` where the engine would.
 */
export function foldProjection<Document, Columns>(
  { definition }: Projection<Document, Columns>,
  events: readonly RecordedEvent[] | readonly StreamAppend[],
): ReadonlyMap<string, Document> {
  const documents = new Map<string, Document>()
  for (const event of isRecorded(events) ? events : recordedEvents(events)) {
    if (!matchesQuery(definition.items, event)) continue
    for (const key of definition.keysOf(event)) {
      const document = evolveDocument(definition, documents.get(key), event)
      if (document === null || document === undefined) documents.delete(key)
      else documents.set(key, JSON.parse(documentRow(definition, key, document).document))
    }
  }
  return documents
}

function isRecorded(
  events: readonly RecordedEvent[] | readonly StreamAppend[],
): events is readonly RecordedEvent[] {
  return events.every((event) => 'position' in event)
}
