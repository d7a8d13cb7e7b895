import { isDaybookError } from '../core/errors.ts'
import { deepFreeze } from '../core/fold.ts'
import type { FollowingStore } from '../core/ports/following.ts'
import type { EventLog } from '../core/ports/store.ts'
import { evolveDocument, type ProjectionDefinition } from '../core/projection.ts'
import { FoldedEvent } from '../core/recorded-event.ts'
import type { ParsedRow } from '../core/row-hash.ts'
import { logUntil, type PastBound, streamsUntil } from './past-rows.ts'

/** What folding history needs. */
export interface PastParts {
  readonly definition: ProjectionDefinition
  readonly log: EventLog
  readonly following: FollowingStore
}

/** All documents as of a moment: folds the events of the projection up to there, and holds every document in memory. */
export async function documentsAsOf(
  parts: PastParts,
  bound: PastBound,
): Promise<ReadonlyMap<string, unknown>> {
  const { definition, log } = parts
  const past = new PastFold(definition, undefined, await skippedOf(parts))
  for await (const rows of logUntil(log, definition.items, bound)) for (const row of rows) past.fold(row)
  return past.documents
}

/**
 * One document as of a moment: reads its streams alone where the key says which, else the events of the projection up to
 * there. Holds one document and one page of events in memory; all documents where an event that fails on another one is
 * to be left out of this one too.
 */
export async function documentAsOf(parts: PastParts, key: string, bound: PastBound): Promise<unknown> {
  const { definition, log } = parts
  const streams = definition.streamsOf(key)
  if (streams === undefined && definition.onFailure !== 'stop')
    return (await documentsAsOf(parts, bound)).get(key)
  const past = new PastFold(definition, key, await skippedOf(parts))
  const pages =
    streams === undefined
      ? logUntil(log, definition.items, bound)
      : streamsUntil(log, streams, definition.items, bound)
  for await (const rows of pages) for (const row of rows) past.fold(row)
  return past.documents.get(key)
}

/** Folds history into documents, without the events that the projection leaves out. */
class PastFold {
  readonly documents = new Map<string, unknown>()
  readonly #definition: ProjectionDefinition
  readonly #only: string | undefined
  readonly #skipped: ReadonlySet<number>
  /** Streams that wait behind an event that the fold throws on. */
  readonly #waiting = new Set<string>()

  constructor(definition: ProjectionDefinition, only: string | undefined, skipped: ReadonlySet<number>) {
    this.#definition = definition
    this.#only = only
    this.#skipped = skipped
  }

  fold(row: ParsedRow): void {
    if (this.#skipped.has(row.position) || this.#waiting.has(row.stream)) return
    try {
      this.#foldInto(new FoldedEvent(row))
    } catch (error) {
      const { onFailure } = this.#definition
      if (onFailure === 'stop' || !isDaybookError(error, 'PROJECTION_FAILED')) throw error
      if (onFailure === 'park-stream') this.#waiting.add(row.stream)
    }
  }

  /** Into all documents of the event, or into none when one of them throws. */
  #foldInto(event: FoldedEvent): void {
    const only = this.#only
    const keys = this.#definition.keysOf(event).filter((key) => only === undefined || key === only)
    const after = keys.map((key) => evolveDocument(this.#definition, this.documents.get(key), event))
    for (const [nth, key] of keys.entries()) {
      const document = after[nth] ?? null
      if (document === null) this.documents.delete(key)
      else this.documents.set(key, deepFreeze(document))
    }
  }
}

/** Positions of the events that a person said are not to be folded. */
async function skippedOf({ definition, following }: PastParts): Promise<ReadonlySet<number>> {
  const skipped = new Set<number>()
  const { subscription } = definition
  for (let afterPosition = 0; ; ) {
    const filter = { subscription, statuses: ['skipped'], afterPosition, limit: 1_000 } as const
    const page = await following.parked(filter)
    for (const { position } of page) skipped.add(position)
    const last = page.at(-1)
    if (last === undefined || page.length < filter.limit) return skipped
    afterPosition = last.position
  }
}
