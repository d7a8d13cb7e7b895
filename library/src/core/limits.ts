import { DaybookError } from './errors.ts'

/** What one book accepts. The same on every store, so that a book can move between them. */
export interface Limits {
  /** Largest event: bytes of data and metadata as UTF-8 JSON. Default 1 MiB, at most 64 MiB. */
  readonly eventBytes: number
  /** Most events in one append. Default and maximum 1,000. */
  readonly eventsPerAppend: number
}

/** Longest stream name, type, tag, idempotency key: bytes in UTF-8. */
export const maxNameBytes = 255
/** Most tags on one event. */
export const maxTags = 64
/** Deepest nesting of arrays and objects in data or metadata. */
export const maxDepth = 128
/** Longest text in a declared column, in bytes: an index of PostgreSQL holds no more than 2,704 with the key. */
export const maxColumnBytes = 2_000
/** Positions and versions are exact integers in JavaScript up to here. */
export const maxPosition: number = Number.MAX_SAFE_INTEGER

export const defaultLimits: Limits = { eventBytes: 1_048_576, eventsPerAppend: 1_000 }

const ceilings: Limits = { eventBytes: 64 * 1_048_576, eventsPerAppend: 1_000 }

/** Completes limits with the defaults; throws `ILLEGAL_ARGUMENT` outside 1 and the maximum. */
export function limitsFrom(given: Partial<Limits> = {}): Limits {
  const limits = { ...defaultLimits, ...given }
  for (const name of ['eventBytes', 'eventsPerAppend'] as const) {
    integerWithin(`limits.${name}`, limits[name], 1, ceilings[name])
  }
  return limits
}

/** Returns an integer argument between two inclusive bounds; throws `ILLEGAL_ARGUMENT` naming all four. */
export function integerWithin(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new DaybookError(
    'ILLEGAL_ARGUMENT',
    `${name} must be an integer from ${least} to ${most}, not ${printable(value)}`,
    { argument: name, value, least, most },
  )
}

/** A value as it can stand in a message: short, on one line, never throwing. */
export function printable(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  if (value !== null && typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object'
  return Object.is(value, -0) ? '-0' : String(value)
}
