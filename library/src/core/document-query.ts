import { DaybookError } from './errors.ts'
import { integerWithin, printable } from './limits.ts'
import type { ColumnValue, ReadModelShape } from './ports/read-models.ts'

/** A comparison of one declared column. */
export interface ColumnCondition {
  /** A declared column, or `key`. */
  readonly column: string
  readonly operator: 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'in'
  readonly value: ColumnValue | readonly ColumnValue[]
}

/** A checked query over a read model; all conditions must hold. Ties are ordered by key. Nulls come first ascending. */
export interface DocumentQuery {
  readonly where: readonly ColumnCondition[]
  readonly orderBy: readonly { readonly column: string; readonly direction: 'asc' | 'desc' }[]
  readonly limit: number
}

/** Comparisons of a column, or a value it must equal. */
export type Where<Value> =
  | Value
  | null
  | {
      readonly eq?: Value | null
      readonly ne?: Value | null
      readonly gt?: Value
      readonly gte?: Value
      readonly lt?: Value
      readonly lte?: Value
      readonly in?: readonly Value[]
      /** Of text: begins with this. */
      readonly prefix?: [Value] extends [string] ? string : never
    }

/** A query over a read model as an application writes it. */
export interface FindOptions<Columns> {
  readonly where?: { readonly [Column in keyof Columns]?: Where<Columns[Column]> } & {
    readonly key?: Where<string>
  }
  readonly orderBy?: { readonly [Column in keyof Columns | 'key']?: 'asc' | 'desc' }
  /** Most documents; 1 to 10,000, default 1,000. */
  readonly limit?: number
}

const operators = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in'] as const

/** Checks a query against the declared columns; throws `ILLEGAL_QUERY`, `ILLEGAL_ARGUMENT`. */
export function documentQuery(
  shape: ReadModelShape,
  options: FindOptions<{ readonly [column: string]: ColumnValue }>,
): DocumentQuery {
  const where = Object.entries(options.where ?? {}).flatMap(([column, given]) =>
    conditionsOn(shape, column, given),
  )
  const orderBy = Object.entries(options.orderBy ?? {}).flatMap(([column, direction]) => {
    declared(shape, column)
    if (direction === undefined) return []
    if (direction === 'asc' || direction === 'desc') return [{ column, direction }]
    throw illegal(shape, `orders ${column} by ${printable(direction)}; it must be 'asc' or 'desc'`)
  })
  return { where, orderBy, limit: integerWithin('limit', options.limit ?? 1_000, 1, 10_000) }
}

function conditionsOn(shape: ReadModelShape, column: string, given: unknown): ColumnCondition[] {
  declared(shape, column)
  if (given === undefined) return []
  if (given === null || typeof given !== 'object') return [condition(shape, column, 'eq', given)]
  return Object.entries(given).flatMap(([operator, value]) => {
    if (value === undefined) return []
    return operator === 'prefix'
      ? prefixConditions(shape, column, value)
      : [condition(shape, column, operator, value)]
  })
}

/** A range, which every store reads from an index: from the prefix to before the next text that does not begin so. */
function prefixConditions(shape: ReadModelShape, column: string, value: unknown): ColumnCondition[] {
  const type = column === 'key' ? 'text' : shape.columns[column]
  if (type !== 'text' || typeof value !== 'string')
    throw illegal(shape, `compares ${column}, which is ${type}, by prefix with ${printable(value)}`)
  const prefix = columnText(value)
  const from = condition(shape, column, 'gte', prefix)
  const end = afterPrefix(prefix)
  return end === undefined ? [from] : [from, condition(shape, column, 'lt', end)]
}

/** The least text that is greater than all that begin so, by code points; undefined when there is none. */
function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  while (points.at(-1) === 0x10_ffff) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  // Half surrogate pairs are no characters.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
}

function condition(shape: ReadModelShape, column: string, operator: string, value: unknown): ColumnCondition {
  const known = operators.find((name) => name === operator)
  if (known === undefined)
    throw illegal(
      shape,
      `uses the unknown operator ${printable(operator)}; known are ${operators.join(', ')}, prefix`,
    )
  const values: readonly unknown[] = known === 'in' && Array.isArray(value) ? value : [value]
  if (known === 'in' && !Array.isArray(value))
    throw illegal(shape, `compares ${column} by in with ${printable(value)}, not an array`)
  for (const single of values) {
    if (single === null && (known === 'eq' || known === 'ne')) continue
    if (!fits(column === 'key' ? 'text' : shape.columns[column], single)) {
      throw illegal(
        shape,
        `compares ${column}, which is ${column === 'key' ? 'text' : shape.columns[column]}, with ${printable(single)}`,
      )
    }
  }
  return { column, operator: known, value: comparable(value) as ColumnCondition['value'] }
}

/**
 * Text as columns hold it: the same on every store. Lone surrogates are no UTF-8, and PostgreSQL takes no NUL, so both
 * become U+FFFD. The document itself keeps them.
 */
export function columnText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd')
}

/** A value to be compared with a column. */
export function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable)
  return typeof value === 'string' ? columnText(value) : value
}

function declared(shape: ReadModelShape, column: string): void {
  if (column === 'key' || Object.hasOwn(shape.columns, column)) return
  const known = ['key', ...Object.keys(shape.columns)].join(', ')
  throw illegal(shape, `names ${printable(column)}, which is no declared column; declared are ${known}`)
}

/** Whether a value is one that a column of this type holds, besides null. */
export function fits(type: string | undefined, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value)
  if (type === 'real') return Number.isFinite(value)
  return typeof value === (type === 'text' ? 'string' : type)
}

function illegal(shape: ReadModelShape, problem: string): DaybookError {
  return new DaybookError('ILLEGAL_QUERY', `the query on ${shape.name} ${problem}`, {
    readModel: shape.name,
    problem,
  })
}

/** A document in memory, for stores and live projections that keep theirs there. */
export interface HeldDocument {
  readonly key: string
  readonly columns: { readonly [column: string]: ColumnValue }
}

/** Runs a query over documents in memory: the meaning that SQL stores must match. */
export function selectDocuments<Held extends HeldDocument>(
  documents: Iterable<Held>,
  query: DocumentQuery,
): Held[] {
  const found = [...documents].filter((held) =>
    query.where.every((condition) => holds(columnOf(held, condition.column), condition)),
  )
  const order = [...query.orderBy, { column: 'key', direction: 'asc' as const }]
  found.sort((one, other) => {
    for (const { column, direction } of order) {
      const sign = compareValues(columnOf(one, column), columnOf(other, column))
      if (sign !== 0) return direction === 'asc' ? sign : -sign
    }
    return 0
  })
  return found.slice(0, query.limit)
}

function columnOf(held: HeldDocument, column: string): ColumnValue {
  return column === 'key' ? held.key : (held.columns[column] ?? null)
}

function holds(actual: ColumnValue, { operator, value }: ColumnCondition): boolean {
  if (operator === 'in') return actual !== null && (value as readonly ColumnValue[]).includes(actual)
  const given = value as ColumnValue
  if (operator === 'eq') return actual === given
  if (operator === 'ne') return actual !== given
  if (actual === null || given === null) return false
  const sign = compareValues(actual, given)
  if (operator === 'gt') return sign > 0
  if (operator === 'gte') return sign >= 0
  return operator === 'lt' ? sign < 0 : sign <= 0
}

/** Nulls first, then numbers and booleans by size, text by code point (the order of its UTF-8 bytes). */
function compareValues(one: ColumnValue, other: ColumnValue): number {
  if (one === other) return 0
  if (one === null) return -1
  if (other === null) return 1
  if (typeof one === 'string' && typeof other === 'string') return compareCodePoints(one, other)
  return Number(one) - Number(other)
}

/** Below zero when one text comes before the other by code point, which is the order of their UTF-8 bytes. */
export function compareCodePoints(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let index = 0; index < length; index++) {
    if (one.charCodeAt(index) === other.charCodeAt(index)) continue
    // Step back over a shared leading surrogate, so that whole code points are compared.
    const start = index > 0 && (one.charCodeAt(index - 1) & 0xfc00) === 0xd800 ? index - 1 : index
    return (one.codePointAt(start) ?? 0) - (other.codePointAt(start) ?? 0)
  }
  return one.length - other.length
}
