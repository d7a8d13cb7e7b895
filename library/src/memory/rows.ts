import {
  type AppendPlan,
  type HeldFacts,
  type KeyRecord,
  type LogHead,
  needsOf,
  type PlannedRow,
} from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import type { LogPage, LogReader, LogSlice, StreamPage, StreamSlice } from '../core/ports/store.ts'
import { matchesQuery, type QueryItem } from '../core/query.ts'
import { genesisHash, type RowHashes } from '../core/row-hash.ts'

/** The rows of a log with what finds them: streams, keys, ids. */
export class MemoryRows implements LogReader {
  readonly #rows: PlannedRow[] = []
  readonly #streams = new Map<string, PlannedRow[]>()
  readonly #keys = new Map<string, KeyRecord>()
  readonly #ids = new Set<string>()
  #head: LogHead = { position: 0, recordedAtMs: 0, chainHash: genesisHash }

  insert({ rows, keys, head }: Pick<AppendPlan, 'rows' | 'keys' | 'head'>): void {
    for (const row of rows) {
      this.#rows.push(row)
      this.#ids.add(row.id)
      const stream = this.#streams.get(row.stream)
      if (stream === undefined) this.#streams.set(row.stream, [row])
      else stream.push(row)
    }
    for (const record of keys) this.#keys.set(record.key, record)
    this.#head = head
  }

  /** These rows and those of the plan, apart from these; copied only when they are read, which few inline steps do. */
  with(plan: AppendPlan): LogReader {
    let copy: MemoryRows | undefined
    const rows = (): MemoryRows => {
      if (copy !== undefined) return copy
      copy = new MemoryRows()
      copy.insert({ rows: this.#rows, keys: [...this.#keys.values()], head: this.#head })
      copy.insert(plan)
      return copy
    }
    return {
      head: () => rows().head(),
      readStream: (slice) => rows().readStream(slice),
      readLog: (slice) => rows().readLog(slice),
      readHashes: (afterPosition, limit) => rows().readHashes(afterPosition, limit),
      findKey: (key) => rows().findKey(key),
    }
  }

  facts(requests: readonly AppendRequest[]): HeldFacts {
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
