import { type ColumnCondition, comparable, type DocumentQuery, fits } from './document-query.ts'
import { DaybookError } from './errors.ts'
import { printable } from './limits.ts'
import type { ColumnType, ColumnValue, ReadModelShape } from './ports/read-models.ts'

/** Where a page ended: what its last document holds in each column of the order, the key included. */
export type CursorPlace = readonly ColumnValue[]

/** A document as a page needs it. */
export interface PagedDocument {
  readonly key: string
  readonly document: string
}

/** The order of a query with what breaks ties; terms behind the key order nothing. */
function wholeOrder({ orderBy }: DocumentQuery): DocumentQuery['orderBy'] {
  const key = orderBy.findIndex(({ column }) => column === 'key')
  return key >= 0 ? orderBy.slice(0, key + 1) : [...orderBy, { column: 'key', direction: 'asc' }]
}

/** The place of a document in the order of a query. */
export function placeOf(query: DocumentQuery, { key, document }: PagedDocument): CursorPlace {
  const fields = JSON.parse(document) as { readonly [field: string]: unknown }
  return wholeOrder(query).map(({ column }) =>
    column === 'key' ? key : (comparable(fields[column] ?? null) as ColumnValue),
  )
}

/** A cursor as callers hold it: the place, and the digest of the query that it belongs to. */
export function encodeCursor(
  shape: ReadModelShape,
  query: DocumentQuery,
  place: CursorPlace,
  digest: (text: string) => string,
): string {
  // JSON has no -0, which is 0 to every comparison.
  return base64url(JSON.stringify([queryMark(shape, query, digest), ...place]))
}

/** The place of a cursor; throws `CURSOR_INVALID` for one of another query, and for any other text. */
export function decodeCursor(
  shape: ReadModelShape,
  query: DocumentQuery,
  cursor: unknown,
  digest: (text: string) => string,
): CursorPlace {
  const [mark, ...place] = contentOf(shape, cursor)
  if (mark !== queryMark(shape, query, digest))
    throw invalid(shape, 'belongs to another read model, other conditions or another order')
  const order = wholeOrder(query)
  const isWhole =
    place.length === order.length && order.every(({ column }, nth) => mayHold(shape, column, place[nth]))
  if (!isWhole) throw invalid(shape, 'does not hold what its order needs')
  return place as ColumnValue[]
}

/**
 * Plain queries that together give what comes after a place, one after the other. Each has a range of one column behind
 * columns that are fixed, so that stores read it from an index, however far the place is.
 */
export function queriesAfter(
  shape: ReadModelShape,
  query: DocumentQuery,
  place: CursorPlace | undefined,
): readonly DocumentQuery[] {
  if (place === undefined) return [query]
  const order = wholeOrder(query)
  const queries: DocumentQuery[] = []
  for (let nth = order.length - 1; nth >= 0; nth--) {
    const fixed = order.slice(0, nth).map(({ column }, index) => equals(column, place[index] ?? null))
    for (const beyond of conditionsBeyond(shape, order[nth], place[nth] ?? null))
      queries.push({
        ...query,
        where: [...query.where, ...fixed, beyond],
        // What is fixed orders nothing, and the key ascending breaks ties anyway.
        orderBy: order.slice(nth).filter(({ column, direction }) => column !== 'key' || direction === 'desc'),
      })
  }
  return queries
}

function equals(column: string, value: ColumnValue): ColumnCondition {
  return { column, operator: 'eq', value }
}

/** What comes after a value in one column, nearest first. Nulls come first ascending, last descending. */
function conditionsBeyond(
  shape: ReadModelShape,
  term: DocumentQuery['orderBy'][number] | undefined,
  value: ColumnValue,
): readonly ColumnCondition[] {
  if (term === undefined) return []
  const { column, direction } = term
  if (value !== null && direction === 'asc') return [{ column, operator: 'gt', value }]
  if (value === null)
    // A range is read from an index, which "is not null" is not on every store.
    return direction === 'asc' ? [{ column, operator: 'gte', value: smallest[typeOf(shape, column)] }] : []
  const below: ColumnCondition = { column, operator: 'lt', value }
  return column === 'key' ? [below] : [below, equals(column, null)]
}

const smallest: { readonly [type in ColumnType]: ColumnValue } = {
  integer: Number.MIN_SAFE_INTEGER,
  real: -Number.MAX_VALUE,
  text: '',
  boolean: false,
}

function typeOf(shape: ReadModelShape, column: string): ColumnType {
  return (column === 'key' ? undefined : shape.columns[column]) ?? 'text'
}

function mayHold(shape: ReadModelShape, column: string, value: unknown): boolean {
  return (value === null && column !== 'key') || fits(typeOf(shape, column), value)
}

/** Conditions hold together, so their order means nothing; that of the columns to order by does. */
function queryMark({ name }: ReadModelShape, query: DocumentQuery, digest: (text: string) => string): string {
  const where = query.where.map((condition) => JSON.stringify(condition)).sort()
  const order = wholeOrder(query).map(({ column, direction }) => `${column} ${direction}`)
  return digest(JSON.stringify([name, where, order])).slice(0, 16)
}

function contentOf(shape: ReadModelShape, cursor: unknown): readonly unknown[] {
  if (typeof cursor !== 'string') throw invalid(shape, `is ${printable(cursor)}, not a text`)
  try {
    const content: unknown = JSON.parse(fromBase64url(cursor))
    if (Array.isArray(content)) return content
  } catch {
    // Said below.
  }
  throw invalid(shape, 'was not made by a page')
}

/** Base64 for addresses (RFC 4648, section 5), of UTF-8. */
function base64url(text: string): string {
  const bytes = new TextEncoder().encode(text)
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function fromBase64url(text: string): string {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function invalid({ name }: ReadModelShape, problem: string): DaybookError {
  return new DaybookError('CURSOR_INVALID', `the cursor for a page of ${name} ${problem}`, {
    readModel: name,
    problem,
  })
}
