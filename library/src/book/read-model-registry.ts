import { DaybookError } from '../core/errors.ts'
import type { ReadModelCopy, ReadModelRecord } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { OpenStore } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { copyOfSubscription, recordWhenOpened } from '../core/read-model-copies.ts'

/** For so long a process may not have heard that another copy serves: until then the one before answers. */
const knownMs = 250
/** How often to look where nobody asks, so that what follows the log turns to another copy as well. */
const watchMs = 1_000

/** Which copy of each read model serves, as this process knows it. */
export class ReadModelRegistry {
  readonly #store: OpenStore
  readonly #host: Host
  readonly #listeners = new Set<(records: ReadonlyMap<string, ReadModelRecord>) => void>()
  readonly #stop = new AbortController()
  #records: ReadonlyMap<string, ReadModelRecord> = new Map()
  #readAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined
  #watching: Promise<void> | undefined

  constructor(store: OpenStore, host: Host) {
    this.#store = store
    this.#host = host
  }

  /** The record of a read model, at most a quarter of a second old. */
  async record(name: string): Promise<ReadModelRecord | undefined> {
    if (performance.now() - this.#readAtMs > knownMs) await this.refresh()
    return this.#records.get(name)
  }

  /** Reads all records now, and tells those who listen. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /** Notes that code of a version is opened, which may make its copy the first, or the next. */
  async opened({ shape }: ProjectionDefinition): Promise<ReadModelRecord> {
    const { name, version } = shape
    const { following, isReadOnly } = this.#store
    const stored = await this.storedCopies(name)
    if (isReadOnly) {
      await this.refresh()
      return recordWhenOpened({ name, record: this.#records.get(name), stored }, version, this.#host.now())
    }
    const record = await following.transaction(async (transaction) => {
      const held = await transaction.readModel(name)
      const record = recordWhenOpened({ name, record: held, stored }, version, this.#host.now())
      if (record !== held) await transaction.putReadModel(record)
      return record
    })
    await this.refresh()
    return record
  }

  /** The copies of a read model that have a checkpoint. */
  async storedCopies(name: string): Promise<readonly ReadModelCopy[]> {
    const checkpoints = await this.#store.readModels.checkpoints()
    return checkpoints.flatMap(({ subscription }) => copyOfSubscription(name, subscription) ?? [])
  }

  /** Calls back, with all records, whenever they were read; returns how to stop. Must not throw. */
  onRead(listener: (records: ReadonlyMap<string, ReadModelRecord>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Looks now and then, until `close`. */
  watch(): void {
    this.#watching ??= this.#watch()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#watching
    await this.#reading?.catch(() => undefined)
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#host.sleep(watchMs, signal).catch(() => undefined)
      await this.#host.nextTurn()
      // Who cannot look now looks again in a moment; followers report that the store is away.
      if (!signal.aborted) await this.refresh().catch(() => undefined)
    }
  }

  async #read(): Promise<void> {
    const startMs = performance.now()
    const records = await this.#store.following.readModels()
    this.#records = new Map(records.map((record) => [record.name, record]))
    this.#readAtMs = startMs
    for (const listener of this.#listeners) listener(this.#records)
  }
}

/** Removes copies that nobody needs: those the record does not name, and that nobody keeps up to date. */
export async function dropLeftCopies(
  { readModels, following }: OpenStore,
  shape: ProjectionDefinition['shape'],
  left: readonly ReadModelCopy[],
  subscriptionOf: (copy: ReadModelCopy) => string,
): Promise<void> {
  if (left.length === 0) return
  const [leases, nowMs] = await Promise.all([following.leases(), following.now()])
  for (const copy of left) {
    const subscription = subscriptionOf(copy)
    const lease = leases.find((each) => each.subscription === subscription)
    if (lease?.owner !== undefined && lease.untilMs > nowMs) continue
    await readModels.drop({ ...shape, ...copy }, subscription)
  }
}

/** Throws `REBUILD_REFUSED`. */
export function refused(
  projection: string,
  why: string,
  facts: { readonly [fact: string]: unknown } = {},
): never {
  throw new DaybookError('REBUILD_REFUSED', `projection "${projection}": ${why}`, { projection, ...facts })
}
