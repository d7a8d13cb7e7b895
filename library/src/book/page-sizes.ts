import type { EventRow } from '../core/row-hash.ts'

/** Most events of one page. */
export const pageEvents = 1_000
/** A reader that stops at its first events has not been given many. */
const firstPageEvents = 125
/** What the pages of all readers of a book hold together, in bytes of data, about: more readers get smaller pages. */
const allPagesBytes = 32 * 1_048_576
/** A page in use, and the next one. */
const pagesAtOnce = 2
/** What an event takes as long as none has been seen. */
const assumedEventBytes = 16_384

/** How large the pages of readers may be that share the memory of one book: any of them may stop pulling for good. */
export class PageSizes {
  #readers = 0

  /** For one reader, until it is disposed of. */
  begin(): PageSize {
    this.#readers++
    return new PageSize(
      () => allPagesBytes / pagesAtOnce / this.#readers,
      () => void this.#readers--,
    )
  }
}

/** How large the next page of one reader may be. */
export class PageSize implements Disposable {
  readonly #shareBytes: () => number
  readonly #end: () => void
  #most = firstPageEvents
  #eventBytes = assumedEventBytes

  constructor(shareBytes: () => number, end: () => void) {
    this.#shareBytes = shareBytes
    this.#end = end
  }

  /** Most events of the next page: at least one, and twice those of the page before at most. */
  next(left: number): number {
    const fitting = Math.max(1, Math.floor(this.#shareBytes() / this.#eventBytes))
    const most = Math.min(left, this.#most, fitting)
    this.#most = Math.min(pageEvents, this.#most * 2)
    return most
  }

  /** Learns from a page what events take. */
  note(rows: readonly EventRow[]): void {
    if (rows.length === 0) return
    const bytes = rows.reduce((sum, { data, metadata }) => sum + data.length + metadata.length, 0)
    this.#eventBytes = Math.max(1, bytes / rows.length)
  }

  [Symbol.dispose](): void {
    this.#end()
  }
}
