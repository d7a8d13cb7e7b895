import type { BriefPage, LogSlice } from '../core/ports/store.ts'

/** Pages under way or waiting, beside the one in use: so that neither the server nor who folds waits for the other. */
const pagesAhead = 16
/** They are fewer where together they would hold more data than this, in characters. */
const mostAhead = 8 * 1_048_576
/** How full a page is to be, so that hardly any has to be read in two parts. */
const fullness = 0.9
/** Most events that one page looks through, and how much more than the page before. */
const mostEvents = 250_000
const growth = 4

/** With fewer events than this to come, pages are read when they are asked for. */
const usualBacklog = 20_000
/** Whoever has not asked for so long, in ms, leaves reading ahead to others. */
const idleMs = 2_000

/** A page, and about how many characters of text it came as. */
export interface SizedPage extends BriefPage {
  readonly characters: number
}

/**
 * Reads a long backlog, as of a rebuild, before it is asked for: where the next page begins is not known until the one before
 * has come, so server and process would work in turns. The log is read in ranges of positions instead, each about as wide as
 * a page takes; one with more events than that is read in parts. For one reader at a time; others read as ever.
 */
export class ReadAhead {
  readonly #read: (slice: LogSlice) => Promise<SizedPage>
  readonly #leastBacklog: number
  #run: Run | undefined
  #head = 0
  #idle: NodeJS.Timeout | undefined

  constructor(read: (slice: LogSlice) => Promise<SizedPage>, leastBacklog: number = usualBacklog) {
    this.#read = read
    this.#leastBacklog = leastBacklog
  }

  async read(slice: LogSlice): Promise<BriefPage> {
    const run = this.#runFor(slice)
    if (run === undefined) return this.#noted(await this.#read(slice))
    try {
      return this.#noted(await run.page(slice.limit, this.#head))
    } catch (error) {
      if (this.#run === run) this.#forget()
      throw error
    }
  }

  #noted({ rows, scannedTo, head }: BriefPage): BriefPage {
    this.#head = head
    return { rows, scannedTo, head }
  }

  #runFor(slice: LogSlice): Run | undefined {
    if (this.#run !== undefined && !this.#run.isOf(slice)) return undefined
    const backlog = Math.min(slice.toPosition, this.#head) - slice.afterPosition
    if (backlog < this.#leastBacklog) {
      this.#forget()
      return undefined
    }
    if (this.#run?.isAt(slice.afterPosition) !== true) this.#run = new Run(slice, this.#read)
    this.#idle ??= setTimeout(() => this.#forget(), idleMs).unref()
    this.#idle.refresh()
    return this.#run
  }

  #forget(): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#run = undefined
  }
}

/** A range of positions that is being read. */
interface Range {
  readonly toPosition: number
  readonly page: Promise<SizedPage>
}

/** Pages one behind the other. */
class Run {
  readonly #slice: LogSlice
  readonly #read: (slice: LogSlice) => Promise<SizedPage>
  readonly #ranges: Range[] = []
  /** Where the next page begins that is asked for, and the next range that is read. */
  #asked: number
  #next: number
  #span: number
  #pagesAhead = 1

  constructor(slice: LogSlice, read: (slice: LogSlice) => Promise<SizedPage>) {
    this.#slice = slice
    this.#read = read
    this.#asked = slice.afterPosition
    this.#next = slice.afterPosition
    this.#span = slice.limit
  }

  isOf({ items, toPosition, limit }: LogSlice): boolean {
    return items === this.#slice.items && toPosition === this.#slice.toPosition && limit <= this.#slice.limit
  }

  isAt(afterPosition: number): boolean {
    return afterPosition === this.#asked
  }

  /** @param head of the log, as far as is known: nothing beyond it is read ahead */
  async page(limit: number, head: number): Promise<BriefPage> {
    this.#readMore(Math.min(head, this.#slice.toPosition))
    const { page: coming, toPosition } = this.#ranges.shift() as Range
    const from = this.#asked
    this.#asked = Number.NaN
    const whole = await coming
    this.#note(whole.scannedTo - from, whole)
    if (whole.scannedTo < toPosition) this.#ranges.unshift(this.#range(whole.scannedTo, toPosition))
    const page = this.#upTo(limit, whole)
    this.#asked = page.scannedTo
    return page
  }

  /** The first rows of a page; its others are the next one. */
  #upTo(limit: number, page: SizedPage): SizedPage {
    const last = page.rows[limit - 1]
    if (last === undefined || page.rows.length === limit) return page
    const rest = { ...page, rows: page.rows.slice(limit) }
    this.#ranges.unshift({ toPosition: page.scannedTo, page: Promise.resolve(rest) })
    return { ...page, rows: page.rows.slice(0, limit), scannedTo: last.position }
  }

  #readMore(end: number): void {
    while (this.#ranges.length <= this.#pagesAhead && (this.#next < end || this.#ranges.length === 0)) {
      const toPosition = Math.min(this.#next + this.#span, Math.max(end, this.#next + 1))
      this.#ranges.push(this.#range(this.#next, toPosition))
      this.#next = toPosition
    }
  }

  #range(afterPosition: number, toPosition: number): Range {
    const page = this.#read({ ...this.#slice, afterPosition, toPosition })
    // Should nobody come for it, its failure is nobody's.
    page.catch(() => undefined)
    return { toPosition, page }
  }

  /** Learns from a page how wide the next are to be, and how many. */
  #note(scanned: number, { rows, characters }: SizedPage): void {
    const { items, limit } = this.#slice
    this.#pagesAhead = Math.max(1, Math.min(pagesAhead, Math.floor(mostAhead / Math.max(1, characters))))
    if (items === undefined || scanned === 0) return
    const wanted = Math.ceil((fullness * limit * scanned) / Math.max(1, rows.length))
    this.#span = Math.max(limit, Math.min(wanted, mostEvents, this.#span * growth))
  }
}
