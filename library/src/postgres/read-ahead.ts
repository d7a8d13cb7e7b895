import type { LogSlice } from '../core/ports/store.ts'
import type { BriefRow } from '../core/row-hash.ts'

/** They are fewer where together they would hold more data than this, in characters. */
const mostAhead = 8 * 1_048_576
/** How full a page is to be, so that hardly any has to be read in two parts. */
const fullness = 0.9
/** Most events that one page looks through, and how much more than the page before. */
const mostEvents = 250_000
const growth = 4

/** Whoever has not asked for so long, in ms, leaves reading ahead to others. */
const idleMs = 2_000

export interface ReadAheadSettings {
  /** Pages under way or waiting, beside the one in use: so that neither the server nor who reads waits for the other. */
  readonly pagesAhead: number
  /** With fewer events than this to come, or in pages of fewer, pages are read when they are asked for. */
  readonly leastBacklog: number
  readonly leastPage: number
}

const usual: ReadAheadSettings = { pagesAhead: 16, leastBacklog: 20_000, leastPage: 500 }

/** A page of the log, and about how many characters of text it came as. */
export interface SizedPage<Row> {
  readonly rows: readonly Row[]
  readonly scannedTo: number
  readonly head: number
  readonly characters: number
}

export interface ReadAheadParts<Row> {
  readonly read: (slice: LogSlice) => Promise<SizedPage<Row>>
  /** Resolves when no crash can take back what a page holds: a page that waits may otherwise outlive its history. */
  readonly prove: (page: SizedPage<Row>) => Promise<void>
}

/**
 * Reads a long backlog, as of a rebuild, before it is asked for: where the next page begins is not known until the one before
 * has come, so server and process would work in turns. The log is read in ranges of positions instead, each about as wide as
 * a page takes; one with more events than that is read in parts. For one reader at a time; others read as ever.
 */
export class ReadAhead<Row extends BriefRow> {
  readonly #parts: ReadAheadParts<Row>
  readonly #settings: ReadAheadSettings
  #run: Run<Row> | undefined
  #head = 0
  #idle: NodeJS.Timeout | undefined

  constructor(parts: ReadAheadParts<Row>, settings: Partial<ReadAheadSettings> = {}) {
    this.#parts = parts
    this.#settings = { ...usual, ...settings }
  }

  async read(slice: LogSlice): Promise<SizedPage<Row>> {
    const run = this.#runFor(slice)
    if (run === undefined) return this.#noted(await this.#parts.read(slice))
    try {
      return this.#noted(await run.page(slice.limit, this.#head))
    } catch (error) {
      if (this.#run === run) this.#forget()
      throw error
    }
  }

  #noted(page: SizedPage<Row>): SizedPage<Row> {
    this.#head = page.head
    return page
  }

  #runFor(slice: LogSlice): Run<Row> | undefined {
    if (this.#run !== undefined && !this.#run.isOf(slice)) return undefined
    const { pagesAhead, leastBacklog, leastPage } = this.#settings
    const backlog = Math.min(slice.toPosition, this.#head) - slice.afterPosition
    if (backlog < leastBacklog) {
      this.#forget()
      return undefined
    }
    if (this.#run?.isAt(slice.afterPosition) !== true) {
      if (slice.limit < leastPage) return undefined
      this.#run = new Run(slice, this.#parts, pagesAhead)
    }
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
interface Range<Row> {
  readonly toPosition: number
  readonly page: Promise<SizedPage<Row>>
}

/** Pages one behind the other. */
class Run<Row extends BriefRow> {
  readonly #slice: LogSlice
  readonly #parts: ReadAheadParts<Row>
  readonly #mostPages: number
  readonly #ranges: Range<Row>[] = []
  /** Where the next page begins that is asked for, and the next range that is read. */
  #asked: number
  #next: number
  #span: number
  #pagesAhead = 1

  constructor(slice: LogSlice, parts: ReadAheadParts<Row>, mostPages: number) {
    this.#slice = slice
    this.#parts = parts
    this.#mostPages = mostPages
    this.#asked = slice.afterPosition
    this.#next = slice.afterPosition
    this.#span = slice.limit
  }

  isOf({ items, toPosition }: LogSlice): boolean {
    return items === this.#slice.items && toPosition === this.#slice.toPosition
  }

  isAt(afterPosition: number): boolean {
    return afterPosition === this.#asked
  }

  /** @param head of the log, as far as is known: nothing beyond it is read ahead */
  async page(limit: number, head: number): Promise<SizedPage<Row>> {
    this.#readMore(Math.min(head, this.#slice.toPosition))
    const { page: coming, toPosition } = this.#ranges.shift() as Range<Row>
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
  #upTo(limit: number, page: SizedPage<Row>): SizedPage<Row> {
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

  #range(afterPosition: number, toPosition: number): Range<Row> {
    const page = this.#proven({ ...this.#slice, afterPosition, toPosition })
    // Should nobody come for it, its failure is nobody's.
    page.catch(() => undefined)
    return { toPosition, page }
  }

  async #proven(slice: LogSlice): Promise<SizedPage<Row>> {
    const page = await this.#parts.read(slice)
    await this.#parts.prove(page)
    return page
  }

  /** Learns from a page how wide the next are to be, and how many. */
  #note(scanned: number, { rows, characters }: SizedPage<Row>): void {
    const { items, limit } = this.#slice
    this.#pagesAhead = Math.max(1, Math.min(this.#mostPages, Math.floor(mostAhead / Math.max(1, characters))))
    if (items === undefined || scanned === 0) return
    const wanted = Math.ceil((fullness * limit * scanned) / Math.max(1, rows.length))
    this.#span = Math.max(limit, Math.min(wanted, mostEvents, this.#span * growth))
  }
}
