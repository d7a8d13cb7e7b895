import { deepFreeze } from '../core/fold.ts'
import type { DocumentRow, FoldStart, ReadModelTransaction } from '../core/ports/read-models.ts'
import { documentRow, evolveDocument, type ProjectionDefinition } from '../core/projection.ts'
import { FoldedEvent, type Gaps } from '../core/recorded-event.ts'
import type { BriefRow } from '../core/row-hash.ts'

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
   *
   * @param from the checkpoint that the documents to load must be of
   */
  async fold(
    rows: readonly BriefRow[],
    models: Pick<ReadModelTransaction, 'documents'>,
    from?: FoldStart,
  ): Promise<FoldResult> {
    const steps: { readonly event: FoldedEvent; readonly keys: readonly string[] }[] = []
    const missing = new Set<string>()
    const gaps: Gaps = { isMet: false }
    let error: unknown
    for (const row of rows) {
      const event = new FoldedEvent(row, gaps)
      try {
        const keys = this.#definition.keysOf(event)
        for (const key of keys) if (!this.#documents.has(key)) missing.add(key)
        steps.push({ event, keys })
      } catch (thrown) {
        error = thrown
        break
      }
    }
    if (missing.size > 0) await this.#load([...missing], models, from)
    let folded = 0
    for (const { event, keys } of steps) {
      try {
        this.#foldInto(keys, event)
      } catch (thrown) {
        return { folded, error: thrown, gaps }
      }
      folded++
    }
    return { folded, error, gaps }
  }

  /** Into all documents of the event, or into none when one of them throws. Nearly every event has one. */
  #foldInto(keys: readonly string[], event: FoldedEvent): void {
    const documents = keys.map((key) =>
      evolveDocument(this.#definition, this.#documents.get(key) ?? undefined, event),
    )
    for (let nth = 0; nth < keys.length; nth++) {
      const key = keys[nth] as string
      this.#documents.set(key, deepFreeze(documents[nth] ?? null))
      this.#dirty.add(key)
    }
  }

  async #load(
    keys: readonly string[],
    models: Pick<ReadModelTransaction, 'documents'>,
    from: FoldStart | undefined,
  ): Promise<void> {
    const loaded = await models.documents(this.#definition.shape, keys, from)
    for (const key of keys) {
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
  /** Where met, all of it is wrong: rows were brief, and the projection looks at more. */
  readonly gaps: Gaps
}
