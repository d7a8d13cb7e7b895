import type { KeyRecord, LogHead } from '../core/append-plan.ts'
import { unpackedRows, unpackedWholeRows } from '../core/packed-rows.ts'
import type {
  BriefPage,
  LogPage,
  LogReader,
  LogSlice,
  ParsedLogPage,
  ParsedStreamPage,
  StreamPage,
  StreamSlice,
} from '../core/ports/store.ts'
import type { QueryItem } from '../core/query.ts'
import type { BriefRow, EventRow, ParsedRow, RowHashes } from '../core/row-hash.ts'
import { textArray } from './arrays.ts'
import type { Row as Cells, Runner } from './connection.ts'
import { translated } from './errors.ts'
import { bytesFromHex, readHead, readKeys, textArrayOrNull } from './facts.ts'
import { ReadAhead, type ReadAheadParts, type SizedPage } from './read-ahead.ts'
import type { Readers } from './readers.ts'
import { ScanSpans } from './scan-spans.ts'
import { boundedByBytes, type LogStatements, packed, pageBytes, type Statement } from './statements.ts'
import { together } from './transaction.ts'

/** More rows than this at a time are no faster. */
const pageRows = 1_000
/** A page of no more rows than this comes as quickly row by row. */
const fewRows = 128
/** Of so many pages read last the head is remembered as it was. */
const headsKept = 256
/** How long the size of the largest event is taken for known, in ms. */
const boundsKnownMs = 1_000

/** What a reader reads with: connections of its own, or the transaction it is part of. */
export interface ReaderParts {
  readonly name: string
  readonly sql: LogStatements
  readonly readers?: Readers
  readonly runner?: Runner
}

interface Bounds {
  readonly head: number
  readonly largestEventBytes: number
}

/** Reading a log: each page is one short statement, so that no read holds back the log, or the vacuum of the server. */
export class PostgresReader implements LogReader {
  readonly #parts: ReaderParts
  #bounds: Bounds = { head: 0, largestEventBytes: Number.MAX_SAFE_INTEGER }
  readonly #heads = new Map<number, string>()
  readonly #spans = new ScanSpans(pageRows)
  readonly #aheadBriefly = new ReadAhead(this.#aheadParts(briefRows))
  // Few pages: who reads events may end at any of them.
  readonly #aheadParsed = new ReadAhead(this.#aheadParts(parsedRows), { pagesAhead: 3 })
  #boundsReadAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: ReaderParts) {
    this.#parts = parts
  }

  head(): Promise<LogHead> {
    return this.#read((runner) => readHead(runner, this.#parts.sql, this.#bounds.head))
  }

  readHashes(afterPosition: number, limit: number): Promise<readonly RowHashes[]> {
    return this.#read(async (runner) => {
      const rows = await runner.run(this.#parts.sql.readHashes, [afterPosition, limit])
      return rows.map(([leafHash, chainHash]) => ({
        leafHash: bytesFromHex(leafHash ?? ''),
        chainHash: bytesFromHex(chainHash ?? ''),
      }))
    })
  }

  findKey(key: string): Promise<KeyRecord | undefined> {
    return this.#read(async (runner) => (await readKeys(runner, this.#parts.sql, [key])).get(key))
  }

  readStream(slice: StreamSlice): Promise<StreamPage> {
    return this.#readStream(wholeRows, slice)
  }

  readStreamParsed(slice: StreamSlice): Promise<ParsedStreamPage> {
    // Pages are packed in the order of positions.
    return this.#readStream(slice.direction === 'forwards' ? parsedRows : wholeRows, slice)
  }

  #readStream<Row extends BriefRow>(
    form: Form<Row>,
    { stream, direction, fromVersion, toVersion, types, limit }: StreamSlice,
  ): Promise<{ readonly rows: readonly Row[]; readonly isEnd: boolean }> {
    const { sql } = this.#parts
    return this.#read(async (runner) => {
      await this.#requireBounds(runner)
      const statement = direction === 'forwards' ? sql.readStreamForwards : sql.readStreamBackwards
      const most = Math.min(limit, pageRows)
      const expected = Math.min(most, toVersion - fromVersion + 1)
      const values = [stream, fromVersion, toVersion, textArrayOrNull(types), most]
      const { rows, isEnd } = await this.#readPage(runner, form, { statement, values, most, expected })
      return { rows, isEnd }
    })
  }

  async readLog(slice: LogSlice): Promise<LogPage> {
    const { rows, scannedTo, head } = await this.#readSlice(wholeRows, slice)
    return { rows, scannedTo, head }
  }

  readLogParsed(slice: LogSlice): Promise<ParsedLogPage> {
    return this.#aheadParsed.read(slice)
  }

  readBriefly(slice: LogSlice): Promise<BriefPage> {
    return this.#aheadBriefly.read(slice)
  }

  #aheadParts<Row extends BriefRow>(form: Form<Row>): ReadAheadParts<Row> {
    return { read: (slice) => this.#readSlice(form, slice), prove: (page) => this.whenPageDurable(page) }
  }

  /** Resolves when no crash can take back what was just read. */
  protected async whenPageDurable(_page: PageEnd): Promise<void> {}

  #readSlice<Row extends BriefRow>(
    form: Form<Row>,
    { afterPosition, toPosition: wanted, items, limit }: LogSlice,
  ): Promise<SizedPage<Row>> {
    const most = Math.min(limit, pageRows)
    const toPosition = Math.min(wanted, afterPosition + this.#spans.of(items, most))
    return this.#read(async (runner) => {
      await this.#requireBounds(runner)
      // The head is asked for first: whatever is committed later lies beyond `end` and is left to the next page.
      const [{ head }, pages] = await together([
        this.#readBounds(runner),
        together(
          (items ?? [undefined]).map((item) =>
            this.#readItem(runner, form, item, { afterPosition, toPosition, most }),
          ),
        ),
      ])
      const end = Math.min(toPosition, head)
      const parts = pages.map(({ rows, isEnd }) => upTo(rows, isEnd, { after: afterPosition, end }))
      const part = merged(parts, afterPosition, limit)
      this.#spans.note(items, part.scannedTo - afterPosition, part.rows.length)
      return { ...part, head, characters: pages.reduce((sum, page) => sum + page.characters, 0) }
    })
  }

  #readItem<Row extends BriefRow>(
    runner: Runner,
    form: Form<Row>,
    item: QueryItem | undefined,
    { afterPosition, toPosition, most }: { afterPosition: number; toPosition: number; most: number },
  ): Promise<Page<Row>> {
    const { all, byTypeAndCategory, byTags } = this.#parts.sql[form.reading]
    const expected = Math.min(most, Math.min(toPosition, this.#bounds.head) - afterPosition)
    const read = (statement: Statement, values: readonly unknown[]): Promise<Page<Row>> =>
      this.#readPage(runner, form, { statement, values, most, expected })
    const range = [afterPosition, toPosition]
    if (item === undefined) return read(all, [...range, most])
    const names = [textArrayOrNull(item.types), textArrayOrNull(item.categories)]
    const [firstTag, ...otherTags] = item.tags ?? []
    if (firstTag === undefined) return read(byTypeAndCategory, [...range, ...names, most])
    return read(byTags, [...range, ...names, firstTag, textArray(otherTags), most])
  }

  /**
   * A page is counted in bytes only where its events could be large, since counting takes as long as reading; and packed only
   * where they could not.
   */
  async #readPage<Row extends BriefRow>(
    runner: Runner,
    form: Form<Row>,
    { statement, values, most, expected }: PageRequest,
  ): Promise<Page<Row>> {
    const isBrief = form.reading === 'readLogBriefly'
    const isSmall = this.#bounds.largestEventBytes * most <= pageBytes * 4
    if (form.unpacked !== undefined && isSmall && expected > fewRows) {
      const [columns] = await runner.run(packed(statement, isBrief), values)
      const texts = (columns ?? []).filter((column) => column !== null)
      const rows = texts.length === 0 ? [] : form.unpacked(texts)
      const characters = texts.reduce((sum, { length }) => sum + length, 0)
      if (rows !== undefined) return { rows, isEnd: rows.length < most, characters }
    }
    const bounded = isSmall ? statement : boundedByBytes(statement, isBrief)
    return page(form, await runner.run(bounded, values), most)
  }

  /** The chain hash of the log up to a position, in hexadecimal digits, if it was the head of a page read lately. */
  protected hashOfHead(position: number): string | undefined {
    return this.#heads.get(position)
  }

  #noteHead(position: number, chainHash: string): void {
    this.#heads.delete(position)
    this.#heads.set(position, chainHash)
    const [oldest] = this.#heads.keys()
    if (this.#heads.size > headsKept && oldest !== undefined) this.#heads.delete(oldest)
  }

  /** Knows of the largest event before a page is asked for; what is appended within a second cannot fill the memory. */
  async #requireBounds(runner: Runner): Promise<void> {
    if (performance.now() - this.#boundsReadAtMs > boundsKnownMs) await this.#readBounds(runner)
  }

  async #readBounds(runner: Runner): Promise<Bounds> {
    const known = this.#bounds.head
    const [row] = await runner.run(this.#parts.sql.readBounds, [known])
    const [largestEventBytes, head, chainHash] = row ?? []
    if (head === null && known > 0) {
      this.#bounds = { ...this.#bounds, head: 0 }
      return this.#readBounds(runner)
    }
    this.#bounds = { head: Number(head ?? 0), largestEventBytes: Number(largestEventBytes ?? 0) }
    this.#noteHead(this.#bounds.head, chainHash ?? '')
    this.#boundsReadAtMs = performance.now()
    return this.#bounds
  }

  async #read<Result>(work: (runner: Runner) => Promise<Result>): Promise<Result> {
    const { readers, runner, name } = this.#parts
    if (runner === undefined) return (readers as Readers).repeatable(work)
    try {
      return await work(runner)
    } catch (error) {
      throw translated(error, name)
    }
  }
}

/** Up to where a page was read, and where the log ended then. */
export type PageEnd = Pick<LogPage, 'scannedTo' | 'head'>

interface PageRequest {
  readonly statement: Statement
  readonly values: readonly unknown[]
  readonly most: number
  /** So many rows there could be, as far as is known. */
  readonly expected: number
}

interface Page<Row> {
  readonly rows: readonly Row[]
  /** True when nothing in the slice is left after these rows. */
  readonly isEnd: boolean
  /** About so much text its rows came as. */
  readonly characters: number
}

interface Part<Row> {
  readonly rows: readonly Row[]
  readonly scannedTo: number
}

/** Which columns of events are read, and what becomes of them. */
interface Form<Row> {
  readonly reading: 'readLog' | 'readLogBriefly'
  readonly rowOf: (cells: Cells) => Row
  /** The rows of a packed page; undefined where they have to be read one by one. */
  readonly unpacked?: (columns: readonly string[]) => readonly Row[] | undefined
  readonly charactersOf: (cells: Cells) => number
}

const wholeRows: Form<EventRow> = {
  reading: 'readLog',
  rowOf: eventRow,
  charactersOf: (cells) => (cells[6]?.length ?? 0) + (cells[7]?.length ?? 0),
}

const parsedRows: Form<ParsedRow> = { ...wholeRows, unpacked: unpackedWholeRows }

const briefRows: Form<BriefRow> = {
  reading: 'readLogBriefly',
  rowOf: briefRow,
  unpacked: unpackedRows,
  charactersOf: (cells) => cells[5]?.length ?? 0,
}

/** What of a page lies up to the end, which was read before it. */
function upTo<Row extends BriefRow>(
  rows: readonly Row[],
  isEnd: boolean,
  { after, end }: { readonly after: number; readonly end: number },
): Part<Row> {
  const last = rows.at(-1)?.position ?? after
  const scannedTo = isEnd || last > end ? Math.max(after, end) : last
  return { rows: last > end ? rows.filter(({ position }) => position <= end) : rows, scannedTo }
}

/** Several items of a query in one order, each row once, up to where all items were scanned or the page is full. */
function merged<Row extends BriefRow>(parts: readonly Part<Row>[], after: number, limit: number): Part<Row> {
  const scannedTo = Math.max(after, Math.min(...parts.map((part) => part.scannedTo)))
  const [only] = parts
  if (only !== undefined && parts.length === 1) return { rows: only.rows, scannedTo }
  const byPosition = new Map<number, Row>()
  for (const { rows } of parts)
    for (const row of rows) if (row.position <= scannedTo) byPosition.set(row.position, row)
  const inOrder = [...byPosition.values()].sort((one, other) => one.position - other.position)
  const rows = inOrder.slice(0, limit)
  return { rows, scannedTo: rows.length < inOrder.length ? (rows.at(-1)?.position ?? after) : scannedTo }
}

/** The rows of one answer. It is the last page when neither the count nor the bytes cut it off. */
function page<Row>({ rowOf, charactersOf }: Form<Row>, cells: readonly Cells[], most: number): Page<Row> {
  const rows = cells.map(rowOf)
  let characters = 0
  for (const row of cells) characters += charactersOf(row)
  // In UTF-8 a character takes up to three bytes; to ask once more than needed does no harm.
  const isEnd = rows.length < most && (characters * 3 < pageBytes || rows.length === 0)
  return { rows, isEnd, characters }
}

function eventRow(cells: Cells): EventRow {
  return {
    position: Number(cells[0]),
    stream: cells[1] as string,
    version: Number(cells[2]),
    type: cells[3] as string,
    schemaVersion: Number(cells[4]),
    id: cells[5] as string,
    data: cells[6] as string,
    metadata: cells[7] as string,
    tags: cells[8] as string,
    recordedAtMs: Number(cells[9]),
  }
}

function briefRow(cells: Cells): BriefRow {
  return {
    position: Number(cells[0]),
    stream: cells[1] as string,
    version: Number(cells[2]),
    type: cells[3] as string,
    schemaVersion: Number(cells[4]),
    data: cells[5] as string,
    recordedAtMs: Number(cells[6]),
  }
}
