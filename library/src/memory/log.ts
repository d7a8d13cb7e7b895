import {
  type AppendOutcome,
  type AppendPlan,
  type KeyRecord,
  type LogHead,
  planAppend,
} from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import type { EventLog, InlineStep, LogPage, LogSlice, StreamPage, StreamSlice } from '../core/ports/store.ts'
import { RowHasher, type RowHashes } from '../core/row-hash.ts'
import type { MemoryReadModels } from './read-models.ts'
import { MemoryRows } from './rows.ts'

/** The log as an array of rows. One append at a time, also while an inline step waits for something. */
export class MemoryLog implements EventLog {
  readonly #host: Host
  readonly #readModels: MemoryReadModels
  readonly #hasher: RowHasher
  readonly #rows = new MemoryRows()
  readonly #listeners = new Set<() => void>()
  readonly #lock = new Mutex()

  constructor(host: Host, readModels: MemoryReadModels) {
    this.#host = host
    this.#readModels = readModels
    this.#hasher = new RowHasher(host.sha256)
  }

  append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    return this.#lock.run(() => this.#appendLocked(requests, inline))
  }

  async #appendLocked(
    requests: readonly AppendRequest[],
    inline?: InlineStep,
  ): Promise<readonly AppendOutcome[]> {
    const plan = planAppend(this.#rows.facts(requests), requests, this.#host.now(), this.#hasher)
    if (inline !== undefined && plan.rows.length > 0) await this.#runInline(inline, plan)
    this.#rows.insert(plan)
    if (plan.rows.length > 0) for (const listener of this.#listeners) listener()
    return plan.outcomes
  }

  // Inline projections run on copies that become the truth together, or not at all.
  async #runInline(inline: InlineStep, plan: AppendPlan): Promise<void> {
    const rows = this.#rows.with(plan)
    for (;;) {
      const models = this.#readModels.begin()
      await inline(plan.rows, models, rows)
      if (this.#readModels.commit(models)) return
    }
  }

  within(): EventLog {
    throw new DaybookError('UNSUPPORTED', 'the memory store has no transactions to join; sqlite has', {
      store: 'memory',
    })
  }

  async whenDurable(): Promise<void> {}

  onAppended(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  head(): Promise<LogHead> {
    return this.#rows.head()
  }

  readHashes(afterPosition: number, limit: number): Promise<readonly RowHashes[]> {
    return this.#rows.readHashes(afterPosition, limit)
  }

  findKey(key: string): Promise<KeyRecord | undefined> {
    return this.#rows.findKey(key)
  }

  readStream(slice: StreamSlice): Promise<StreamPage> {
    return this.#rows.readStream(slice)
  }

  readLog(slice: LogSlice): Promise<LogPage> {
    return this.#rows.readLog(slice)
  }
}
