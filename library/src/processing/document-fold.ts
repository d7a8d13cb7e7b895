import { deepFreeze } from '../core/fold.ts'
import type { DocumentRow, FoldStart, ReadModelTransaction } from '../core/ports/read-models.ts'
import { documentRow, evolveDocument, type ProjectionDefinition } from '../core/projection.ts'
import { FoldedEvent, type Gaps } from '../core/recorded-event.ts'
import type { BriefRow } from '../core/row-hash.ts'

/** Documents kept in memory between batches, so that a busy key is read once. */
const keptDocuments = 50_000

/** A document in memory. */
interface Slot {
  readonly key: string
  /** Null where there is none; undefined until it is loaded. */
  document: unknown
  isChanged: boolean
}

/** Folds events into documents in memory; the changes are taken out and written in bulk. */
export class DocumentFold {
  readonly #definition: ProjectionDefinition
  readonly #slots = new Map<string, Slot>()
  #changed: Slot[] = []

  constructor(definition: ProjectionDefinition) {
    this.#definition = definition
  }

  /** How many documents changed since the changes were last taken. */
  get changed(): number {
    return this.#changed.length
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
    // One look-up for each event and key: a map of many documents is the dearest part of a fold.
    const steps: { readonly event: FoldedEvent; readonly slots: readonly Slot[] }[] = []
    const missing: Slot[] = []
    const gaps: Gaps = { isMet: false }
    let error: unknown
    for (const row of rows) {
      const event = new FoldedEvent(row, gaps)
      try {
        const slots = this.#definition.keysOf(event).map((key) => this.#slot(key, missing))
        steps.push({ event, slots })
      } catch (thrown) {
        error = thrown
        break
      }
    }
    if (missing.length > 0) await this.#load(missing, models, from)
    let folded = 0
    for (const { event, slots } of steps) {
      try {
        this.#foldInto(slots, event)
      } catch (thrown) {
        return { folded, error: thrown, gaps }
      }
      folded++
    }
    return { folded, error, gaps }
  }

  #slot(key: string, missing: Slot[]): Slot {
    let slot = this.#slots.get(key)
    if (slot === undefined) {
      slot = { key, document: undefined, isChanged: false }
      this.#slots.set(key, slot)
      missing.push(slot)
    }
    return slot
  }

  /** Into all documents of the event, or into none when one of them throws. Nearly every event has one. */
  #foldInto(slots: readonly Slot[], event: FoldedEvent): void {
    const documents = slots.map(({ document }) =>
      evolveDocument(this.#definition, document ?? undefined, event),
    )
    for (let nth = 0; nth < slots.length; nth++) {
      const slot = slots[nth] as Slot
      slot.document = deepFreeze(documents[nth] ?? null)
      if (slot.isChanged) continue
      slot.isChanged = true
      this.#changed.push(slot)
    }
  }

  async #load(
    missing: readonly Slot[],
    models: Pick<ReadModelTransaction, 'documents'>,
    from: FoldStart | undefined,
  ): Promise<void> {
    try {
      const keys = missing.map(({ key }) => key)
      const loaded = await models.documents(this.#definition.shape, keys, from)
      for (const slot of missing) {
        const text = loaded.get(slot.key)
        slot.document = text === undefined ? null : deepFreeze(JSON.parse(text))
      }
    } catch (error) {
      for (const { key } of missing) this.#slots.delete(key)
      throw error
    }
  }

  /** The changes since the last call, as rows to write and keys to delete. Throws `PROJECTION_FAILED`. */
  takeChanges(): { readonly upserts: readonly DocumentRow[]; readonly deletes: readonly string[] } {
    const upserts: DocumentRow[] = []
    const deletes: string[] = []
    for (const { key, document } of this.#changed) {
      if (document === null) deletes.push(key)
      else upserts.push(documentRow(this.#definition, key, document))
    }
    for (const slot of this.#changed) slot.isChanged = false
    this.#changed = []
    if (this.#slots.size > keptDocuments) this.#slots.clear()
    return { upserts, deletes }
  }

  /** Forgets everything: what is stored is the truth again. */
  clear(): void {
    this.#slots.clear()
    this.#changed = []
  }
}

/** How far a fold came. */
export interface FoldResult {
  readonly folded: number
  readonly error: unknown
  /** Where met, all of it is wrong: rows were brief, and the projection looks at more. */
  readonly gaps: Gaps
}
