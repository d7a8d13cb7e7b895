import { DaybookError } from './errors.ts'
import type { NewEvent } from './event.ts'
import { type ExpectedVersion, legalExpectedVersion } from './expected-version.ts'
import { encodeLegalObject } from './legal-data.ts'
import { integerWithin, type Limits, maxPosition, maxTags, printable } from './limits.ts'
import { encodeMetadata, type MetadataOptions, metadataFrom } from './metadata.ts'
import { legalName, legalStream, utf8Length } from './names.ts'
import { type AppendCondition, type Query, type QueryItem, queryItems } from './query.ts'

/** Events for one stream, and the version the stream must have. */
export interface StreamAppend {
  readonly stream: string
  /** Default `'any'`. */
  readonly expectedVersion?: ExpectedVersion
  readonly events: readonly NewEvent[]
}

/** What goes with an append besides the events: metadata, a key, conditions. */
export interface AppendOptions extends MetadataOptions {
  /** The same key with the same content has one effect and one answer, for ever. */
  readonly idempotencyKey?: string | undefined
  /** No event matching the query may stand after the position. */
  readonly unless?: AppendCondition | readonly AppendCondition[] | undefined
}

/** An event ready to be numbered: every check that needs no log is done, every text is encoded. */
export interface EncodedEvent {
  readonly stream: string
  readonly type: string
  readonly schemaVersion: number
  readonly id: string
  /** True when the caller chose the id, so that the log may hold it already. */
  readonly isIdGiven: boolean
  readonly data: string
  readonly metadata: string
  readonly tags: readonly string[]
}

/** A checked append, as the plan and the stores take it. */
export interface AppendRequest {
  readonly events: readonly EncodedEvent[]
  readonly expectations: readonly { readonly stream: string; readonly expected: ExpectedVersion }[]
  readonly conditions: readonly { readonly items: readonly QueryItem[]; readonly after: number }[]
  readonly key: { readonly key: string; readonly fingerprint: string } | undefined
  /** Bytes of data and metadata, to bound batches. */
  readonly bytes: number
  /**
   * Requests of one chain were each decided on the outcome of the one before: when one is not appended, the rest are
   * refused. A matching version alone would not do: somebody else's event may have taken the missing one's place.
   */
  readonly chain?: symbol
}

/** What preparing a request takes from outside. */
export interface Preparation {
  readonly limits: Limits
  readonly newId: () => string
  readonly fingerprint: (text: string) => string
  /** Validates an event by its definition, filling in the definition's version and tags. */
  readonly validate: (stream: string, event: NewEvent) => ValidEvent
}

/** An event after its schema: the data to store, the version of its shape, all its tags. */
export interface ValidEvent {
  readonly data: unknown
  readonly schemaVersion: number
  readonly tags: readonly string[]
}

/**
 * Turns an append into a request, doing every check that needs no log, so that nothing illegal reaches a store.
 * Throws `ILLEGAL_*`, `EVENT_INVALID`, `LIMIT_EXCEEDED`.
 *
 * @param content what an idempotency key stands for; the events themselves unless given (a command gives its input)
 */
export function prepareAppend(
  writes: readonly StreamAppend[],
  options: AppendOptions,
  preparation: Preparation,
  content?: () => string,
): AppendRequest {
  const eventCount = writes.reduce((count, write) => count + legalEvents(write).length, 0)
  const { limits } = preparation
  if (eventCount > limits.eventsPerAppend) {
    throw new DaybookError(
      'LIMIT_EXCEEDED',
      `the append has ${eventCount} events, the limit is ${limits.eventsPerAppend}`,
      { limit: 'eventsPerAppend', value: eventCount, most: limits.eventsPerAppend },
    )
  }
  const expectations = new Map<string, ExpectedVersion>()
  const events: EncodedEvent[] = []
  const encoder = new EventEncoder(options, preparation)
  for (const write of writes) {
    const stream = legalStream(write.stream)
    if (expectations.has(stream)) {
      throw new DaybookError(
        'ILLEGAL_ARGUMENT',
        `stream "${stream}" stands twice in one append; put all its events into one entry`,
        { argument: 'stream', value: stream },
      )
    }
    expectations.set(stream, legalExpectedVersion(write.expectedVersion ?? 'any'))
    for (const event of write.events) events.push(encoder.encode(stream, event))
  }
  return {
    events,
    expectations: [...expectations].map(([stream, expected]) => ({ stream, expected })),
    conditions: conditionsFrom(options.unless),
    key: keyFrom(options.idempotencyKey, content ?? (() => contentOf(events)), preparation.fingerprint),
    bytes: encoder.bytes,
  }
}

function legalEvents(write: StreamAppend): readonly NewEvent[] {
  if (Array.isArray(write?.events)) return write.events
  throw new DaybookError('ILLEGAL_ARGUMENT', 'an append is { stream, expectedVersion, events: [...] }', {
    argument: 'events',
  })
}

/** Encodes the events of one append; they share the metadata, and so its text. */
class EventEncoder {
  bytes = 0
  readonly #preparation: Preparation
  readonly #metadata: { [key: string]: unknown }
  #metadataText: string | undefined
  #metadataBytes = 0

  constructor(options: MetadataOptions, preparation: Preparation) {
    this.#preparation = preparation
    this.#metadata = metadataFrom(options)
  }

  encode(stream: string, event: NewEvent): EncodedEvent {
    const type = legalName('event type', event?.type)
    const valid = this.#preparation.validate(stream, event)
    const id = event.id === undefined ? this.#preparation.newId() : legalId(event.id)
    const metadata = this.#metadataFor(id)
    const most = this.#preparation.limits.eventBytes
    const data = encodeLegalObject(valid.data, 'data', { mostBytes: most })
    const bytes = utf8Length(data) + this.#metadataBytes
    if (bytes > most) {
      throw new DaybookError('LIMIT_EXCEEDED', `the event ${type} has ${bytes} bytes, the limit is ${most}`, {
        limit: 'eventBytes',
        value: bytes,
        most,
      })
    }
    this.bytes += bytes
    const schemaVersion = integerWithin('schemaVersion', valid.schemaVersion, 1, maxPosition)
    return {
      stream,
      type,
      schemaVersion,
      id,
      isIdGiven: event.id !== undefined,
      data,
      metadata,
      tags: legalTags(valid.tags),
    }
  }

  #metadataFor(id: string): string {
    if (this.#metadataText === undefined) {
      // One request is one correlation: its first event names it unless the caller did.
      this.#metadata.correlationId ??= id
      this.#metadataText = encodeMetadata(this.#metadata as Parameters<typeof encodeMetadata>[0])
      this.#metadataBytes = utf8Length(this.#metadataText)
    }
    return this.#metadataText
  }
}

const noTags: readonly string[] = Object.freeze([])

/** Tags are a set: sorted by code unit, each once. */
function legalTags(tags: readonly string[]): readonly string[] {
  if (!Array.isArray(tags)) {
    throw new DaybookError('ILLEGAL_ARGUMENT', `tags must be an array of strings, not ${printable(tags)}`, {
      argument: 'tags',
    })
  }
  if (tags.length === 0) return noTags
  const legal = [...new Set(tags.map((tag) => legalName('tag', tag)))].sort()
  if (legal.length <= maxTags) return legal
  throw new DaybookError('LIMIT_EXCEEDED', `the event has ${legal.length} tags, the limit is ${maxTags}`, {
    limit: 'tags',
    value: legal.length,
    most: maxTags,
  })
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function legalId(id: unknown): string {
  if (typeof id === 'string' && uuid.test(id)) return id
  throw new DaybookError('ILLEGAL_NAME', 'an event id is a UUID in lower case', { kind: 'id', name: id })
}

/** Returns the conditions with checked queries and positions. */
function conditionsFrom(unless: AppendOptions['unless']): AppendRequest['conditions'] {
  if (unless === undefined) return []
  const conditions: readonly AppendCondition[] = Array.isArray(unless) ? unless : [unless]
  return conditions.map((condition) => ({
    items: queryItems(condition?.query as Query),
    after: integerWithin('unless.after', condition.after, 0, maxPosition),
  }))
}

function keyFrom(
  key: string | undefined,
  content: () => string,
  fingerprint: (text: string) => string,
): AppendRequest['key'] {
  if (key === undefined) return undefined
  const legal = legalName('idempotency key', key)
  return { key: legal, fingerprint: fingerprint(content()) }
}

/** What two appends with one key must share. Ids and metadata may differ between a try and its repeat. */
function contentOf(events: readonly EncodedEvent[]): string {
  return JSON.stringify(
    events.map((event) => [event.stream, event.type, event.schemaVersion, event.data, event.tags]),
  )
}
