import {
  type AppendOutcome,
  type HeldFacts,
  type KeyRecord,
  type LogHead,
  needsOf,
  type PlannedRow,
  planAppend,
} from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { EventLog, InlineStep, LogPage, LogSlice, StreamPage, StreamSlice } from '../core/ports/store.ts'
import { matchesQuery, type QueryItem } from '../core/query.ts'
import { genesisHash, RowHasher, type RowHashes } from '../core/row-hash.ts'
import type { MemoryReadModels } from './read-models.ts'

/** The log as an array of rows. Its lock is that JavaScript runs one function at a time. */
export class MemoryLog implements EventLog {
  readonly #host: Host
  readonly #readModels: MemoryReadModels
  readonly #hasher: RowHasher
  readonly #rows: PlannedRow[] = []
  readonly #streams = new Map<string, PlannedRow[]>()
  readonly #keys = new Map<string, KeyRecord>()
  readonly #ids = new Set<string>()
  readonly #listeners = new Set<() => void>()
  #head: LogHead = { position: 0, recordedAtMs: 0, chainHash: genesisHash }
  #lock: Promise<unknown> = Promise.resolve()

  constructor(host: Host, readModels: MemoryReadModels) {
    this.#host = host
    this.#readModels = readModels
    this.#hasher = new RowHasher(host.sha256)
  }

  append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    const turn = this.#lock.then(() => this.#appendLocked(requests, inline))
    this.#lock = turn.catch(() => undefined)
    return turn
  }

  async #appendLocked(
    requests: readonly AppendRequest[],
    inline?: InlineStep,
  ): Promise<readonly AppendOutcome[]> {
    const plan = planAppend(this.#facts(requests), requests, this.#host.now(), this.#hasher)
    if (inline !== undefined && plan.rows.length > 0) await this.#runInline(inline, plan.rows)
    for (const row of plan.rows) this.#insert(row)
    for (const record of plan.keys) this.#keys.set(record.key, record)
    this.#head = plan.head
    if (plan.rows.length > 0) for (const listener of this.#listeners) listener()
    return plan.outcomes
  }

  // Inline projections run on a copy that becomes the truth together with the rows, or not at all.
  async #runInline(inline: InlineStep, rows: readonly PlannedRow[]): Promise<void> {
    for (;;) {
      const models = this.#readModels.begin()
      await inline(rows, models, this)
      if (this.#readModels.commit(models)) return
    }
  }

  #facts(requests: readonly AppendRequest[]): HeldFacts {
    const needs = needsOf(requests)
    const keys = needs.keys.flatMap((key) => this.#keys.get(key) ?? [])
    return {
      head: this.#head,
      versions: new Map(needs.streams.map((stream) => [stream, this.#streams.get(stream)?.length ?? 0])),
      keys: new Map(keys.map((record) => [record.key, record])),
      ids: new Set(needs.ids.filter((id) => this.#ids.has(id))),
      matches: needs.conditions.map(({ items, after }) => this.#firstMatch(items, after)),
    }
  }

  #firstMatch(items: readonly QueryItem[], afterPosition: number): number | undefined {
    for (let index = afterPosition; index < this.#rows.length; index++) {
      const row = this.#rows[index] as PlannedRow
      if (matchesQuery(items, { ...row, tags: row.tagList })) return row.position
    }
    return undefined
  }

  #insert(row: PlannedRow): void {
    this.#rows.push(row)
    this.#ids.add(row.id)
    const stream = this.#streams.get(row.stream)
    if (stream === undefined) this.#streams.set(row.stream, [row])
    else stream.push(row)
  }

  within(): EventLog {
    throw new DaybookError('UNSUPPORTED', 'the memory store has no transactions to join; sqlite has', {
      store: 'memory',
    })
  }

  onAppended(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  head(): Promise<LogHead> {
    return Promise.resolve(this.#head)
  }

  readHashes(afterPosition: number, limit: number): Promise<readonly RowHashes[]> {
    return Promise.resolve(this.#rows.slice(afterPosition, afterPosition + limit))
  }

  findKey(key: string): Promise<KeyRecord | undefined> {
    return Promise.resolve(this.#keys.get(key))
  }

  readStream({ stream, direction, fromVersion, toVersion, types, limit }: StreamSlice): Promise<StreamPage> {
    const all = this.#streams.get(stream) ?? []
    const slice = all.slice(Math.max(fromVersion - 1, 0), toVersion)
    const wanted = slice.filter((row) => types === undefined || types.includes(row.type))
    if (direction === 'backwards') wanted.reverse()
    return Promise.resolve({ rows: wanted.slice(0, limit), isEnd: wanted.length <= limit })
  }

  readLog({ afterPosition, toPosition, items, limit }: LogSlice): Promise<LogPage> {
    const rows: PlannedRow[] = []
    const end = Math.min(toPosition, this.#rows.length)
    let scannedTo = afterPosition
    while (scannedTo < end && rows.length < limit) {
      const row = this.#rows[scannedTo] as PlannedRow
      if (items === undefined || matchesQuery(items, { ...row, tags: row.tagList })) rows.push(row)
      scannedTo = row.position
    }
    return Promise.resolve({ rows, scannedTo, head: this.#head.position })
  }
}
