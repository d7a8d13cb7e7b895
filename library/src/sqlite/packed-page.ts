import type { BriefPage, LogSlice } from '../core/ports/store.ts'
import type { BriefRow } from '../core/row-hash.ts'
import type { Connection } from './connection.ts'
import { itemStatement, pageBytes, readHead } from './reading.ts'
import * as sql from './statements.ts'

/** A brief page as few texts, one for each column: threads hand over a long text far quicker than many values. */
export interface PackedPage extends Omit<BriefPage, 'rows'> {
  readonly columns: readonly string[]
}

const separator = String.fromCharCode(sql.packedSeparator)

/** Reads a page in one piece; undefined where its events could be large, or where several items would have to be merged. */
export function readPacked(
  connection: Connection,
  { afterPosition, toPosition, items, limit }: LogSlice,
): PackedPage | undefined {
  const largest = Number(connection.first(sql.readLargestEvent)?.[0] ?? 0)
  if (largest * limit > pageBytes || (items?.length ?? 1) !== 1) return undefined
  // The head is read first: whatever is committed later lies beyond `end` and is left to the next page.
  const head = readHead(connection).position
  const end = Math.min(toPosition, head)
  if (afterPosition >= end) return { columns: [], scannedTo: afterPosition, head }
  const [text, ...values] = itemStatement(sql.readLogPacked, items?.[0], afterPosition, end, limit)
  const columns = (connection.first(text, ...values) ?? []).flatMap((cell) =>
    cell === null ? [] : String(cell),
  )
  const [positions = ''] = columns
  const isFull = positions.split(separator).length >= limit
  const last = Number(positions.slice(positions.lastIndexOf(separator) + 1))
  return { columns, scannedTo: isFull ? last : end, head }
}

/** The rows again; undefined should they not be as they were put in, which no event that was appended can cause. */
export function unpacked({ columns }: PackedPage): readonly BriefRow[] | undefined {
  if (columns.length === 0) return []
  const split = columns.map((column) => column.split(separator))
  const [positions = [], streams, versions, types, schemaVersions, data, recordedAtMs] = split
  if (split.some(({ length }) => length !== positions.length)) return undefined
  let before = 0
  const rows = positions.map((text, nth): BriefRow => {
    const position = Number(text)
    if (position <= before) before = Number.POSITIVE_INFINITY
    else before = position
    return {
      position,
      stream: streams?.[nth] as string,
      version: Number(versions?.[nth]),
      type: types?.[nth] as string,
      schemaVersion: Number(schemaVersions?.[nth]),
      data: data?.[nth] as string,
      recordedAtMs: Number(recordedAtMs?.[nth]),
    }
  })
  return before === Number.POSITIVE_INFINITY ? undefined : rows
}
