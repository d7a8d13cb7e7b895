import type { KeyRecord, LogHead } from '../core/append-plan.ts'
import type { BriefPage, LogPage, LogReader, LogSlice, StreamPage, StreamSlice } from '../core/ports/store.ts'
import type { QueryItem } from '../core/query.ts'
import { type BriefRow, type EventRow, genesisHash, type RowHashes } from '../core/row-hash.ts'
import type { Cell, Row as Cells, Connection } from './connection.ts'
import { translated } from './errors.ts'
import * as sql from './statements.ts'

/** More rows than this at a time are no faster. */
const pageRows = 500
/** A page of large events ends here. */
export const pageBytes: number = 4 * 1_048_576

/** Reading a log over one connection: each page is one short statement, so that no read holds the log back. */
export class SqliteReader implements LogReader {
  readonly #connection: () => Connection
  readonly #name: string

  constructor(connection: () => Connection, name: string) {
    this.#connection = connection
    this.#name = name
  }

  head(): Promise<LogHead> {
    return this.#read(readHead)
  }

  readHashes(afterPosition: number, limit: number): Promise<readonly RowHashes[]> {
    return this.#read((connection) =>
      connection.all(sql.readHashes, afterPosition, limit).map(([leafHash, chainHash]) => ({
        leafHash: leafHash as Uint8Array,
        chainHash: chainHash as Uint8Array,
      })),
    )
  }

  findKey(key: string): Promise<KeyRecord | undefined> {
    return this.#read((connection) => readKeys(connection, [key]).get(key))
  }

  readStream({ stream, direction, fromVersion, toVersion, types, limit }: StreamSlice): Promise<StreamPage> {
    return this.#read((connection) => {
      const text = direction === 'forwards' ? sql.readStreamForwards : sql.readStreamBackwards
      return page(connection, wholeRows, limit, (most) => [
        text,
        stream,
        fromVersion,
        toVersion,
        jsonOrNull(types),
        most,
      ])
    })
  }

  readLog(slice: LogSlice): Promise<LogPage> {
    return this.#read((connection) => readSlice(connection, wholeRows, slice))
  }

  readBriefly(slice: LogSlice): Promise<BriefPage> {
    return this.#read((connection) => readSlice(connection, briefRows, slice))
  }

  #read<Result>(work: (connection: Connection) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      try {
        resolve(work(this.#connection()))
      } catch (error) {
        reject(translated(error, this.#name))
      }
    })
  }
}

export function readHead(connection: Connection): LogHead {
  const row = connection.first(sql.readHead)
  if (row === undefined) return { position: 0, recordedAtMs: 0, chainHash: genesisHash }
  const [position, recordedAtMs, chainHash] = row
  return {
    position: Number(position),
    recordedAtMs: Number(recordedAtMs),
    chainHash: chainHash as Uint8Array,
  }
}

export function readKeys(connection: Connection, keys: readonly string[]): Map<string, KeyRecord> {
  const rows = connection.all(sql.readKeys, JSON.stringify(keys))
  return new Map(
    rows.map(([key, fingerprint, firstPosition, eventCount]) => [
      String(key),
      {
        key: String(key),
        fingerprint: String(fingerprint),
        firstPosition: Number(firstPosition),
        eventCount: Number(eventCount),
      },
    ]),
  )
}

/** The first position after one at which an event matches any of the items, up to the head. */
export function firstMatch(
  connection: Connection,
  items: readonly QueryItem[],
  afterPosition: number,
): number | undefined {
  const matches = items.flatMap((item) => {
    const tags = item.tags ?? []
    const values = [
      afterPosition,
      Number.MAX_SAFE_INTEGER,
      jsonOrNull(item.types),
      jsonOrNull(item.categories),
    ]
    const found =
      tags.length === 0
        ? connection.first(sql.matchByTypeAndCategory, ...values)
        : connection.first(sql.matchByTags, ...values, tags[0] as string, JSON.stringify(tags.slice(1)))
    return found === undefined ? [] : [Number(found[0])]
  })
  return matches.length === 0 ? undefined : Math.min(...matches)
}

/** Which columns of events are read, and what becomes of them. */
interface Form<Row> {
  readonly sql: sql.LogReading
  readonly rowOf: (cells: Cells) => Row
  readonly charactersOf: (cells: Cells) => number
}

const wholeRows: Form<EventRow> = {
  sql: sql.readLog,
  rowOf: eventRow,
  charactersOf: (cells) => String(cells[6]).length + String(cells[7]).length,
}

const briefRows: Form<BriefRow> = {
  sql: sql.readLogBriefly,
  rowOf: briefRow,
  charactersOf: (cells) => String(cells[5]).length,
}

interface Part<Row> {
  readonly rows: readonly Row[]
  readonly scannedTo: number
}

function readSlice<Row extends BriefRow>(
  connection: Connection,
  form: Form<Row>,
  { afterPosition, toPosition, items, limit }: LogSlice,
): Part<Row> & { readonly head: number } {
  // The head is read first: whatever is committed later lies beyond `end` and is left to the next page.
  const head = readHead(connection).position
  const end = Math.min(toPosition, head)
  const parts = (items ?? [undefined]).map((item): Part<Row> => {
    if (afterPosition >= end) return { rows: [], scannedTo: afterPosition }
    const { rows, isEnd } = page(connection, form, limit, (most) =>
      itemStatement(form.sql, item, afterPosition, end, most),
    )
    return { rows, scannedTo: isEnd ? end : (rows.at(-1)?.position ?? afterPosition) }
  })
  return { ...merged(parts, afterPosition, limit), head }
}

export function itemStatement(
  { all, byTypeAndCategory, byTags }: sql.LogReading,
  item: QueryItem | undefined,
  after: number,
  end: number,
  most: number,
): readonly [string, ...Cell[]] {
  if (item === undefined) return [all, after, end, most]
  const types = jsonOrNull(item.types)
  const categories = jsonOrNull(item.categories)
  const [firstTag, ...otherTags] = item.tags ?? []
  if (firstTag === undefined) return [byTypeAndCategory, after, end, types, categories, most]
  return [byTags, after, end, types, categories, firstTag, JSON.stringify(otherTags), most]
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

/** One page: all at once where no event is large, else row by row up to a bound in bytes. */
function page<Row>(
  connection: Connection,
  { rowOf, charactersOf }: Form<Row>,
  limit: number,
  statement: (most: number) => readonly [string, ...Cell[]],
): { readonly rows: readonly Row[]; readonly isEnd: boolean } {
  const most = Math.min(limit, pageRows)
  const [text, ...values] = statement(most)
  const largest = Number(connection.first(sql.readLargestEvent)?.[0] ?? 0)
  if (largest * most <= pageBytes * 4) {
    const rows = connection.all(text, ...values).map(rowOf)
    return { rows, isEnd: rows.length < most }
  }
  const rows: Row[] = []
  let characters = 0
  const cursor: Iterable<unknown> = connection.prepare(text).iterate(...values)
  for (const cells of cursor) {
    rows.push(rowOf(cells as Cells))
    characters += charactersOf(cells as Cells)
    if (characters >= pageBytes) return { rows, isEnd: false }
  }
  return { rows, isEnd: rows.length < most }
}

function briefRow(cells: Cells): BriefRow {
  return {
    position: cells[0] as number,
    stream: cells[1] as string,
    version: cells[2] as number,
    type: cells[3] as string,
    schemaVersion: cells[4] as number,
    data: cells[5] as string,
    recordedAtMs: cells[6] as number,
  }
}

function eventRow(cells: Cells): EventRow {
  return {
    position: cells[0] as number,
    stream: cells[1] as string,
    version: cells[2] as number,
    type: cells[3] as string,
    schemaVersion: cells[4] as number,
    id: cells[5] as string,
    data: cells[6] as string,
    metadata: cells[7] as string,
    tags: cells[8] as string,
    recordedAtMs: cells[9] as number,
  }
}

function jsonOrNull(names: readonly string[] | undefined): string | null {
  return names === undefined ? null : JSON.stringify(names)
}
