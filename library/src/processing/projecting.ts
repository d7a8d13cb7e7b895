import { DaybookError, isDaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { FollowingStore, ParkedEvent } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint, ReadModelStore } from '../core/ports/read-models.ts'
import type { BookIdentity, EventLog } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import type { EventRow } from '../core/row-hash.ts'
import { DocumentFold } from './document-fold.ts'
import { readDurably } from './durable-page.ts'
import { FollowerStop, type FollowerWork } from './follower.ts'
import type { HeldLease } from './lease-keeper.ts'
import { Stops } from './stops.ts'

/** What keeping a read model up to date needs. */
export interface ProjectingParts {
  readonly definition: ProjectionDefinition
  readonly fingerprint: string
  readonly log: EventLog
  readonly models: ReadModelStore
  readonly following: FollowingStore
  readonly identity: BookIdentity
  readonly host: Host
  readonly onError: (error: unknown, isStopped: boolean) => void
  /** Told how long after it was recorded an event was in the read model, in ms; of some events of each batch. */
  readonly onDone: (lagMs: number) => void
}

const pageEvents = 500
/** A batch is written when this many events were folded … */
const batchEvents = 100_000
/** … or this many documents changed … */
const batchDocuments = 5_000
/** … or after so long: a checkpoint that stands still looks like one that nobody moves. */
const batchMs = 1_000

/**
 * Keeps one read model up to date: folds batches in memory and writes documents and checkpoint in one transaction,
 * which is refused when somebody else moved the checkpoint. So a crash at any instant neither loses nor doubles an
 * event, and two processes running the same projection do no harm.
 */
export class Projecting implements FollowerWork {
  readonly name: string
  readonly #parts: ProjectingParts
  readonly #fold: DocumentFold
  readonly #listeners = new Set<() => void>()
  #fingerprint: string
  readonly #mutex = new Mutex()
  readonly #stops: Stops
  #position = -1
  #held: HeldLease | undefined
  /** The event it stopped at earlier, under this lease or another. */
  #stoppedAt: ParkedEvent | undefined
  #isStopNoted = false
  /** When some of the events of the batch were recorded. */
  #recordedAtMs: number[] = []

  constructor(parts: ProjectingParts) {
    this.name = `projection ${parts.definition.subscription}`
    this.#parts = parts
    this.#fingerprint = parts.fingerprint
    this.#fold = new DocumentFold(parts.definition)
    this.#stops = new Stops(parts.following, parts.definition.subscription)
  }

  get definition(): ProjectionDefinition {
    return this.#parts.definition
  }

  /** Creates the tables and the checkpoint if they are missing; true when the stored read model is of other code. */
  async prepare(): Promise<boolean> {
    const { definition, models, log, identity, fingerprint } = this.#parts
    await models.prepare(definition.shape, definition.subscription, this.#checkpointAt(0))
    const checkpoint = await this.checkpoint()
    const head = (await log.head()).position
    if (checkpoint.epoch !== identity.epoch || checkpoint.position > head) {
      throw new DaybookError(
        'CHECKPOINT_BEYOND_HEAD',
        `the read model ${definition.subscription} is at position ${checkpoint.position} of epoch ${checkpoint.epoch}, the log at ${head} of epoch ${identity.epoch}`,
        { subscription: definition.subscription, checkpoint: checkpoint.position, head },
      )
    }
    // Where nothing has been folded yet there is nothing of other code.
    this.#fingerprint = checkpoint.position === 0 ? fingerprint : checkpoint.fingerprint
    return this.#fingerprint !== fingerprint
  }

  async checkpoint(): Promise<Checkpoint> {
    const { definition, models } = this.#parts
    return (await models.checkpoint(definition.subscription)) ?? this.#checkpointAt(0)
  }

  /** What is in memory may be of another time. */
  begin(held: HeldLease | undefined): Promise<void> {
    return this.#mutex.run(async () => {
      this.#held = held
      this.#forget()
      this.#isStopNoted = false
      if (held === undefined) return
      const { position } = await this.checkpoint()
      this.#stoppedAt = await this.#stops.beyond(position)
      await this.#stops.forgetThrough(held.lease, position)
    })
  }

  end(): Promise<void> {
    return this.#mutex.run(() => {
      this.#held = undefined
    })
  }

  /** True when somebody decided about the event it has stopped at. */
  async mayResume(): Promise<boolean> {
    if (!this.#isStopNoted) return false
    return (await this.#stops.beyond((await this.checkpoint()).position))?.status !== 'parked'
  }

  /** Throws the read model away and begins at the first event. */
  reset(): Promise<void> {
    return this.#mutex.run(async () => {
      const { definition, models } = this.#parts
      this.#fingerprint = this.#parts.fingerprint
      await models.reset(definition.shape, definition.subscription, this.#checkpointAt(0))
      this.#forget()
    })
  }

  /** One batch. A step and a reset wait for each other: they share what is folded in memory. */
  step(signal: AbortSignal): Promise<boolean> {
    return this.#mutex.run(() => this.#step(signal))
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#startFromCheckpoint()
      const batch = await this.#foldBatch(signal)
      const isWritten = await this.#write(batch.position)
      if (batch.error === undefined || !isWritten) return batch.hasMore || !isWritten
      // Somebody else may have folded the event already; then it is no failure to have failed on it twice.
      if ((await this.checkpoint()).position !== this.#position) return true
      await this.#noteStop(batch)
      throw batch.error
    } catch (error) {
      this.#forget()
      // Somebody else folds as well, and was faster: there may be less to do now.
      if (isDaybookError(error, 'TRANSACTION_ABORTED')) return true
      throw isDaybookError(error, 'PROJECTION_FAILED') ? new FollowerStop(error) : error
    } finally {
      for (const listener of this.#listeners) listener()
    }
  }

  onError(error: unknown): void {
    this.#parts.onError(error, false)
  }

  onStop(error: unknown): void {
    this.#parts.onError(error, true)
  }

  /** Calls back at the end of every step; returns how to stop. */
  onStepped(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What is kept in memory is good only for the checkpoint it was folded to; inline projections and others move it. */
  async #startFromCheckpoint(): Promise<void> {
    const { position } = await this.checkpoint()
    if (position === this.#position) return
    this.#fold.clear()
    this.#position = position
  }

  async #foldBatch(signal: AbortSignal): Promise<Batch> {
    const { log, definition, host, models } = this.#parts
    const startMs = performance.now()
    let afterPosition = this.#position
    this.#recordedAtMs = []
    for (let events = 0; ; ) {
      const { rows, scannedTo, head } = await readDurably(log, {
        afterPosition,
        toPosition: Number.MAX_SAFE_INTEGER,
        items: definition.items,
        limit: pageEvents,
      })
      const wanted =
        this.#stoppedAt?.status === 'skipped' ? rows.filter((row) => !this.#isSkipped(row)) : rows
      const { folded, error } = await this.#fold.fold(wanted, models, {
        subscription: definition.subscription,
        position: this.#position,
      })
      const failed = error === undefined ? undefined : wanted[folded]
      if (failed !== undefined) return { position: failed.position - 1, hasMore: false, error, failed }
      afterPosition = scannedTo
      events += rows.length
      for (const row of [rows[0], rows.at(-1)])
        if (row !== undefined) this.#recordedAtMs.push(row.recordedAtMs)
      const hasMore = scannedTo < head
      const isFull =
        events >= batchEvents || this.#fold.changed >= batchDocuments || performance.now() - startMs > batchMs
      if (!hasMore || isFull || signal.aborted)
        return { position: scannedTo, hasMore, error: undefined, failed: undefined }
      await host.nextTurn()
    }
  }

  /** Writes what was folded up to a position; false when somebody else moved the checkpoint meanwhile. */
  async #write(position: number): Promise<boolean> {
    if (position === this.#position) return true
    const { definition, models } = this.#parts
    const isWritten = await models.change({
      shape: definition.shape,
      subscription: definition.subscription,
      fromPosition: this.#position,
      checkpoint: this.#checkpointAt(position),
      lease: this.#held?.lease,
      ...this.#fold.takeChanges(),
    })
    if (isWritten) await this.#wrote(position)
    else {
      this.#forget()
      await this.#held?.confirm()
    }
    return isWritten
  }

  async #wrote(position: number): Promise<void> {
    this.#position = position
    const nowMs = this.#parts.host.now()
    for (const recordedAtMs of this.#recordedAtMs) this.#parts.onDone(Math.max(0, nowMs - recordedAtMs))
    const stopped = this.#stoppedAt
    if (stopped === undefined || stopped.position > position) return
    this.#stoppedAt = undefined
    if (stopped.status !== 'skipped' && this.#held !== undefined)
      await this.#stops.forget(this.#held.lease, stopped.position)
  }

  #isSkipped({ position }: EventRow): boolean {
    return this.#stoppedAt?.position === position
  }

  async #noteStop({ failed, error }: Batch): Promise<void> {
    if (failed === undefined || this.#held === undefined) return
    const { host } = this.#parts
    this.#isStopNoted = await this.#stops.note(this.#held.lease, failed, 1, error, host.now())
  }

  // The fingerprint stays that of the code which began: documents it folded are still there.
  #checkpointAt(position: number): Checkpoint {
    const { identity, host } = this.#parts
    return { position, epoch: identity.epoch, fingerprint: this.#fingerprint, updatedAtMs: host.now() }
  }

  #forget(): void {
    this.#fold.clear()
    this.#position = -1
  }
}

interface Batch {
  /** Everything up to here is folded. */
  readonly position: number
  readonly hasMore: boolean
  /** Why the next event could not be folded. */
  readonly error: unknown
  readonly failed: EventRow | undefined
}
