import { deepFreeze } from '../core/fold.ts'
import type { DocumentRow, ReadModelTransaction } from '../core/ports/read-models.ts'
import { documentRow, evolveDocument, type ProjectionDefinition } from '../core/projection.ts'
import { FoldedEvent } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'

/** Documents kept in memory between batches, so that a busy key is read once. */
const keptDocuments = 50_000

/** Folds events into documents in memory; the changes are taken out and written in bulk. */
export class DocumentFold {
  readonly #definition: ProjectionDefinition
  /** Documents by key; null for keys known to have none. */
  readonly #documents = new Map<string, unknown>()
  readonly #dirty = new Set<string>()

  constructor(definition: ProjectionDefinition) {
    this.#definition = definition
  }

  /** How many documents changed since the changes were last taken. */
  get changed(): number {
    return this.#dirty.size
  }

  /**
   * Loads what the rows need and folds them in order. Stops before the first event that a function of the projection
   * throws on: `folded` rows are in, `error` says why not the next.
   */
  async fold(
    rows: readonly EventRow[],
    models: Pick<ReadModelTransaction, 'documents'>,
  ): Promise<FoldResult> {
    const events: { readonly event: FoldedEvent; readonly keys: readonly string[] }[] = []
    let error: unknown
    for (const row of rows) {
      const event = new FoldedEvent(row)
      try {
        events.push({ event, keys: this.#definition.keysOf(event) })
      } catch (thrown) {
        error = thrown
        break
      }
    }
    await this.#load(
      events.flatMap(({ keys }) => keys),
      models,
    )
    for (const [index, { event, keys }] of events.entries()) {
      try {
        const documents = keys.map((key) =>
          evolveDocument(this.#definition, this.#documents.get(key) ?? undefined, event),
        )
        for (const [nth, key] of keys.entries()) {
          this.#documents.set(key, deepFreeze(documents[nth] ?? null))
          this.#dirty.add(key)
        }
      } catch (thrown) {
        return { folded: index, error: thrown }
      }
    }
    return { folded: events.length, error }
  }

  async #load(keys: readonly string[], models: Pick<ReadModelTransaction, 'documents'>): Promise<void> {
    const missing = [...new Set(keys)].filter((key) => !this.#documents.has(key))
    if (missing.length === 0) return
    const loaded = await models.documents(this.#definition.shape, missing)
    for (const key of missing) {
      const text = loaded.get(key)
      this.#documents.set(key, text === undefined ? null : deepFreeze(JSON.parse(text)))
    }
  }

  /** The changes since the last call, as rows to write and keys to delete. Throws `PROJECTION_FAILED`. */
  takeChanges(): { readonly upserts: readonly DocumentRow[]; readonly deletes: readonly string[] } {
    const upserts: DocumentRow[] = []
    const deletes: string[] = []
    for (const key of this.#dirty) {
      const document = this.#documents.get(key)
      if (document === null) deletes.push(key)
      else upserts.push(documentRow(this.#definition, key, document))
    }
    this.#dirty.clear()
    if (this.#documents.size > keptDocuments) this.#documents.clear()
    return { upserts, deletes }
  }

  /** Forgets everything: what is stored is the truth again. */
  clear(): void {
    this.#documents.clear()
    this.#dirty.clear()
  }
}

/** How far a fold came. */
export interface FoldResult {
  readonly folded: number
  readonly error: unknown
}
