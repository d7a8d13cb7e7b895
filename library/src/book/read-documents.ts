import { type CursorPlace, queriesAfter } from '../core/document-cursor.ts'
import { type DocumentQuery, selectDocuments } from '../core/document-query.ts'
import { maxPosition } from '../core/limits.ts'
import type { ReadModelShape } from '../core/ports/read-models.ts'
import { documentRow } from '../core/projection.ts'
import { heldDocuments, type LiveDocument, type LiveProjection } from '../processing/live.ts'
import { documentAsOf, documentsAsOf, type PastParts } from '../processing/past-documents.ts'
import type { PastBound } from '../processing/past-rows.ts'

/** A document as it is stored. */
export interface FoundDocument {
  readonly key: string
  readonly document: string
}

/** Where questions about documents are answered from. */
export interface Documents {
  get(key: string): Promise<string | undefined>
  find(query: DocumentQuery): Promise<readonly FoundDocument[]>
  count(query: DocumentQuery): Promise<number>
}

/** The documents of a live projection: of the moment of the first question. */
export function liveDocuments(live: LiveProjection): Documents {
  return inMemory(
    () => live.all(),
    (key) => live.get(key),
  )
}

/** The documents as of a moment, folded from the log. */
export function pastDocuments(parts: PastParts, bound: PastBound): Documents {
  const { definition } = parts
  return inMemory(
    async () => heldDocuments(definition, await documentsAsOf(parts, bound)),
    async (key) => {
      const document = await documentAsOf(parts, key, bound)
      return document === undefined ? undefined : documentRow(definition, key, document).document
    },
  )
}

function inMemory(all: () => Promise<readonly LiveDocument[]>, get: Documents['get']): Documents {
  let folded: Promise<readonly LiveDocument[]> | undefined
  const select = async (query: DocumentQuery): Promise<readonly LiveDocument[]> => {
    folded ??= all()
    return selectDocuments(await folded, query)
  }
  return {
    get,
    find: select,
    count: async (query) => (await select({ ...query, limit: maxPosition })).length,
  }
}

/**
 * Up to `limit` documents of a query, of those behind a place. Read in a few steps where there is a place: a document
 * that moves in the order meanwhile may be met twice or not at all, as between two pages.
 */
export async function documentsAfter(
  documents: Documents,
  shape: ReadModelShape,
  query: DocumentQuery,
  place: CursorPlace | undefined,
): Promise<readonly FoundDocument[]> {
  const found: FoundDocument[] = []
  for (const part of queriesAfter(shape, query, place)) {
    const left = query.limit - found.length
    if (left > 0) found.push(...(await documents.find({ ...part, limit: left })))
  }
  return found
}
