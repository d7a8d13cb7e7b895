import { DaybookError } from './errors.ts'
import { encodeLegalObject, type Json } from './legal-data.ts'
import { printable } from './limits.ts'

/** Who, why and whence: what is recorded about an event beside its data. Free keys are allowed. */
export interface Metadata {
  /** Who did it: a person, a job, a service. */
  readonly actor?: string
  /** Why, in words. */
  readonly reason?: string
  /** The address the request came from. */
  readonly ip?: string
  /** Shared by everything one request set in motion; the id of the append's first event unless given. */
  readonly correlationId?: string
  /** The id of the event that led to this one. */
  readonly causationId?: string
  /** Business time: when it happened in the world, as an ISO 8601 instant, if not when it was recorded. */
  readonly occurredAt?: string
  readonly [key: string]: Json | undefined
}

/** The metadata a caller gives with a command or an append; `metadata` holds free keys. */
export interface MetadataOptions {
  readonly actor?: string | undefined
  readonly reason?: string | undefined
  readonly ip?: string | undefined
  readonly correlationId?: string | undefined
  readonly causationId?: string | undefined
  readonly occurredAt?: string | undefined
  readonly metadata?: { readonly [key: string]: Json } | undefined
  /** The event that led to this: sets `causationId` and carries its `correlationId` on. */
  readonly causedBy?: { readonly id: string; readonly metadata: Metadata } | undefined
}

const namedKeys = ['actor', 'reason', 'ip', 'correlationId', 'causationId', 'occurredAt'] as const

/** Merges the options into one metadata object; named options win over free keys. Throws `ILLEGAL_ARGUMENT`. */
export function metadataFrom(options: MetadataOptions): { [key: string]: Json } {
  if (options.metadata !== undefined) encodeLegalObject(options.metadata, 'metadata')
  // Built from entries, so that a key called __proto__ is data like any other.
  const metadata: { [key: string]: Json } = Object.fromEntries(Object.entries(options.metadata ?? {}))
  const cause = options.causedBy
  if (cause !== undefined) {
    metadata.causationId = cause.id
    metadata.correlationId = cause.metadata.correlationId ?? cause.id
  }
  for (const key of namedKeys) {
    const value = options[key] ?? metadata[key]
    if (value === undefined) continue
    if (typeof value !== 'string') {
      throw new DaybookError('ILLEGAL_ARGUMENT', `${key} must be a string, not ${printable(value)}`, {
        argument: key,
      })
    }
    metadata[key] = value
  }
  if (metadata.occurredAt !== undefined) metadata.occurredAt = legalInstant('occurredAt', metadata.occurredAt)
  return metadata
}

/** Encodes metadata as legal JSON text; throws `ILLEGAL_DATA`. */
export function encodeMetadata(metadata: { readonly [key: string]: Json | undefined }): string {
  return encodeLegalObject(metadata, 'metadata')
}

const instant = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/

/**
 * Returns an ISO 8601 date or instant, down to milliseconds, as an instant in UTC; a bare date is midnight UTC. Throws
 * `ILLEGAL_ARGUMENT`, also for a day that no calendar has.
 */
export function legalInstant(name: string, value: unknown): string {
  const [, day] = (typeof value === 'string' && instant.exec(value)) || []
  const timeMs = day === undefined || !isDay(day) ? Number.NaN : Date.parse(String(value))
  if (!Number.isNaN(timeMs)) return new Date(timeMs).toISOString()
  throw new DaybookError(
    'ILLEGAL_ARGUMENT',
    `${name} must be an ISO 8601 date or instant such as 1993-12-31T23:59:59Z, not ${printable(value)}`,
    { argument: name, value },
  )
}

/** JavaScript takes 30 February for 1 March. */
function isDay(day: string): boolean {
  const timeMs = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(timeMs) && new Date(timeMs).toISOString().startsWith(day)
}
