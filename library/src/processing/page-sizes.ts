import type { ParsedLogPage } from '../core/ports/store.ts'
import type { ParsedRow } from '../core/row-hash.ts'

/** Most events of one page. */
export const pageEvents = 1_000
/** A reader that stops at its first events has not been given many; each page after may be twice as large. */
const firstPageBytes = 32_768
/** What the pages of all readers of a book are to hold together, in bytes of data. */
const allPagesBytes = 32 * 1_048_576
/** What of it the readers share evenly, whatever others hold. */
const evenBytes = 4 * 1_048_576
/** A page in use, and the next one. */
const pagesAtOnce = 2
/** What an event takes as long as none has been seen. */
const assumedEventBytes = 4_096

/**
 * How large the pages of readers may be that share the memory of one book: any of them may stop pulling for good, and
 * then holds what it was given last. What those hold who stopped is little, since they came little far; whoever goes on may
 * have half of what is left.
 */
export class PageSizes {
  #readers = 0
  #heldBytes = 0

  /** For one reader, until it is disposed of. */
  begin(): PageSize {
    this.#readers++
    return new PageSize({
      mostBytes: (ownBytes) => {
        const left = allPagesBytes - (this.#heldBytes - ownBytes)
        return Math.max(evenBytes / this.#readers, left / 2) / pagesAtOnce
      },
      hold: (moreBytes) => {
        this.#heldBytes += moreBytes
      },
      end: () => {
        this.#readers--
      },
    })
  }
}

/** What a reader asks of the memory that it shares. */
interface Shared {
  /** For one page of a reader who holds so much already. */
  readonly mostBytes: (ownBytes: number) => number
  /** Notes that so much more is held, or less. */
  readonly hold: (moreBytes: number) => void
  readonly end: () => void
}

/** How large the next page of one reader may be. */
export class PageSize implements Disposable {
  readonly #shared: Shared
  #mostBytes = firstPageBytes
  #eventBytes = assumedEventBytes
  /** Bytes of the page in use, and of the next one. */
  #held: readonly [number, number] = [0, 0]
  #isOver = false

  constructor(shared: Shared) {
    this.#shared = shared
  }

  /** Most events of the next page: at least one. */
  next(left: number): number {
    const bytes = Math.min(this.#mostBytes, this.#shared.mostBytes(this.#heldBytes))
    this.#mostBytes = Math.min(allPagesBytes, this.#mostBytes * 2)
    const events = Math.min(left, pageEvents, Math.max(1, Math.floor(bytes / this.#eventBytes)))
    this.#hold([this.#held[1], events * this.#eventBytes])
    return events
  }

  /** Learns from the page what events take. One that was read ahead may come when its reader has ended. */
  note({ rows, characters }: Pick<ParsedLogPage, 'rows' | 'characters'>): void {
    if (this.#isOver) return
    const bytes = characters ?? charactersOf(rows)
    if (rows.length > 0) this.#eventBytes = Math.max(1, bytes / rows.length)
    this.#hold([this.#held[0], bytes])
  }

  get #heldBytes(): number {
    return this.#held[0] + this.#held[1]
  }

  #hold(pages: readonly [number, number]): void {
    const before = this.#heldBytes
    this.#held = pages
    this.#shared.hold(this.#heldBytes - before)
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#hold([0, 0])
    this.#shared.end()
  }
}

function charactersOf(rows: readonly ParsedRow[]): number {
  const lengthOf = (text: string | object): number => (typeof text === 'string' ? text.length : 0)
  return rows.reduce((sum, { data, metadata }) => sum + lengthOf(data) + lengthOf(metadata), 0)
}
