import { DaybookError, isDaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint, ReadModelStore } from '../core/ports/read-models.ts'
import type { BookIdentity, EventLog } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { DocumentFold } from './document-fold.ts'
import { readDurably } from './durable-page.ts'
import { FollowerStop, type FollowerWork } from './follower.ts'

/** What keeping a read model up to date needs. */
export interface ProjectingParts {
  readonly definition: ProjectionDefinition
  readonly fingerprint: string
  readonly log: EventLog
  readonly models: ReadModelStore
  readonly identity: BookIdentity
  readonly host: Host
  readonly onError: (error: unknown, isStopped: boolean) => void
}

const pageEvents = 500
/** A batch is written when this many events were folded … */
const batchEvents = 100_000
/** … or this many documents changed. */
const batchDocuments = 5_000

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
  #position = -1

  constructor(parts: ProjectingParts) {
    this.name = `projection ${parts.definition.subscription}`
    this.#parts = parts
    this.#fingerprint = parts.fingerprint
    this.#fold = new DocumentFold(parts.definition)
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
    let afterPosition = this.#position
    for (let events = 0; ; ) {
      const { rows, scannedTo, head } = await readDurably(log, {
        afterPosition,
        toPosition: Number.MAX_SAFE_INTEGER,
        items: definition.items,
        limit: pageEvents,
      })
      const { folded, error } = await this.#fold.fold(rows, models, {
        subscription: definition.subscription,
        position: this.#position,
      })
      const failed = error === undefined ? undefined : rows[folded]
      if (failed !== undefined) return { position: failed.position - 1, hasMore: false, error }
      afterPosition = scannedTo
      events += rows.length
      const hasMore = scannedTo < head
      const isFull = events >= batchEvents || this.#fold.changed >= batchDocuments
      if (!hasMore || isFull || signal.aborted) return { position: scannedTo, hasMore, error: undefined }
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
      ...this.#fold.takeChanges(),
    })
    if (isWritten) this.#position = position
    else this.#forget()
    return isWritten
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
  /** Why the event after `position` could not be folded. */
  readonly error: unknown
}
