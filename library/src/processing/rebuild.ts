import { isDaybookError } from '../core/errors.ts'
import type { ReadModelCopy } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { OpenStore } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { definitionOf, isSameCopy, roleOf } from '../core/read-model-copies.ts'
import type { EventRow } from '../core/row-hash.ts'
import { FollowerStop } from './follower.ts'
import type { HeldLease, LeaseKeeper } from './lease-keeper.ts'
import { Projecting } from './projecting.ts'
import { Rate, type RebuildProgress, type RebuildState, secondsLeft } from './rebuild-progress.ts'

/** What filling a copy needs. */
export interface FillingParts {
  readonly base: ProjectionDefinition
  readonly copy: ReadModelCopy
  readonly fingerprint: string
  readonly store: OpenStore
  readonly host: Host
  readonly keeper: LeaseKeeper
  /** Events of the log per second at most. */
  readonly eventsPerSecond: number | undefined
  readonly onProgress: (progress: RebuildProgress) => void
  /** Told of an event that it leaves out, as the projection's `onFailure` says. */
  readonly onParked: (event: EventRow, error: unknown) => void
}

/** How filling ended: at the head; the copy serves already; or it was given up by somebody. */
export type FillingEnd = 'filled' | 'swapped' | 'cancelled'

/** How often to look at a copy that another process fills. */
const lookMs = 500
/** A batch of a throttled rebuild takes about so long. */
const throttledMs = 100
/** Failures of the store in a row, each tried again after a longer wait. */
const mostFailures = 10

/**
 * Fills a copy from its checkpoint to the head, under the lease of the copy: another process may have it, or take it
 * over when this one dies, and goes on where it stopped.
 */
export class Filling {
  readonly definition: ProjectionDefinition
  readonly #parts: FillingParts
  readonly #projecting: Projecting
  readonly #rate = new Rate()
  #held: HeldLease | undefined
  #progress: RebuildProgress

  constructor(parts: FillingParts) {
    const { base, copy, fingerprint, store, host, eventsPerSecond } = parts
    this.#parts = parts
    this.definition = definitionOf(base, copy)
    const batchEvents =
      eventsPerSecond === undefined
        ? {}
        : { batchEvents: Math.max(1, Math.floor((eventsPerSecond * throttledMs) / 1_000)) }
    this.#projecting = new Projecting({
      definition: this.definition,
      fingerprint,
      log: store.log,
      models: store.readModels,
      following: store.following,
      identity: store.identity,
      host,
      isIndexed: false,
      ...batchEvents,
      // Errors come out of `fill`.
      onError: () => undefined,
      onParked: parts.onParked,
      onDone: () => undefined,
    })
    this.#progress = {
      projection: base.shape.name,
      ...copy,
      state: 'standing-by',
      position: 0,
      head: 0,
      eventsPerSecond: 0,
      secondsLeft: undefined,
    }
  }

  get progress(): RebuildProgress {
    return this.#progress
  }

  /** Creates the copy where it is missing; one that other code began to fill is begun anew. */
  async prepare(): Promise<void> {
    if (await this.#projecting.prepare()) await this.#projecting.reset()
    const { position } = await this.#projecting.checkpoint()
    this.#note('standing-by', position, (await this.#parts.store.log.head()).position)
  }

  /** Resolves when the copy is at the head, whoever got it there; rejects with the signal's reason, or with what stops it. */
  async fill(signal: AbortSignal): Promise<FillingEnd> {
    for (;;) {
      const end = await this.#endWithout()
      if (end !== undefined) return end
      const held = await this.#acquire(signal)
      if (held === undefined) continue
      this.#held = held
      try {
        if (await this.#fillUnder(held, signal)) return 'filled'
      } finally {
        this.#held = undefined
        await this.#projecting.end()
        await this.#parts.keeper.release(held)
      }
    }
  }

  /** Looks at once whether the lease is still held. */
  async look(): Promise<void> {
    await this.#held?.confirm()
  }

  /** Builds what filling left out. */
  async index(): Promise<void> {
    this.#note('indexing', this.#progress.position, this.#progress.head)
    await this.#parts.store.readModels.index(this.definition.shape)
  }

  /** Tells that it is filled, and at what position. */
  noteFilled(position: number): void {
    this.#note('filled', position, Math.max(position, this.#progress.head))
  }

  /** What became of the copy by others' hands. */
  async #endWithout(): Promise<FillingEnd | undefined> {
    const { store, copy, base } = this.#parts
    const records = await store.following.readModels()
    const record = records.find(({ name }) => name === base.shape.name)
    if (record !== undefined && isSameCopy(record.serving, copy)) return 'swapped'
    return record === undefined || roleOf(record, copy) !== 'next' ? 'cancelled' : undefined
  }

  /** The lease; undefined, after a look at the copy, while somebody else has it or it is paused. */
  async #acquire(signal: AbortSignal): Promise<HeldLease | undefined> {
    const { keeper, host, store } = this.#parts
    signal.throwIfAborted()
    const looking = new AbortController()
    const waiting = AbortSignal.any([signal, looking.signal])
    const wake = host.sleep(lookMs, waiting).then(
      () => looking.abort(),
      () => undefined,
    )
    const { subscription } = this.definition
    const held = await keeper.acquire({ subscription }, waiting)
    looking.abort()
    await wake
    signal.throwIfAborted()
    if (held !== undefined) return held
    const lease = (await store.following.leases()).find((each) => each.subscription === subscription)
    const { position } = await this.#projecting.checkpoint()
    this.#note(lease?.isPaused ? 'paused' : 'standing-by', position, (await store.log.head()).position)
    return undefined
  }

  /** True when it is at the head; false when the lease was lost. */
  async #fillUnder(held: HeldLease, stop: AbortSignal): Promise<boolean> {
    const signal = AbortSignal.any([stop, held.lost])
    await this.#projecting.begin(held)
    for (let failures = 0; ; ) {
      stop.throwIfAborted()
      if (held.lost.aborted) return false
      try {
        const isAtHead = await this.#step(signal)
        failures = 0
        if (isAtHead) return true
      } catch (error) {
        if (stop.aborted || held.lost.aborted) continue
        if (error instanceof FollowerStop) throw error.cause
        if (++failures > mostFailures || isDaybookError(error, 'BOOK_CLOSED')) throw error
        await this.#parts.host.sleep(10 * 2 ** failures, signal).catch(() => undefined)
        await this.#projecting.begin(held)
      }
      await this.#parts.host.nextTurn()
    }
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    const { host, store, eventsPerSecond } = this.#parts
    const from = this.#progress.position
    const startMs = performance.now()
    const hasMore = await this.#projecting.step(signal)
    const { position } = await this.#projecting.checkpoint()
    const head = (await store.log.head()).position
    this.#note('filling', position, head)
    if (!hasMore && position >= head) return true
    if (eventsPerSecond !== undefined) {
      const dueMs = ((position - from) * 1_000) / eventsPerSecond - (performance.now() - startMs)
      if (dueMs > 0) await host.sleep(dueMs, signal).catch(() => undefined)
    }
    return false
  }

  #note(state: RebuildState, position: number, head: number): void {
    this.#rate.note(position, performance.now())
    const perSecond = this.#rate.perSecond
    this.#progress = {
      ...this.#progress,
      state,
      position,
      head,
      eventsPerSecond: perSecond,
      secondsLeft: secondsLeft(position, head, perSecond),
    }
    this.#parts.onProgress(this.#progress)
  }
}
