import type { AppendRequest, EncodedEvent } from './append-request.ts'
import { ConcurrencyError, ConditionError, DaybookError } from './errors.ts'
import { conflictOf } from './expected-version.ts'
import { maxPosition } from './limits.ts'
import { matchesQuery } from './query.ts'
import type { EventRow, RowHasher, RowHashes } from './row-hash.ts'

/** The end of the log. */
export interface LogHead {
  /** Position of the last event, 0 for an empty log. */
  readonly position: number
  /** Recorded time of the last event in ms, 0 for an empty log. */
  readonly recordedAtMs: number
  readonly chainHash: Uint8Array
}

/** What an idempotency key led to: `eventCount` events from `firstPosition` on. */
export interface KeyRecord {
  readonly key: string
  readonly fingerprint: string
  readonly firstPosition: number
  readonly eventCount: number
}

/** What a store must look up, under its lock, before a batch of requests can be decided. */
export interface AppendNeeds {
  readonly streams: readonly string[]
  readonly keys: readonly string[]
  readonly ids: readonly string[]
  readonly conditions: AppendRequest['conditions']
}

/** What the store found. */
export interface HeldFacts {
  readonly head: LogHead
  /** Version of each stream asked for that has events; absent means 0. */
  readonly versions: ReadonlyMap<string, number>
  readonly keys: ReadonlyMap<string, KeyRecord>
  /** Of the event ids asked for, those in the log. */
  readonly ids: ReadonlySet<string>
  /** For each condition asked for, in order: the first matching position after its `after`, if any. */
  readonly matches: readonly (number | undefined)[]
}

/** A row to insert, with what the store's own indexes need. */
export interface PlannedRow extends EventRow, RowHashes {
  readonly tagList: readonly string[]
}

/** The answer to one request. A refused one has left no trace. */
export type AppendOutcome =
  | { readonly kind: 'appended'; readonly rows: readonly EventRow[]; readonly head: number }
  | { readonly kind: 'repeated'; readonly record: KeyRecord }
  | { readonly kind: 'refused'; readonly error: DaybookError }

/** What a store has to write, and what it then answers. */
export interface AppendPlan {
  readonly rows: readonly PlannedRow[]
  readonly keys: readonly KeyRecord[]
  readonly outcomes: readonly AppendOutcome[]
  readonly head: LogHead
}

/** Collects what must be looked up for a batch; each name once. */
export function needsOf(requests: readonly AppendRequest[]): AppendNeeds {
  const streams = new Set<string>()
  const keys: string[] = []
  const ids: string[] = []
  const conditions: AppendRequest['conditions'][number][] = []
  for (const request of requests) {
    for (const { stream } of request.expectations) streams.add(stream)
    if (request.key !== undefined) keys.push(request.key.key)
    for (const event of request.events) {
      streams.add(event.stream)
      if (event.isIdGiven) ids.push(event.id)
    }
    conditions.push(...request.conditions)
  }
  return { streams: [...streams], keys: [...new Set(keys)], ids, conditions }
}

/**
 * The rules of appending, once for every store: given what the log holds and a queue of requests, which rows to
 * insert and what to answer. Requests are decided in turn; each sees those accepted before it and stands or falls
 * alone. Pure: the same facts, requests, time and hasher give the same plan.
 */
export function planAppend(
  facts: HeldFacts,
  requests: readonly AppendRequest[],
  nowMs: number,
  hasher: RowHasher,
): AppendPlan {
  const planning = new Planning(facts, Math.max(nowMs, facts.head.recordedAtMs), hasher)
  const outcomes = requests.map((request) => planning.decide(request))
  return { rows: planning.rows, keys: planning.newKeys, outcomes, head: planning.head }
}

class Planning {
  readonly rows: PlannedRow[] = []
  readonly newKeys: KeyRecord[] = []
  head: LogHead
  readonly #facts: HeldFacts
  readonly #recordedAtMs: number
  readonly #hasher: RowHasher
  readonly #versions: Map<string, number>
  readonly #keys: Map<string, KeyRecord>
  readonly #ids: Set<string>
  readonly #brokenChains = new Set<symbol>()
  #nextCondition = 0

  constructor(facts: HeldFacts, recordedAtMs: number, hasher: RowHasher) {
    this.#facts = facts
    this.#recordedAtMs = recordedAtMs
    this.#hasher = hasher
    this.#versions = new Map(facts.versions)
    this.#keys = new Map(facts.keys)
    this.#ids = new Set(facts.ids)
    this.head = facts.head
  }

  decide(request: AppendRequest): AppendOutcome {
    const { chain } = request
    const outcome =
      chain !== undefined && this.#brokenChains.has(chain)
        ? this.#refuseChained(request)
        : this.#decideAlone(request)
    if (chain !== undefined && outcome.kind !== 'appended') this.#brokenChains.add(chain)
    return outcome
  }

  #refuseChained(request: AppendRequest): AppendOutcome {
    this.#nextCondition += request.conditions.length
    const { stream, expected } = request.expectations[0] ?? { stream: '', expected: 'any' }
    const actual = this.#versions.get(stream) ?? 0
    return {
      kind: 'refused',
      error: new ConcurrencyError(stream, expected === 'any' ? 'none' : expected, actual),
    }
  }

  #decideAlone(request: AppendRequest): AppendOutcome {
    const firstCondition = this.#nextCondition
    this.#nextCondition += request.conditions.length
    const held = request.key && this.#keys.get(request.key.key)
    if (held !== undefined) return repeatOf(held, request)
    const error =
      this.#conflict(request) ?? this.#unmetCondition(request, firstCondition) ?? this.#duplicate(request)
    if (error !== undefined) return { kind: 'refused', error }
    const full = this.#capacityError(request)
    if (full !== undefined) return { kind: 'refused', error: full }
    const firstPosition = this.head.position + 1
    const rows = request.events.map((event) => this.#row(event))
    if (request.key !== undefined) {
      const record: KeyRecord = { ...request.key, firstPosition, eventCount: rows.length }
      this.#keys.set(record.key, record)
      this.newKeys.push(record)
    }
    return { kind: 'appended', rows, head: this.head.position }
  }

  #conflict(request: AppendRequest): DaybookError | undefined {
    for (const { stream, expected } of request.expectations) {
      const conflict = conflictOf(stream, expected, this.#versions.get(stream) ?? 0)
      if (conflict !== undefined) return conflict
    }
    return undefined
  }

  #unmetCondition(request: AppendRequest, firstCondition: number): DaybookError | undefined {
    for (const [index, { items, after }] of request.conditions.entries()) {
      const match =
        this.#facts.matches[firstCondition + index] ??
        this.rows.find((row) => row.position > after && matchesQuery(items, { ...row, tags: row.tagList }))
          ?.position
      if (match !== undefined) return new ConditionError(after, match)
    }
    return undefined
  }

  #duplicate(request: AppendRequest): DaybookError | undefined {
    const given = request.events.filter((event) => event.isIdGiven)
    const seen = new Set<string>()
    for (const { id } of given) {
      if (this.#ids.has(id) || seen.has(id)) {
        return new DaybookError('DUPLICATE_EVENT_ID', `the log already has an event with the id ${id}`, {
          id,
        })
      }
      seen.add(id)
    }
    return undefined
  }

  #capacityError(request: AppendRequest): DaybookError | undefined {
    if (this.head.position + request.events.length <= maxPosition) return undefined
    return new DaybookError('EVENT_CAPACITY_REACHED', `the log has reached position ${this.head.position}`, {
      position: this.head.position,
    })
  }

  #row(event: EncodedEvent): PlannedRow {
    const version = (this.#versions.get(event.stream) ?? 0) + 1
    this.#versions.set(event.stream, version)
    const row: EventRow = {
      position: this.head.position + 1,
      stream: event.stream,
      version,
      type: event.type,
      schemaVersion: event.schemaVersion,
      id: event.id,
      data: event.data,
      metadata: event.metadata,
      tags: event.tags.length === 0 ? '[]' : JSON.stringify(event.tags),
      recordedAtMs: this.#recordedAtMs,
    }
    const hashes = this.#hasher.hash(row, this.head.chainHash)
    const planned: PlannedRow = { ...row, ...hashes, tagList: event.tags }
    this.rows.push(planned)
    this.#ids.add(event.id)
    this.head = { position: row.position, recordedAtMs: row.recordedAtMs, chainHash: hashes.chainHash }
    return planned
  }
}

function repeatOf(held: KeyRecord, request: AppendRequest): AppendOutcome {
  if (held.fingerprint === request.key?.fingerprint) return { kind: 'repeated', record: held }
  return { kind: 'refused', error: keyReused(held) }
}

/** The error of a key that was used before with other content. */
export function keyReused({ key, firstPosition }: KeyRecord): DaybookError {
  return new DaybookError(
    'IDEMPOTENCY_KEY_REUSED',
    `the idempotency key ${JSON.stringify(key)} was used before with other content (position ${firstPosition})`,
    { key, firstPosition },
  )
}
