import { DaybookError } from '../core/errors.ts'
import { deepFreeze, type Fold } from '../core/fold.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { legalInstant } from '../core/metadata.ts'
import type { EventLog, LogReader } from '../core/ports/store.ts'
import type { QueryItem } from '../core/query.ts'
import { FoldedEvent } from '../core/recorded-event.ts'
import type { ParsedRow } from '../core/row-hash.ts'
import { decodeSnapshot } from '../core/snapshot.ts'
import { streamPages } from '../processing/stream-pages.ts'
import type { BookContext } from './context.ts'
import { LeastRecentlyUsed } from './least-recently-used.ts'

/** Until when to fold; at most one of them. */
export interface AsOf {
  /** The state right after this version of the stream. */
  readonly atVersion?: number | undefined
  /** The state when the log's head was here. */
  readonly atPosition?: number | undefined
  /**
   * The state at this instant (ISO 8601, inclusive): of each event the business time it carries (`occurredAt`) counts,
   * or the time it was recorded where it carries none. With `timeline: 'recorded'` only the latter counts: what the
   * log knew at that instant.
   */
  readonly atTime?: string | undefined
  /** Default `'business'`. */
  readonly timeline?: 'business' | 'recorded' | undefined
}

/** A state and how it came about. */
export interface Loaded {
  readonly state: unknown
  /** Version of the last event folded, 0 for none. */
  readonly version: number
  readonly position: number
  readonly lastEventId: string
  /** Events folded by this load, after what a snapshot or an earlier load had. */
  readonly replayedEvents: number
  readonly replayMs: number
}

/** States kept in memory, of the streams used last. */
const keptStates = 1_000
const pageEvents = 500

/** Folds streams to states, from the newest of: the state kept in memory, the snapshot, the beginning. */
export class StateLoader {
  readonly #context: BookContext
  readonly #kept = new LeastRecentlyUsed<Loaded>(keptStates)
  readonly #shared = new Set<string>()
  readonly #fingerprints = new WeakMap<Fold, string>()
  readonly #numbers = new WeakMap<Fold, number>()
  #folds = 0

  constructor(context: BookContext) {
    this.#context = context
  }

  /**
   * The state of a stream now. Always reads what was appended since the state it starts from, and waits until that is
   * durable: what is decided on it must not rest on events that a crash can take back.
   */
  async load(fold: Fold, stream: string): Promise<Loaded> {
    const key = this.#keyOf(fold, stream)
    const kept = this.#kept.get(key)
    const log = this.#context.store.log
    const loaded =
      kept === undefined
        ? await this.#loadFromSnapshot(fold, stream)
        : await replay(log, fold, stream, kept, undefined)
    if (loaded.version > 0) await log.whenDurable(loaded.position, loaded.lastEventId)
    this.keep(fold, stream, loaded)
    return loaded
  }

  /**
   * The state as this process last saw it, without a look at the log: enough to decide an append, whose expected
   * version tells whether it was the newest, and for nothing else. Undefined for streams that others append to as well.
   */
  kept(fold: Fold, stream: string): Loaded | undefined {
    const key = this.#keyOf(fold, stream)
    const kept = this.#shared.has(key) ? undefined : this.#kept.get(key)
    return kept && { ...kept, replayedEvents: 0, replayMs: 0 }
  }

  /** Notes that others append to the stream as well, so that a kept state would mostly be old. */
  noteShared(fold: Fold, stream: string): void {
    if (this.#shared.size >= keptStates) this.#shared.clear()
    this.#shared.add(this.#keyOf(fold, stream))
  }

  /** The state as a reader sees it, without anything kept: inside a transaction, or in the past. */
  async loadAsOf(log: EventLog, fold: Fold, stream: string, asOf: AsOf): Promise<Loaded> {
    const loaded = await replay(log, fold, stream, startOf(fold), boundOf(asOf))
    if (loaded.version > 0) await log.whenDurable(loaded.position, loaded.lastEventId)
    return loaded
  }

  /** Keeps a committed state for the next load. */
  keep(fold: Fold, stream: string, loaded: Loaded): void {
    if (fold.isShareable)
      this.#kept.set(this.#keyOf(fold, stream), { ...loaded, state: deepFreeze(loaded.state) })
  }

  fingerprintOf(fold: Fold): string {
    let fingerprint = this.#fingerprints.get(fold)
    if (fingerprint === undefined) {
      fingerprint = this.#context.digest(fold.fingerprintText)
      this.#fingerprints.set(fold, fingerprint)
    }
    return fingerprint
  }

  async #loadFromSnapshot(fold: Fold, stream: string): Promise<Loaded> {
    const { log, snapshots } = this.#context.store
    if (fold.fromSnapshot === undefined) return replay(log, fold, stream, startOf(fold), undefined)
    const row = await snapshots.load(stream, fold.name)
    if (row === undefined) return replay(log, fold, stream, startOf(fold), undefined)
    const decoded = decodeSnapshot(fold, row, this.fingerprintOf(fold), this.#context.digest)
    if ('odd' in decoded) return this.#loadPast(fold, stream, decoded.odd)
    // The event at the snapshot's version is read with the tail: only the same id proves the same history.
    const { version, position, eventId: lastEventId } = row
    const base: Loaded = {
      state: decoded.state,
      version,
      position,
      lastEventId,
      replayedEvents: 0,
      replayMs: 0,
    }
    const loaded = await replay(log, fold, stream, base, undefined, true)
    return loaded ?? this.#loadPast(fold, stream, 'its last event is not in this stream')
  }

  // Two folds may share a name, of two views of one category say; their states must not.
  #keyOf(fold: Fold, stream: string): string {
    const number = this.#numbers.get(fold) ?? ++this.#folds
    this.#numbers.set(fold, number)
    return `${number} ${stream}`
  }

  #loadPast(fold: Fold, stream: string, odd: string): Promise<Loaded> {
    this.#context.report({
      kind: 'snapshot-ignored',
      subject: stream,
      message: `the snapshot of ${stream} by "${fold.name}" was ignored: ${odd}`,
    })
    return replay(this.#context.store.log, fold, stream, startOf(fold), undefined)
  }
}

/** Nothing folded yet. */
export function startOf(fold: Fold): Loaded {
  return { state: fold.initial(), version: 0, position: 0, lastEventId: '', replayedEvents: 0, replayMs: 0 }
}

/** Folds rows onto a state. */
export function foldRows(fold: Fold, base: Loaded, rows: readonly ParsedRow[]): Loaded {
  let { state } = base
  for (const row of rows) state = fold.evolve(state, new FoldedEvent(row))
  const last = rows.at(-1)
  if (last === undefined) return base
  const { version, position, id: lastEventId } = last
  const replayedEvents = base.replayedEvents + rows.length
  return { state, version, position, lastEventId, replayedEvents, replayMs: base.replayMs }
}

/** Folds whatever a query finds up to a position. */
export async function foldQuery(
  log: LogReader,
  fold: Fold,
  items: readonly QueryItem[],
  toPosition: number,
): Promise<unknown> {
  let { state } = startOf(fold)
  for (let afterPosition = 0; afterPosition < toPosition; ) {
    const page = await log.readLog({ afterPosition, toPosition, items, limit: pageEvents })
    for (const row of page.rows) state = fold.evolve(state, new FoldedEvent(row))
    afterPosition = page.scannedTo
  }
  return state
}

interface Bound {
  readonly toVersion: number
  /** False for rows to leave out. */
  readonly counts: (row: ParsedRow) => boolean
  /** True when no later row counts after one that does not. */
  readonly isOrdered: boolean
}

function boundOf(asOf: AsOf): Bound | undefined {
  const given = [asOf.atVersion, asOf.atPosition, asOf.atTime].filter((bound) => bound !== undefined)
  if (given.length > 1) {
    throw new DaybookError('ILLEGAL_ARGUMENT', 'give one of atVersion, atPosition and atTime', {
      argument: 'asOf',
    })
  }
  if (asOf.atVersion !== undefined) {
    return {
      toVersion: integerWithin('atVersion', asOf.atVersion, 0, maxPosition),
      counts: () => true,
      isOrdered: true,
    }
  }
  if (asOf.atPosition !== undefined) {
    const position = integerWithin('atPosition', asOf.atPosition, 0, maxPosition)
    return { toVersion: maxPosition, counts: (row) => row.position <= position, isOrdered: true }
  }
  if (asOf.atTime === undefined) return undefined
  const timeMs = Date.parse(legalInstant('atTime', asOf.atTime))
  const timeOf = asOf.timeline === 'recorded' ? (row: ParsedRow) => row.recordedAtMs : businessTimeOf
  return {
    toVersion: maxPosition,
    counts: (row) => timeOf(row) <= timeMs,
    isOrdered: asOf.timeline === 'recorded',
  }
}

/** When an event says that it occurred, in ms; when it was recorded, where it says nothing. */
export function businessTimeOf(row: ParsedRow): number {
  const { occurredAt } = new FoldedEvent(row).metadata
  return occurredAt === undefined ? row.recordedAtMs : Date.parse(occurredAt)
}

function replay(
  log: EventLog,
  fold: Fold,
  stream: string,
  base: Loaded,
  bound: Bound | undefined,
): Promise<Loaded>
function replay(
  log: EventLog,
  fold: Fold,
  stream: string,
  base: Loaded,
  bound: Bound | undefined,
  isProven: true,
): Promise<Loaded | undefined>
async function replay(
  log: EventLog,
  fold: Fold,
  stream: string,
  base: Loaded,
  bound: Bound | undefined,
  mustProve = false,
): Promise<Loaded | undefined> {
  const startMs = performance.now()
  const toVersion = bound?.toVersion ?? maxPosition
  let loaded: Loaded = { ...base, replayedEvents: 0 }
  let isUnproven = mustProve
  const fromVersion = base.version + (mustProve ? 0 : 1)
  for await (const page of streamPages(log, stream, fromVersion, toVersion)) {
    let rows = page
    if (isUnproven) {
      if (rows[0]?.id !== base.lastEventId) return undefined
      rows = rows.slice(1)
      isUnproven = false
    }
    const counted = bound === undefined ? rows : rows.filter(bound.counts)
    loaded = foldRows(fold, loaded, counted)
    if (bound?.isOrdered && counted.length < rows.length) break
  }
  return { ...loaded, replayMs: performance.now() - startMs }
}
