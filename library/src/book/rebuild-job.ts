import { DaybookError, messageOf } from '../core/errors.ts'
import { integerWithin } from '../core/limits.ts'
import type { FollowingTransaction, ReadModelCopy } from '../core/ports/following.ts'
import { copySubscription, isSameCopy, nextCopy, recordWhenOpened } from '../core/read-model-copies.ts'
import { Filling, type FillingEnd } from '../processing/rebuild.ts'
import type { RebuildProgress } from '../processing/rebuild-progress.ts'
import type { BookContext } from './context.ts'
import type { Followers } from './followers.ts'
import { refused } from './read-model-registry.ts'
import type { RebuildOptions, RebuildResult } from './rebuild-options.ts'
import { changePlaces } from './rebuild-places.ts'
import type { StoredProjection } from './stored-projection.ts'

/** One rebuild that this process runs, or waits for while another does. */
export class RebuildJob {
  /** Rejects when it is stopped, or fails. */
  readonly result: Promise<RebuildResult>
  readonly #context: BookContext
  readonly #followers: Followers
  readonly #stored: StoredProjection
  readonly #options: RebuildOptions
  readonly #stop = new AbortController()
  readonly #listeners = new Set<(progress: RebuildProgress) => void>()
  #filling: Filling | undefined
  #isOver = false

  constructor(context: BookContext, followers: Followers, stored: StoredProjection, options: RebuildOptions) {
    this.#context = context
    this.#followers = followers
    this.#stored = stored
    this.#options = options
    this.join(options)
    this.result = this.#run().finally(() => {
      this.#isOver = true
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get progress(): RebuildProgress | undefined {
    return this.#filling?.progress
  }

  /** Tells one more how it goes; whoever joins can stop waiting, and does not stop the others. */
  join({ onProgress }: RebuildOptions): void {
    if (onProgress !== undefined) this.#listeners.add(onProgress)
  }

  /** Looks at once whether it may go on. */
  async look(): Promise<void> {
    await this.#filling?.look()
  }

  cancel(): void {
    this.#stop.abort(new DaybookError('BOOK_CLOSED', 'the rebuild was stopped; start it again to go on'))
  }

  /** Resolves when it has ended, however. */
  async ended(): Promise<void> {
    await this.result.catch(() => undefined)
  }

  async #run(): Promise<RebuildResult> {
    const { signal, eventsPerSecond } = this.#options
    if (eventsPerSecond !== undefined) integerWithin('eventsPerSecond', eventsPerSecond, 1, 100_000_000)
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    const startMs = performance.now()
    const copy = await this.#begin()
    return this.#stored.withoutFollowing(copy, async () => {
      const filling = this.#openFilling(copy)
      await filling.prepare()
      const from = filling.progress.position
      const end = await this.#fill(filling, stop)
      const { position, outcome } = await this.#conclude(filling, copy, end)
      const seconds = (performance.now() - startMs) / 1_000
      const projection = this.#stored.definition.shape.name
      return { projection, ...copy, outcome, position, events: position - from, seconds }
    })
  }

  #openFilling(copy: ReadModelCopy): Filling {
    const { store, host, digest } = this.#context
    const { definition } = this.#stored
    const { eventsPerSecond } = this.#options
    this.#filling = new Filling({
      base: definition,
      copy,
      fingerprint: digest(definition.fingerprintText),
      store,
      host,
      keeper: this.#followers.keeper,
      eventsPerSecond,
      onProgress: (progress) => {
        for (const listener of this.#listeners) listener(progress)
      },
      onParked: ({ position }, error) => {
        const subject = copySubscription(definition.shape.name, copy)
        const message = `projection ${subject}, event ${position}: ${messageOf(error)}`
        this.#context.report({ kind: 'event-parked', subject, message, error })
      },
    })
    return this.#filling
  }

  /** Indexes last, and then what was appended meanwhile. */
  async #fill(filling: Filling, stop: AbortSignal): Promise<FillingEnd> {
    const end = await filling.fill(stop)
    if (end !== 'filled') return end
    await filling.index()
    return filling.fill(stop)
  }

  async #conclude(
    filling: Filling,
    copy: ReadModelCopy,
    end: FillingEnd,
  ): Promise<Pick<RebuildResult, 'position' | 'outcome'>> {
    const { position } = filling.progress
    if (end !== 'filled') return { position, outcome: end }
    filling.noteFilled(position)
    const swap = this.#options.swap ?? this.#stored.definition.swap
    if (swap === 'manual') {
      await this.#stored.keepWaiting(copy)
      return { position, outcome: 'filled' }
    }
    const { registry } = this.#followers
    const { name } = this.#stored.definition.shape
    const parts = { context: this.#context, registry, stored: this.#stored, name, copy, allowBehind: false }
    const swapped = await changePlaces(parts)
    return { position: swapped.position, outcome: 'swapped' }
  }

  /** Notes which copy is filled: the one begun before, if there is one. */
  async #begin(): Promise<ReadModelCopy> {
    const { name, version } = this.#stored.definition.shape
    const { store, host } = this.#context
    const { registry } = this.#followers
    const stored = await registry.storedCopies(name)
    const copy = await store.following.transaction(async (transaction) => {
      const held = await transaction.readModel(name)
      const record = held ?? recordWhenOpened({ name, record: held, stored }, version, host.now())
      if (version < record.serving.version)
        return refused(
          name,
          `version ${record.serving.version} serves; this process has the code of ${version}`,
        )
      if ((record.next?.version ?? 0) > version)
        return refused(name, `version ${record.next?.version} is being filled already`)
      const copy = nextCopy({ name, record, stored }, version)
      if (isSameCopy(record.next, copy)) return copy
      await transaction.putReadModel({ ...record, next: copy, changedAtMs: host.now() })
      if (record.serving.version === version) await this.#takeOverSkipped(transaction, record.serving, copy)
      return copy
    }, true)
    await registry.refresh()
    await this.#stored.settled()
    return copy
  }

  /** An event that a person decided to leave out of what serves is left out of what is filled anew from the same code. */
  async #takeOverSkipped(
    transaction: FollowingTransaction,
    serving: ReadModelCopy,
    copy: ReadModelCopy,
  ): Promise<void> {
    const { name } = this.#stored.definition.shape
    const from = copySubscription(name, serving)
    const subscription = copySubscription(name, copy)
    const filter = { subscription: from, statuses: ['skipped'], limit: 10_000 } as const
    for (const event of await transaction.parked(filter))
      await transaction.putParked({ ...event, subscription })
  }
}
