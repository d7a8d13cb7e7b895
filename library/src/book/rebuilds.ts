import { integerWithin } from '../core/limits.ts'
import type { ReadModelCopy, ReadModelRecord } from '../core/ports/following.ts'
import type { AnyProjection } from '../core/projection.ts'
import { copySubscription, foldedPosition } from '../core/read-model-copies.ts'
import { compareCopies, type Difference } from '../processing/rebuild-compare.ts'
import { estimateRebuild } from '../processing/rebuild-estimate.ts'
import type { BookContext } from './context.ts'
import type { Followers } from './followers.ts'
import type { FoldAnewOptions } from './open-sql-projection.ts'
import { refused } from './read-model-registry.ts'
import { RebuildJob } from './rebuild-job.ts'
import type {
  CopyStatus,
  RebuildEstimate,
  RebuildOptions,
  RebuildResult,
  RebuildStatus,
  SwapResult,
} from './rebuild-options.ts'
import { changePlaces } from './rebuild-places.ts'
import type { StoredProjection } from './stored-projection.ts'

/** How copies are compared. */
export interface CompareOptions {
  /** What serves is compared with this one: the next unless there is none. */
  readonly with?: 'next' | 'previous'
  /** Most differences; 1 to 1,000,000,000, no bound unless given. */
  readonly limit?: number
  /** Told after every page how many documents were compared, of about how many. */
  readonly onProgress?: (compared: number, documents: number) => void
  /** Ends it early: rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Rebuilds of read models without downtime: a new copy is filled beside the one that serves, compared with it, and takes its
 * place in one transaction; the one before is kept to go back to.
 */
export class Rebuilds {
  readonly #context: BookContext
  readonly #followers: Followers
  readonly #jobs = new Map<string, RebuildJob>()

  /** Not for applications: use `book.rebuilds`. */
  constructor(context: BookContext, followers: Followers) {
    this.#context = context
    this.#followers = followers
  }

  /** What a rebuild would take: folds a sample of the log, for less than a second. Changes nothing. */
  async estimate(projection: AnyProjection | string): Promise<RebuildEstimate> {
    const { definition } = this.#stored(projection)
    const { store, host } = this.#context
    return estimateRebuild(definition, store.log, host)
  }

  /**
   * Fills a new copy beside what serves, and lets it take its place. Resolves when that is done; a rebuild that was killed or
   * stopped goes on where it was, in whichever process starts it next. Where one runs already, it is joined.
   *
   * @throws DaybookError `REBUILD_REFUSED`, `PROJECTION_FAILED`, `ILLEGAL_ARGUMENT`, `NOT_REGISTERED`
   */
  async start(projection: AnyProjection | string, options: RebuildOptions = {}): Promise<RebuildResult> {
    const stored = this.#stored(projection)
    const { name } = stored.definition.shape
    let job = this.#running(name)
    if (job === undefined) {
      job = new RebuildJob(this.#context, this.#followers, stored, options)
      this.#jobs.set(name, job)
    } else job.join(options)
    return job.result
  }

  /** Not for applications: use `book.rebuild`. */
  async foldAnew(projection: AnyProjection, { onProgress, signal }: FoldAnewOptions): Promise<void> {
    if (this.#followers.projection(projection.definition).mode === 'live') return
    await this.start(projection, {
      swap: 'auto',
      onProgress: ({ position, head }) => onProgress?.(position, head),
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** The copies of every stored projection, those of other processes included. */
  async status(): Promise<readonly RebuildStatus[]> {
    const { following, readModels, log } = this.#context.store
    const [records, checkpoints, leases, nowMs] = await Promise.all([
      following.readModels(),
      readModels.checkpoints(),
      following.leases(),
      following.now(),
    ])
    const head = (await log.head()).position
    const copyStatus = (name: string, copy: ReadModelCopy): CopyStatus => {
      const subscription = copySubscription(name, copy)
      const held = checkpoints.find((each) => each.subscription === subscription)
      const position = held === undefined ? 0 : foldedPosition(held.checkpoint)
      const lease = leases.find((each) => each.subscription === subscription)
      const owner = lease !== undefined && lease.untilMs > nowMs ? lease.owner : undefined
      const behind = Math.max(0, head - position)
      return { ...copy, subscription, position, behind, owner, isPaused: lease?.isPaused ?? false }
    }
    return records.map(({ name, serving, previous, next }) => ({
      projection: name,
      serving: copyStatus(name, serving),
      previous: previous && copyStatus(name, previous),
      next: next && copyStatus(name, next),
      progress: this.#running(name)?.progress,
    }))
  }

  /** Halts the filling of a copy, in whichever process it runs, until `resume`. The copy that serves goes on. */
  async pause(projection: AnyProjection | string): Promise<void> {
    await this.#pause(projection, true)
  }

  /** Lets the filling go on where it was halted. Whoever waits for it does it; where nobody does, `start` it. */
  async resume(projection: AnyProjection | string): Promise<void> {
    await this.#pause(projection, false)
  }

  /** Gives the copy up that is being filled or waits. Where one is filled by ordinary following, deploy the older code too. */
  async cancel(projection: AnyProjection | string): Promise<void> {
    const name = nameOf(projection)
    const { store, host } = this.#context
    const next = await store.following.transaction(async (transaction) => {
      const record = await transaction.readModel(name)
      if (record?.next === undefined) return undefined
      await transaction.putReadModel({ ...record, next: undefined, changedAtMs: host.now() })
      return record.next
    }, true)
    if (next === undefined) refused(name, 'nothing is being filled')
    await store.readModels.drop({ name, ...next, columns: {} }, copySubscription(name, next))
    await this.#followers.registry.refresh()
    // Whoever fills it elsewhere learns of it at the next write.
    await this.#running(name)?.look()
    await this.#running(name)?.ended()
  }

  /**
   * The differences between what serves and the next copy, or the one before, by key and field, in the order of keys.
   * Documents that are equal are skipped; each key is compared at one position on both sides, while appends go on.
   */
  async *compare(
    projection: AnyProjection | string,
    options: CompareOptions = {},
  ): AsyncGenerator<Difference, void> {
    const most = integerWithin('limit', options.limit ?? 1_000_000_000, 1, 1_000_000_000)
    const name = nameOf(projection)
    const record = await this.#record(name)
    const other = record[options.with ?? (record.next === undefined ? 'previous' : 'next')]
    if (other === undefined)
      return refused(name, `there is no ${options.with ?? 'other'} copy to compare with`)
    const { definition } = this.#ofVersion(name, [other.version, record.serving.version])
    const { store, host } = this.#context
    const { log, readModels: models } = store
    let count = 0
    const { onProgress, signal } = options
    const parts = { definition, serving: record.serving, other, log, models, host, onProgress, signal }
    for await (const difference of compareCopies(parts)) {
      yield difference
      if (++count >= most) return
    }
  }

  /** Lets the next copy serve; what it lacks is folded first. The one before is kept, for `undo`. */
  async swap(projection: AnyProjection | string): Promise<SwapResult> {
    const name = nameOf(projection)
    const { next } = await this.#record(name)
    if (next === undefined) return refused(name, 'no copy is filled or being filled; start a rebuild')
    return this.#changePlaces(name, next, false)
  }

  /**
   * Lets the copy serve again that served before; what it lacks is folded first. Where its code is not in this process it must
   * be at the head: a process with that code keeps it there.
   *
   * @param options `allowBehind`: also when it is not; readers then see less until its code runs
   */
  async undo(
    projection: AnyProjection | string,
    options: { readonly allowBehind?: boolean } = {},
  ): Promise<SwapResult> {
    const name = nameOf(projection)
    const { previous, next } = await this.#record(name)
    if (previous === undefined) return refused(name, 'there is no copy to go back to')
    if (next !== undefined)
      return refused(
        name,
        `version ${next.version} is being filled and would take its place; cancel that first`,
      )
    return this.#changePlaces(name, previous, options.allowBehind ?? false)
  }

  /** Ends what runs here; nothing is lost. */
  async stop(): Promise<void> {
    const jobs = [...this.#jobs.values()]
    for (const job of jobs) job.cancel()
    await Promise.all(jobs.map((job) => job.ended()))
  }

  async #changePlaces(name: string, copy: ReadModelCopy, allowBehind: boolean): Promise<SwapResult> {
    const stored = this.#followers
      .stored(name)
      .find(({ definition }) => definition.shape.version === copy.version)
    const { registry } = this.#followers
    return changePlaces({ context: this.#context, registry, stored, name, copy, allowBehind })
  }

  #running(name: string): RebuildJob | undefined {
    const job = this.#jobs.get(name)
    return job?.isOver ? undefined : job
  }

  async #pause(projection: AnyProjection | string, isPaused: boolean): Promise<void> {
    const name = nameOf(projection)
    const { next } = await this.#record(name)
    if (next === undefined) return refused(name, 'nothing is being filled')
    const { following, readModels } = this.#context.store
    const subscription = copySubscription(name, next)
    // Without a checkpoint there is nothing that could keep the decision, and it must not be lost in silence.
    if ((await readModels.checkpoint(subscription)) === undefined)
      return refused(name, `${subscription} is to be filled, and nobody has begun; nothing can be halted yet`)
    await following.pause(subscription, isPaused)
    // Whoever fills it elsewhere learns of it when it renews its lease.
    await this.#running(name)?.look()
  }

  async #record(name: string): Promise<ReadModelRecord> {
    const records = await this.#context.store.following.readModels()
    return records.find((record) => record.name === name) ?? refused(name, 'the book has no such read model')
  }

  /** The newest version of a projection that this process has. */
  #stored(projection: AnyProjection | string): StoredProjection {
    if (typeof projection !== 'string') {
      const open = this.#followers.projection(projection.definition)
      if (open.mode === 'live') return refused(nameOf(projection), 'it is live, and nothing is stored of it')
      return open
    }
    const known = [...this.#followers.stored(projection)]
    const [newest] = known.sort((a, b) => b.definition.shape.version - a.definition.shape.version)
    return newest ?? refused(projection, 'the book was opened without it, or it is live')
  }

  /** The code of the first of these versions that is here. */
  #ofVersion(name: string, versions: readonly number[]): StoredProjection {
    const here = this.#followers.stored(name)
    for (const version of versions) {
      const found = here.find(({ definition }) => definition.shape.version === version)
      if (found !== undefined) return found
    }
    return refused(name, `the code of version ${versions.join(' or ')} is not in this process`, { versions })
  }
}

function nameOf(projection: AnyProjection | string): string {
  return typeof projection === 'string' ? projection : projection.definition.shape.name
}
