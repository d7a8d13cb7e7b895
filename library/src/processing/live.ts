import { deepFreeze } from '../core/fold.ts'
import { Mutex } from '../core/mutex.ts'
import type { ColumnValue } from '../core/ports/read-models.ts'
import type { EventLog } from '../core/ports/store.ts'
import { documentRow, evolveDocument, type ProjectionDefinition } from '../core/projection.ts'
import { FoldedEvent } from '../core/recorded-event.ts'
import { readDurably } from './durable-page.ts'

/** A document in memory that a query can be asked of. */
export interface LiveDocument {
  readonly key: string
  readonly document: string
  readonly columns: { readonly [column: string]: ColumnValue }
}

/** Documents in memory as a query needs them. Throws `PROJECTION_FAILED`. */
export function heldDocuments(
  definition: ProjectionDefinition,
  documents: ReadonlyMap<string, unknown>,
): readonly LiveDocument[] {
  const names = Object.keys(definition.shape.columns)
  return Array.from(documents, ([key, document]) => {
    const row = documentRow(definition, key, document)
    const columns = Object.fromEntries(names.map((name, index) => [name, row.columns[index] ?? null]))
    return { key, document: row.document, columns }
  })
}

/**
 * A live projection: nothing is stored; every question first folds what was appended since the last one. Always
 * current, at the price of a first question that folds everything and of the memory for all documents.
 */
export class LiveProjection {
  readonly #definition: ProjectionDefinition
  readonly #log: EventLog
  readonly #mutex = new Mutex()
  readonly #documents = new Map<string, unknown>()
  #position = 0

  constructor(definition: ProjectionDefinition, log: EventLog) {
    this.#definition = definition
    this.#log = log
  }

  get position(): number {
    return this.#position
  }

  async get(key: string): Promise<string | undefined> {
    await this.#catchUp()
    const document = this.#documents.get(key)
    return document === undefined ? undefined : documentRow(this.#definition, key, document).document
  }

  /** Every document, of one moment. */
  async all(): Promise<readonly LiveDocument[]> {
    await this.#catchUp()
    return heldDocuments(this.#definition, this.#documents)
  }

  /** Folds up to the head of this moment; questions at the same time wait for each other. */
  #catchUp(): Promise<void> {
    return this.#mutex.run(async () => {
      for (let hasMore = true; hasMore; ) {
        const page = await readDurably(this.#log, {
          afterPosition: this.#position,
          toPosition: Number.MAX_SAFE_INTEGER,
          items: this.#definition.items,
          limit: 500,
        })
        for (const row of page.rows) this.#fold(new FoldedEvent(row))
        this.#position = page.scannedTo
        hasMore = page.scannedTo < page.head
      }
    })
  }

  // The position moves with each event, so that after a throw the next question resumes at the event that failed.
  #fold(event: FoldedEvent): void {
    const keys = this.#definition.keysOf(event)
    const documents = keys.map((key) => evolveDocument(this.#definition, this.#documents.get(key), event))
    for (const [index, key] of keys.entries()) {
      const document = documents[index] ?? null
      if (document === null) this.#documents.delete(key)
      else this.#documents.set(key, deepFreeze(document))
    }
    this.#position = event.position
  }
}
