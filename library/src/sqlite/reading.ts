import type { KeyRecord, LogHead } from '../core/append-plan.ts'
import type { LogPage, LogReader, LogSlice, StreamPage, StreamSlice } from '../core/ports/store.ts'
import type { QueryItem } from '../core/query.ts'
import { type EventRow, genesisHash, type RowHashes } from '../core/row-hash.ts'
import type { Cell, Connection, Row } from './connection.ts'
import { translated } from './errors.ts'
import * as sql from './statements.ts'

/** More rows than this at a time are no faster. */
const pageRows = 500
/** A page of large events ends here. */
const pageBytes = 4 * 1_048_576

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
      return page(connection, limit, (most) => [
        text,
        stream,
        fromVersion,
        toVersion,
        jsonOrNull(types),
        most,
      ])
    })
  }

  readLog({ afterPosition, toPosition, items, limit }: LogSlice): Promise<LogPage> {
    return this.#read((connection) => {
      // The head is read first: whatever is committed later lies beyond `end` and is left to the next page.
      const head = readHead(connection).position
      const end = Math.min(toPosition, head)
      const parts = (items ?? [undefined]).map((item) =>
        readItem(connection, item, afterPosition, end, limit),
      )
      return { ...merged(parts, afterPosition, limit), head }
    })
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

interface Part {
  readonly rows: readonly EventRow[]
  readonly scannedTo: number
}

function readItem(
  connection: Connection,
  item: QueryItem | undefined,
  after: number,
  end: number,
  limit: number,
): Part {
  if (after >= end) return { rows: [], scannedTo: after }
  const { rows, isEnd } = page(connection, limit, (most) => itemStatement(item, after, end, most))
  return { rows, scannedTo: isEnd ? end : (rows.at(-1)?.position ?? after) }
}

function itemStatement(
  item: QueryItem | undefined,
  after: number,
  end: number,
  most: number,
): readonly [string, ...Cell[]] {
  if (item === undefined) return [sql.readLog, after, end, most]
  const types = jsonOrNull(item.types)
  const categories = jsonOrNull(item.categories)
  const [firstTag, ...otherTags] = item.tags ?? []
  if (firstTag === undefined) return [sql.readByTypeAndCategory, after, end, types, categories, most]
  return [sql.readByTags, after, end, types, categories, firstTag, JSON.stringify(otherTags), most]
}

/** Several items of a query in one order, each row once, up to where all items were scanned or the page is full. */
function merged(parts: readonly Part[], after: number, limit: number): Part {
  const scannedTo = Math.max(after, Math.min(...parts.map((part) => part.scannedTo)))
  if (parts.length === 1) return { rows: (parts[0] as Part).rows, scannedTo }
  const byPosition = new Map<number, EventRow>()
  for (const { rows } of parts)
    for (const row of rows) if (row.position <= scannedTo) byPosition.set(row.position, row)
  const inOrder = [...byPosition.values()].sort((one, other) => one.position - other.position)
  const rows = inOrder.slice(0, limit)
  return { rows, scannedTo: rows.length < inOrder.length ? (rows.at(-1)?.position ?? after) : scannedTo }
}

/** One page: all at once where no event is large, else row by row up to a bound in bytes. */
function page(
  connection: Connection,
  limit: number,
  statement: (most: number) => readonly [string, ...Cell[]],
): StreamPage {
  const most = Math.min(limit, pageRows)
  const [text, ...values] = statement(most)
  const largest = Number(connection.first(sql.readLargestEvent)?.[0] ?? 0)
  if (largest * most <= pageBytes * 4) {
    const rows = connection.all(text, ...values).map(eventRow)
    return { rows, isEnd: rows.length < most }
  }
  const rows: EventRow[] = []
  let bytes = 0
  const cursor: Iterable<unknown> = connection.prepare(text).iterate(...values)
  for (const cells of cursor) {
    const row = eventRow(cells as Row)
    rows.push(row)
    bytes += row.data.length + row.metadata.length
    if (bytes >= pageBytes) return { rows, isEnd: false }
  }
  return { rows, isEnd: rows.length < most }
}

function eventRow(cells: Row): EventRow {
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
