import { isDaybookError, messageOf } from '../core/errors.ts'
import type { Fold } from '../core/fold.ts'
import { integerWithin } from '../core/limits.ts'
import { encodeSnapshot } from '../core/snapshot.ts'
import type { BookContext } from './context.ts'
import type { Loaded, StateLoader } from './loading.ts'

/** When snapshots are taken: every so many events (default 100), or when a replay took longer than so many ms; or never. */
export type SnapshotPolicy = { readonly everyEvents: number } | { readonly replayMs: number } | false

/**
 * Takes snapshots in the background: never on the way of a command, never awaited by one. A snapshot that cannot be
 * taken or saved is reported and forgotten; the events are the truth.
 */
export class Snapshotter {
  readonly #context: BookContext
  readonly #loader: StateLoader
  readonly #everyEvents: number
  readonly #replayMs: number
  readonly #lastVersions = new Map<string, number>()
  readonly #underWay = new Set<Promise<void>>()

  constructor(context: BookContext, loader: StateLoader, policy: SnapshotPolicy) {
    this.#context = context
    this.#loader = loader
    this.#everyEvents =
      policy !== false && 'everyEvents' in policy
        ? integerWithin('snapshots.everyEvents', policy.everyEvents, 1, 1_000_000)
        : Number.POSITIVE_INFINITY
    this.#replayMs = policy !== false && 'replayMs' in policy ? policy.replayMs : Number.POSITIVE_INFINITY
  }

  /** Tells of a committed state; takes a snapshot of it when one is due. Returns at once. */
  consider(fold: Fold, stream: string, loaded: Loaded): void {
    if (fold.toSnapshot === undefined || loaded.version === 0) return
    const key = `${this.#loader.fingerprintOf(fold)} ${stream}`
    const last = this.#lastVersions.get(key) ?? loaded.version - loaded.replayedEvents
    if (this.#lastVersions.size >= 100_000) this.#lastVersions.clear()
    this.#lastVersions.set(key, last)
    const isDue =
      loaded.version - last >= this.#everyEvents ||
      (loaded.replayMs > this.#replayMs && loaded.version > last)
    if (!isDue) return
    this.#lastVersions.set(key, loaded.version)
    const work = this.#save(fold, stream, loaded).finally(() => this.#underWay.delete(work))
    this.#underWay.add(work)
  }

  /** Resolves when no snapshot is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async #save(fold: Fold, stream: string, loaded: Loaded): Promise<void> {
    try {
      // Encoded now, while an aggregate is still at this version; saved when the caller has its answer.
      const { version, position, lastEventId: eventId, state } = loaded
      const row = encodeSnapshot(fold, { stream, version, position, eventId, state }, this.#context.digest)
      await this.#context.host.nextTurn()
      await this.#context.store.snapshots.save(row)
    } catch (error) {
      if (isDaybookError(error, 'BOOK_CLOSED')) return
      this.#context.report({
        kind: 'snapshot-failed',
        subject: stream,
        message: `no snapshot of ${stream} by "${fold.name}" was taken: ${messageOf(error)}`,
        error,
      })
    }
  }
}
