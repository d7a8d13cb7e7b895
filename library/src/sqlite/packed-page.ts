import { unpackedRows } from '../core/packed-rows.ts'
import type { BriefPage, LogSlice } from '../core/ports/store.ts'
import type { BriefRow } from '../core/row-hash.ts'
import type { Connection } from './connection.ts'
import { itemStatement, pageBytes, readHead } from './reading.ts'
import * as sql from './statements.ts'

/** A brief page as few texts, a JSON array for each column, which threads hand over quickly as well; none without rows. */
export interface PackedPage extends Omit<BriefPage, 'rows'> {
  readonly columns: readonly string[]
}

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
  const [count, last, ...columns] = connection.first(text, ...values) ?? []
  return {
    columns: Number(count) === 0 ? [] : (columns as string[]),
    scannedTo: Number(count) >= limit ? Number(last) : end,
    head,
  }
}

/** The rows again; undefined should they not be as they were put in. */
export function unpacked({ columns }: PackedPage): readonly BriefRow[] | undefined {
  return columns.length === 0 ? [] : unpackedRows(columns)
}
