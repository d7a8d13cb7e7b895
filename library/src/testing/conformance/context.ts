import assert from 'node:assert/strict'
import type { AppendOutcome } from '../../core/append-plan.ts'
import {
  type AppendOptions,
  type AppendRequest,
  type EncodedEvent,
  prepareAppend,
  type StreamAppend,
} from '../../core/append-request.ts'
import type { DaybookError, ErrorCode } from '../../core/errors.ts'
import type { NewEvent } from '../../core/event.ts'
import type { ExpectedVersion } from '../../core/expected-version.ts'
import { defaultLimits } from '../../core/limits.ts'
import type { Host } from '../../core/ports/host.ts'
import type {
  BriefPage,
  EventLog,
  LogPage,
  LogReader,
  LogSlice,
  OpenStore,
  StreamPage,
  StreamSlice,
} from '../../core/ports/store.ts'
import type { BriefRow, EventRow } from '../../core/row-hash.ts'
import { nodeHost } from '../../host/node-host.ts'
import { countedIds } from '../test-host.ts'
import type { CallerTransaction, StoreUnderTest } from './case.ts'

/** Larger than any version or position of a test. */
export const noBound: number = Number.MAX_SAFE_INTEGER

const wholeLog: LogSlice = { afterPosition: 0, toPosition: noBound, items: undefined, limit: 1_000 }

/** All of a stream, in large pages. */
export const wholeStream: Omit<StreamSlice, 'stream'> = {
  direction: 'forwards',
  fromVersion: 1,
  toVersion: noBound,
  types: undefined,
  limit: 1_000,
}

/** What a case works with: a fresh book, already open, and short ways to append to it and to read it. */
export class ConformanceContext {
  /** What the clock of the book shows, in ms; a case may set it to anything. */
  nowMs: number = Date.UTC(2026, 0, 1)
  /** The machine of the book: counted ids, the clock above, everything else real. */
  readonly host: Host
  readonly #under: StoreUnderTest
  readonly #opened: OpenStore[] = []
  #current: OpenStore | undefined

  constructor(under: StoreUnderTest) {
    this.#under = under
    this.host = nodeHost({ now: () => this.nowMs, newId: countedIds() })
  }

  /** The book as opened last. */
  get store(): OpenStore {
    assert.ok(this.#current, 'the store is not open')
    return this.#current
  }

  get log(): EventLog {
    return this.store.log
  }

  /** Opens the book, again when it is open already: as another process would. */
  async open(host: Host = this.host): Promise<OpenStore> {
    const opened = await this.#under.store.open(host)
    this.#opened.push(opened)
    this.#current ??= opened
    return opened
  }

  /** Closes the book everywhere and opens it once. */
  async reopen(): Promise<OpenStore> {
    await this.close()
    return this.open()
  }

  /** Begins a transaction on the same database, outside of the store. */
  begin(): Promise<CallerTransaction> {
    if (this.#under.begin !== undefined) return this.#under.begin()
    return Promise.reject(new Error('the factory gives no begin(), so there is no transaction to join'))
  }

  async close(): Promise<void> {
    this.#current = undefined
    for (const opened of this.#opened.splice(0)) await opened.close()
  }

  /** Closes and removes everything. */
  async dispose(): Promise<void> {
    try {
      await this.close()
    } finally {
      await this.#under.dispose?.()
    }
  }

  /** An append, prepared as a book prepares it. */
  request(writes: StreamAppend | readonly StreamAppend[], options: AppendOptions = {}): AppendRequest {
    const all: readonly StreamAppend[] = 'stream' in writes ? [writes] : writes
    return prepareAppend(all, options, {
      limits: defaultLimits,
      newId: () => this.host.newId(),
      fingerprint: (text) => hexOf(this.host.sha256(new TextEncoder().encode(text))),
      validate: (_stream, { data, tags, schemaVersion }) => ({
        data,
        tags: tags ?? [],
        schemaVersion: schemaVersion ?? 1,
      }),
    })
  }

  /** Appends one request, which must be accepted; returns its rows. */
  async accept(request: AppendRequest, log: EventLog = this.log): Promise<readonly EventRow[]> {
    const [outcome] = await log.append([request])
    return acceptedRows(outcome)
  }

  /** Appends events to one stream, whatever its version. */
  add(stream: string, ...events: readonly NewEvent[]): Promise<readonly EventRow[]> {
    return this.accept(this.request({ stream, events }))
  }

  /** Appends one request, which must be refused with the code and leave the head where it was. */
  async refuse(request: AppendRequest, code: ErrorCode): Promise<DaybookError> {
    const before = await this.log.head()
    const [outcome] = await this.log.append([request])
    const error = refusal(outcome, code)
    assert.deepEqual(await this.log.head(), before, 'a refused append moved the head')
    return error
  }

  /** One page of the log. */
  readLog(slice: Partial<LogSlice> = {}, log: LogReader = this.log): Promise<LogPage> {
    return log.readLog({ ...wholeLog, ...slice })
  }

  /** Every row of the slice, page after page, each of which must move on and keep to the limit. */
  async readThrough(slice: Partial<LogSlice> = {}, log: LogReader = this.log): Promise<EventRow[]> {
    return rowsThrough((each) => log.readLog(each), slice)
  }

  /** One page of a stream. */
  readStream(
    stream: string,
    slice: Partial<StreamSlice> = {},
    log: LogReader = this.log,
  ): Promise<StreamPage> {
    return log.readStream({ stream, ...wholeStream, ...slice })
  }

  /** Makes sure that the log as a whole is as it must be: no gaps, no forks, time never going back. */
  async assertSound(log: LogReader = this.log): Promise<readonly EventRow[]> {
    const rows = await this.readThrough({}, log)
    const versions = new Map<string, number>()
    let lastMs = 0
    for (const [index, row] of rows.entries()) {
      assert.equal(row.position, index + 1, 'positions have a gap or are out of order')
      const version = (versions.get(row.stream) ?? 0) + 1
      assert.equal(row.version, version, `versions of ${row.stream} have a gap or are out of order`)
      versions.set(row.stream, version)
      assert.ok(row.recordedAtMs >= lastMs, `recorded time goes back at position ${row.position}`)
      lastMs = row.recordedAtMs
    }
    assert.equal((await log.head()).position, rows.length, 'the head is not the last position')
    return rows
  }
}

/** Every row of a slice in some form of page, page after page, each of which must move on and keep to the limit. */
export async function rowsThrough<Row extends BriefRow>(
  read: (slice: LogSlice) => Promise<BriefPage & { readonly rows: readonly Row[] }>,
  given: Partial<LogSlice>,
): Promise<Row[]> {
  const slice = { ...wholeLog, ...given }
  const rows: Row[] = []
  for (let { afterPosition } = slice; ; ) {
    const page = await read({ ...slice, afterPosition })
    const end = Math.min(slice.toPosition, page.head)
    assert.ok(page.rows.length <= slice.limit, `a page of ${page.rows.length} rows`)
    assert.ok(
      page.rows.every((row) => row.position <= page.scannedTo),
      'a row beyond scannedTo',
    )
    rows.push(...page.rows)
    if (page.scannedTo >= end || afterPosition >= end) return rows
    assert.ok(
      page.scannedTo > afterPosition,
      `scannedTo stays at ${afterPosition} while the log goes on to ${end}`,
    )
    afterPosition = page.scannedTo
  }
}

/** A small event. */
export function event(type = 'Happened', data: unknown = {}, ...tags: readonly string[]): NewEvent {
  return { type, data, tags }
}

/** One event for one stream. */
export function one(stream: string, expectedVersion: ExpectedVersion = 'any'): StreamAppend {
  return { stream, expectedVersion, events: [event()] }
}

/** A request of events given as they are to be stored, for what no book would make of itself. */
export function rawRequest(
  ...events: readonly (Partial<EncodedEvent> & { readonly id: string })[]
): AppendRequest {
  const encoded = events.map((given) => ({ ...plainEvent, ...given }))
  const expectations = [...new Set(encoded.map(({ stream }) => stream))].map((stream) => ({
    stream,
    expected: 'any' as const,
  }))
  return { events: encoded, expectations, conditions: [], key: undefined, bytes: 0 }
}

const plainEvent: Omit<EncodedEvent, 'id'> = {
  stream: 'thing-1',
  type: 'Happened',
  schemaVersion: 1,
  isIdGiven: true,
  data: '{}',
  metadata: '{}',
  tags: [],
}

/** The rows of an append that must have been accepted. */
export function acceptedRows(outcome: AppendOutcome | undefined): readonly EventRow[] {
  if (outcome?.kind === 'refused') throw outcome.error
  assert.equal(outcome?.kind, 'appended')
  return outcome.rows
}

/** The error of an append that must have been refused. */
export function refusal(outcome: AppendOutcome | undefined, code: ErrorCode): DaybookError {
  assert.equal(outcome?.kind, 'refused', `${outcome?.kind} instead of refused with ${code}`)
  assert.equal(outcome.error.code, code)
  return outcome.error
}

/** The fields that every store has, without what it may add. */
export function fieldsOf(row: EventRow): EventRow {
  const { position, stream, version, type, schemaVersion, id, data, metadata, tags, recordedAtMs } = row
  return { position, stream, version, type, schemaVersion, id, data, metadata, tags, recordedAtMs }
}

/** Where the rows stand in the log. */
export function positions(rows: readonly EventRow[]): readonly number[] {
  return rows.map((row) => row.position)
}

/** Whole numbers from one to another, both included. */
export function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** Bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
