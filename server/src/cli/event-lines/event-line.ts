import type { BookAppendOptions, ExpectedVersion, Json, NewEvent } from 'daybook'
import { usage } from '../failures.ts'
import { decodedUtf8, parsedJson } from '../values.ts'
import type { FileLine } from './file-lines.ts'

/** One line of a file of events, understood. */
export interface EventLine {
  readonly number: number
  readonly bytes: number
  readonly stream: string
  readonly event: NewEvent
  readonly options: BookAppendOptions & { readonly expectedVersion?: ExpectedVersion }
}

const eventFields = ['type', 'data', 'tags', 'id', 'schemaVersion']
const metadataFields = ['actor', 'reason', 'ip', 'correlationId', 'causationId', 'occurredAt']
const otherFields = ['expectedVersion', 'idempotencyKey']
const known = ['stream', 'metadata', ...eventFields, ...metadataFields, ...otherFields]
/** What `daybook read --json` prints besides; the log gives these anew. */
const givenAnew = ['position', 'version', 'category', 'streamId', 'recordedAt']

/** Reads a line, undefined for an empty one; throws `USAGE` for what is no event. What the library checks is left to it. */
export function eventLine({ number, bytes }: FileLine): EventLine | undefined {
  const text = decodedUtf8(bytes, 'the line')
  if (text.trim() === '') return undefined
  const value = parsedJson(text, 'the line')
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw usage('the line is no JSON object')
  const line = value as { readonly [field: string]: unknown }
  const unknown = Object.keys(line).find((field) => !known.includes(field) && !givenAnew.includes(field))
  if (unknown !== undefined)
    throw usage(`the line has the unknown field ${JSON.stringify(unknown)}`, `Known are ${known.join(', ')}.`)
  if (typeof line.stream !== 'string') throw usage('the line has no stream')
  if (typeof line.type !== 'string') throw usage('the line has no type')
  if (line.tags !== undefined && !Array.isArray(line.tags)) throw usage('tags is no array')
  const picked = (fields: readonly string[]): { [field: string]: unknown } =>
    Object.fromEntries(
      fields.filter((field) => Object.hasOwn(line, field)).map((field) => [field, line[field]]),
    )
  return {
    number,
    bytes: bytes.length,
    stream: line.stream,
    event: { data: {}, ...picked(eventFields) } as NewEvent,
    options: { ...picked([...metadataFields, ...otherFields]), ...metadataOf(line.metadata) },
  }
}

function metadataOf(metadata: unknown): Pick<BookAppendOptions, 'metadata'> {
  if (metadata === undefined) return {}
  if (typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata))
    return { metadata: metadata as { readonly [key: string]: Json } }
  throw usage('metadata is no JSON object')
}
