import type { ColumnType } from 'daybook'
import { usage } from './failures.ts'

/** A value of a column, as a query compares it. */
type Value = string | number | boolean | null

/** Conditions by column and operator, as `find` takes them. */
export type Conditions = {
  readonly [column: string]: { readonly [operator: string]: Value | readonly Value[] }
}

/** Declared columns and their types. */
export type ColumnTypes = { readonly [column: string]: ColumnType }

const operators: { readonly [sign: string]: string } = {
  '=': 'eq',
  '!=': 'ne',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  '^=': 'prefix',
}
const shape = /^\s*([A-Za-z][A-Za-z0-9_]*)\s*(!=|>=|<=|\^=|=|>|<)\s*(.*)$/s

/** Conditions written as `cents>100000`, `status!=closed`, `owner^=Ad`, `currency=in:EUR,USD`; all must hold. */
export function conditionsFrom(texts: readonly string[], types: ColumnTypes): Conditions {
  const conditions: { [column: string]: { [operator: string]: Value | readonly Value[] } } = {}
  for (const text of texts) {
    const [, column = '', sign = '', written = ''] = shape.exec(text) ?? []
    if (column === '') throw malformed(text)
    const type = typeOf(column, types)
    const isIn = sign === '=' && written.startsWith('in:')
    const operator = isIn ? 'in' : (operators[sign] ?? '')
    const ofColumn = Object.hasOwn(conditions, column) ? conditions[column] : {}
    if (ofColumn?.[operator] !== undefined)
      throw usage(`two conditions compare ${column} by ${isIn ? 'in' : sign}`, 'Join them: col=in:a,b.')
    const value = isIn
      ? listFrom(written.slice('in:'.length), column, type)
      : sign === '^='
        ? beginningFrom(written, column, type)
        : valueFrom(written, column, type)
    conditions[column] = { ...ofColumn, [operator]: value }
  }
  return conditions
}

/** An order written as `cents` or `cents:desc`. */
export function orderFrom(
  texts: readonly string[],
  types: ColumnTypes,
): { readonly [column: string]: 'asc' | 'desc' } {
  const orders = texts.map((text): [string, 'asc' | 'desc'] => {
    const [, column = '', direction = 'asc'] = /^([^:]+)(?::(.*))?$/s.exec(text) ?? []
    if (direction !== 'asc' && direction !== 'desc')
      throw usage(
        `--order ${text} has the direction ${JSON.stringify(direction)}`,
        'Write col, col:asc or col:desc.',
      )
    typeOf(column, types)
    return [column, direction]
  })
  return Object.fromEntries(orders)
}

function typeOf(column: string, types: ColumnTypes): ColumnType {
  if (column === 'key') return 'text'
  const type = Object.hasOwn(types, column) ? types[column] : undefined
  if (type !== undefined) return type
  throw usage(
    `${JSON.stringify(column)} is no declared column; declared are ${['key', ...Object.keys(types)].join(', ')}`,
    'Only declared columns can be compared and ordered by: add it to `columns` of the projection.',
  )
}

function listFrom(written: string, column: string, type: ColumnType): readonly Value[] {
  if (!written.startsWith('[')) return written.split(',').map((one) => valueFrom(one, column, type))
  try {
    const list: unknown = JSON.parse(written)
    if (Array.isArray(list)) return list as readonly Value[]
  } catch {
    // Said below.
  }
  throw malformed(`${column}=in:${written}`)
}

/** Never null: that a text is missing says nothing of how it begins. */
function beginningFrom(written: string, column: string, type: ColumnType): string {
  if (type === 'text') return written
  throw usage(`${column} is ${type}, and only text is found by its beginning`)
}

function valueFrom(written: string, column: string, type: ColumnType): Value {
  const text = written.trim()
  if (text === 'null') return null
  if (type === 'text') return written
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  const value = Number(text)
  if (type !== 'boolean' && text !== '' && Number.isFinite(value)) return value
  throw usage(`${column} is ${type}, and ${JSON.stringify(text)} is none`)
}

function malformed(text: string): Error {
  return usage(
    `--where ${JSON.stringify(text)} is no condition`,
    "Write 'cents>100000', 'status!=closed', 'owner^=Ad' or 'currency=in:EUR,USD', in quotes for the shell.",
  )
}
