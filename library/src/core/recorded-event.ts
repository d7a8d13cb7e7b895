import type { RecordedEvent } from './event.ts'
import type { Metadata } from './metadata.ts'
import { categoryOf, streamIdOf } from './names.ts'
import type { BriefRow, EventRow, ParsedRow } from './row-hash.ts'

const noTags: readonly string[] = Object.freeze([])

/** Turns rows into recorded events. Keeps the last instant's text, which neighbours usually share. */
export class RowReader {
  #instantMs = -1
  #instant = ''

  event(row: ParsedRow): RecordedEvent {
    return {
      position: row.position,
      stream: row.stream,
      category: categoryOf(row.stream),
      streamId: streamIdOf(row.stream),
      version: row.version,
      type: row.type,
      schemaVersion: row.schemaVersion,
      id: row.id,
      data: dataOf(row),
      metadata: metadataOf(row),
      tags: tagsOf(row),
      recordedAt: this.#instantOf(row.recordedAtMs),
    }
  }

  events(rows: readonly ParsedRow[]): RecordedEvent[] {
    return rows.map((row) => this.event(row))
  }

  #instantOf(timeMs: number): string {
    if (timeMs !== this.#instantMs) {
      this.#instantMs = timeMs
      this.#instant = instantText(timeMs)
    }
    return this.#instant
  }
}

/**
 * What the events of one matter have in common: their correlation id, or their own id where they have none, as the first of
 * them, which the others are `causedBy`. A key for a projection that joins them, in whatever order they come.
 */
export function correlationOf(event: { readonly id: string; readonly metadata: Metadata }): string {
  return event.metadata.correlationId ?? event.id
}

/** An instant as Daybook prints it: ISO 8601 in UTC with milliseconds. */
export function instantText(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

/** The tags of a row; the empty list is shared. */
export function tagsOf({ tags }: Pick<ParsedRow, 'tags'>): readonly string[] {
  if (tags === '[]' || tags.length === 0) return noTags
  return typeof tags === 'string' ? JSON.parse(tags) : tags
}

/** Whether a fold looked at what a brief row does not have. */
export interface Gaps {
  isMet: boolean
}

/**
 * The same event for folding: what few folds look at (metadata, tags, instant) is derived when it is read. Replay
 * runs nearly twice as fast for it. Made of a brief row, it throws where more is asked for, and notes it in `gaps`: the
 * function that asked may catch what is thrown.
 */
export class FoldedEvent implements RecordedEvent {
  readonly #row: BriefRow
  readonly #gaps: Gaps | undefined
  #metadata: Metadata | undefined
  readonly data: unknown

  constructor(row: BriefRow, gaps?: Gaps) {
    this.#row = row
    this.#gaps = gaps
    this.data = dataOf(row)
  }

  get position(): number {
    return this.#row.position
  }
  get stream(): string {
    return this.#row.stream
  }
  get category(): string {
    return categoryOf(this.#row.stream)
  }
  get streamId(): string {
    return streamIdOf(this.#row.stream)
  }
  get version(): number {
    return this.#row.version
  }
  get type(): string {
    return this.#row.type
  }
  get schemaVersion(): number {
    return this.#row.schemaVersion
  }
  get id(): string {
    return this.#whole().id
  }
  get metadata(): Metadata {
    this.#metadata ??= metadataOf(this.#whole())
    return this.#metadata
  }
  get tags(): readonly string[] {
    return tagsOf(this.#whole())
  }
  get recordedAt(): string {
    return instantText(this.#row.recordedAtMs)
  }
  /** The plain event, so that printing or storing a folded event shows everything. */
  toJSON(): RecordedEvent {
    return new RowReader().event(this.#whole())
  }

  #whole(): ParsedRow {
    if (isWhole(this.#row)) return this.#row
    if (this.#gaps !== undefined) this.#gaps.isMet = true
    throw new Error(`the event at position ${this.#row.position} was read without id, metadata and tags`)
  }
}

/** The data of a row, which the store may have parsed already. */
export function dataOf({ data }: BriefRow): unknown {
  return typeof data === 'string' ? JSON.parse(data) : data
}

function metadataOf({ metadata }: ParsedRow): Metadata {
  return (typeof metadata === 'string' ? JSON.parse(metadata) : metadata) as Metadata
}

/** Whether a row has everything. */
function isWhole(row: BriefRow): row is ParsedRow {
  return 'metadata' in row
}

/** Whether a row has everything, as it is stored: any number of events may be made of it. */
export function isExact(row: BriefRow): row is EventRow {
  return isWhole(row) && typeof row.data === 'string' && typeof row.metadata === 'string'
}
