import { DaybookError, isDaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { FollowingStore, ParkedEvent } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint, ReadModelChange, ReadModelStore } from '../core/ports/read-models.ts'
import type { BookIdentity, BriefPage, EventLog } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { foldedPosition, isRetired, retiredPosition } from '../core/read-model-copies.ts'
import { isExact } from '../core/recorded-event.ts'
import type { BriefRow, EventRow } from '../core/row-hash.ts'
import { DocumentFold } from './document-fold.ts'
import { BriefReader, readDurably } from './durable-page.ts'
import { foldAfterAll } from './fold-after-all.ts'
import { FollowerStop, type FollowerWork } from './follower.ts'
import type { HeldLease } from './lease-keeper.ts'
import { ProjectionAsides } from './projection-asides.ts'
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
  /** False while it is filled: its indexes are built when it is. Default true. */
  readonly isIndexed?: boolean
  /** Most events of a batch; 100,000 unless given. */
  readonly batchEvents?: number
  readonly onError: (error: unknown, isStopped: boolean) => void
  /** Told of an event that it leaves out. */
  readonly onParked: (event: EventRow, error: unknown) => void
  /** Told how long after it was recorded an event was in the read model, in ms; of some events of each batch. */
  readonly onDone: (lagMs: number) => void
}

const pageEvents = 1_000
/** A batch is written when this many events were folded … */
const mostBatchEvents = 100_000
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
  readonly #briefly: BriefReader
  readonly #listeners = new Set<() => void>()
  #fingerprint: string
  readonly #mutex = new Mutex()
  readonly #stops: Stops
  readonly #asides: ProjectionAsides
  #position = -1
  #isRetired = false
  #held: HeldLease | undefined
  /** The event it stopped at earlier, under this lease or another. */
  #stoppedAt: ParkedEvent | undefined
  #isStopNoted = false
  /** True while it is found out which event of a batch has documents that cannot be stored. */
  #isOneByOne = false
  /** True once the projection has looked at what brief rows do not have, or something failed that needs telling of. */
  #needsWhole = false
  /** When some of the events of the batch were recorded. */
  #recordedAtMs: number[] = []

  constructor(parts: ProjectingParts) {
    this.name = `projection ${parts.definition.subscription}`
    this.#parts = parts
    this.#fingerprint = parts.fingerprint
    this.#fold = new DocumentFold(parts.definition)
    this.#briefly = new BriefReader(parts.log)
    const { following, definition, onParked } = parts
    const { subscription, onFailure: policy } = definition
    this.#stops = new Stops(following, subscription)
    this.#asides = new ProjectionAsides({ following, subscription, policy, onParked })
  }

  get definition(): ProjectionDefinition {
    return this.#parts.definition
  }

  /** Creates the tables and the checkpoint if they are missing; true when the stored read model is of other code. */
  async prepare(): Promise<boolean> {
    const { definition, models, log, identity, fingerprint } = this.#parts
    const start = this.#checkpointAt(0)
    await models.prepare(definition.shape, definition.subscription, start, this.#parts.isIndexed)
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

  /** True when the stored read model is of other code; prepares nothing, so that a store for reading can be asked. */
  async isOfOtherCode(): Promise<boolean> {
    const { position, fingerprint } = await this.checkpoint()
    return position > 0 && fingerprint !== this.#parts.fingerprint
  }

  /** What is folded; the checkpoint of a retired copy is stored in another way. */
  async checkpoint(): Promise<Checkpoint> {
    const { definition, models } = this.#parts
    const checkpoint = (await models.checkpoint(definition.subscription)) ?? this.#checkpointAt(0)
    this.#isRetired = isRetired(checkpoint)
    return { ...checkpoint, position: foldedPosition(checkpoint) }
  }

  /** What is in memory may be of another time. */
  begin(held: HeldLease | undefined): Promise<void> {
    return this.#mutex.run(async () => {
      this.#held = held
      this.#forget()
      this.#isStopNoted = false
      if (held === undefined) return
      const { position } = await this.checkpoint()
      await this.#asides.load(position)
      if (this.definition.onFailure !== 'stop') return
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

  /** Looks at the next step for what a person wants folded after all. */
  wake(): void {
    this.#asides.wake()
  }

  /** Throws the read model away and begins at the first event. */
  reset(): Promise<void> {
    return this.#mutex.run(async () => {
      const { definition, models } = this.#parts
      this.#fingerprint = this.#parts.fingerprint
      await models.reset(definition.shape, definition.subscription, this.#checkpointAt(0))
      this.#forget()
      await this.#asides.load(0)
    })
  }

  /** One batch. A step and a reset wait for each other: they share what is folded in memory. */
  step(signal: AbortSignal): Promise<boolean> {
    return this.#mutex.run(() => this.#step(signal))
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    try {
      // The checkpoint is where it was left, unless appends move it: the page behind it is read while it is asked for.
      const isLikely = this.#position >= 0 && this.definition.mode !== 'inline'
      const first = { after: this.#position, page: isLikely ? this.#readFirst() : undefined }
      first.page?.catch(() => undefined)
      await this.#startFromCheckpoint()
      if (await this.#foldDue()) return true
      const batch = await this.#foldBatch(signal, first.after === this.#position ? first.page : undefined)
      const isWritten = await this.#write(batch)
      if (batch.error === undefined || !isWritten) return batch.hasMore || !isWritten
      // Somebody else may have folded the event already; then it is no failure to have failed on it twice.
      if ((await this.checkpoint()).position !== this.#position) return true
      await this.#noteStop(batch.failed, batch.error)
      throw batch.error
    } catch (error) {
      this.#forget()
      if (error instanceof WholeNeeded) {
        this.#needsWhole = true
        return true
      }
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

  /** Folds page after page, each read while the one before is folded. */
  async #foldBatch(signal: AbortSignal, first: Promise<BriefPage> | undefined): Promise<Batch> {
    const startMs = performance.now()
    this.#recordedAtMs = []
    let coming = first ?? this.#readFirst()
    for (let left = this.#mostEvents; ; ) {
      const { rows, scannedTo, head } = await coming
      left -= rows.length
      const hasMore = scannedTo < head
      if (hasMore && left > 0) {
        coming = this.#read(scannedTo, Math.min(pageEvents, left))
        // Should it not be wanted after all, its failure is nobody's.
        coming.catch(() => undefined)
      }
      const stopped = await this.#foldRows(rows)
      if (stopped !== undefined) return stopped
      for (const row of [rows[0], rows.at(-1)])
        if (row !== undefined) this.#recordedAtMs.push(row.recordedAtMs)
      const isFull =
        left <= 0 || this.#fold.changed >= batchDocuments || performance.now() - startMs > batchMs
      if (!hasMore || isFull || signal.aborted)
        return { position: scannedTo, hasMore, error: undefined, failed: rows.find(isExact) }
      await this.#parts.host.nextTurn()
    }
  }

  get #mostEvents(): number {
    return this.#isOneByOne ? 1 : Math.ceil(this.#parts.batchEvents ?? mostBatchEvents)
  }

  #readFirst(): Promise<BriefPage> {
    return this.#read(this.#position, Math.min(pageEvents, this.#mostEvents))
  }

  #read(afterPosition: number, limit: number): Promise<BriefPage> {
    const { log, definition } = this.#parts
    const toPosition = Number.MAX_SAFE_INTEGER
    const slice = { afterPosition, toPosition, items: definition.items, limit }
    const isWholeWanted = this.#needsWhole || this.#isOneByOne || !this.#asides.isEmpty
    return isWholeWanted ? readDurably(log, slice) : this.#briefly.read(slice)
  }

  /** Folds rows, and goes on without those it may leave out; a batch that ends before the one it may not. */
  async #foldRows(rows: readonly BriefRow[]): Promise<Batch | undefined> {
    const { definition, models } = this.#parts
    const from = { subscription: definition.subscription, position: this.#stored(this.#position) }
    if (!rows.every(isExact)) {
      const { error, gaps } = await this.#fold.fold(rows, models, from)
      if (gaps.isMet || error !== undefined) throw new WholeNeeded()
      return undefined
    }
    for (let rest: readonly EventRow[] = rows; ; ) {
      const wanted = await this.#asides.wanted(rest)
      const { folded, error } = await this.#fold.fold(wanted, models, from)
      const failed = error === undefined ? undefined : wanted[folded]
      if (failed === undefined) return undefined
      if (!this.#asides.isTolerated(error))
        return { position: failed.position - 1, hasMore: false, error, failed }
      this.#asides.fail(failed, error)
      rest = rest.filter(({ position }) => position > failed.position)
    }
  }

  /** Writes what was folded; false when somebody else moved the checkpoint meanwhile, or it must be folded again. */
  async #write(batch: Batch): Promise<boolean> {
    const { position } = batch
    if (position === this.#position) return true
    const changes = await this.#takeChanges(batch)
    if (changes === undefined) return false
    const isWritten = await this.#change({ ...this.#moveTo(position), ...changes })
    if (isWritten) await this.#wrote(position)
    else {
      this.#forget()
      await this.#held?.confirm()
    }
    return isWritten
  }

  /** Undefined when documents cannot be stored: then it is folded again, one event at a time, to find out of which. */
  async #takeChanges({ failed }: Batch): Promise<ReturnType<DocumentFold['takeChanges']> | undefined> {
    try {
      return this.#fold.takeChanges()
    } catch (error) {
      if (this.#held === undefined) throw error
      this.#forget()
      if (!this.#isOneByOne) this.#isOneByOne = true
      else if (failed !== undefined && this.#asides.isTolerated(error))
        this.#asides.refuse(failed.position, error)
      else {
        await this.#noteStop(failed, error)
        throw error
      }
      return undefined
    }
  }

  #moveTo(position: number): Omit<ReadModelChange, 'upserts' | 'deletes'> {
    return {
      shape: this.definition.shape,
      subscription: this.definition.subscription,
      fromPosition: this.#stored(this.#position),
      checkpoint: this.#checkpointAt(this.#stored(position)),
      lease: this.#held?.lease,
    }
  }

  async #change(change: ReadModelChange): Promise<boolean> {
    const { models, following, host } = this.#parts
    if (this.#asides.pending.length === 0) return models.change(change)
    const nowMs = host.now()
    return following.transaction(async (transaction) => {
      const isChanged = await transaction.change(change)
      if (isChanged) await this.#asides.put(transaction, nowMs)
      return isChanged
    })
  }

  async #wrote(position: number): Promise<void> {
    this.#position = position
    this.#asides.written(position)
    this.#isOneByOne = false
    const nowMs = this.#parts.host.now()
    for (const recordedAtMs of this.#recordedAtMs) this.#parts.onDone(Math.max(0, nowMs - recordedAtMs))
    const stopped = this.#stoppedAt
    if (stopped === undefined || stopped.position > position) return
    this.#stoppedAt = undefined
    if (stopped.status !== 'skipped' && this.#held !== undefined)
      await this.#stops.forget(this.#held.lease, stopped.position)
  }

  async #noteStop(failed: EventRow | undefined, error: unknown): Promise<void> {
    if (failed === undefined || this.#held === undefined) return
    const { host } = this.#parts
    this.#isStopNoted = await this.#stops.note(this.#held.lease, failed, 1, error, host.now())
  }

  /** Folds events that were left out, and that a person wants after all; true when there were any. */
  async #foldDue(): Promise<boolean> {
    if (this.#held === undefined || this.definition.onFailure === 'stop') return false
    const due = await this.#asides.due(this.#parts.host.now())
    for (const event of due) {
      // What is kept in memory may be of before.
      this.#fold.clear()
      await foldAfterAll(this.#parts, this.#asides, event, this.#moveTo(this.#position))
    }
    return due.length > 0
  }

  #stored(position: number): number {
    return this.#isRetired ? retiredPosition(position) : position
  }

  // The fingerprint stays that of the code which began: documents it folded are still there.
  #checkpointAt(position: number): Checkpoint {
    const { identity, host } = this.#parts
    return { position, epoch: identity.epoch, fingerprint: this.#fingerprint, updatedAtMs: host.now() }
  }

  #forget(): void {
    this.#fold.clear()
    this.#asides.forgetPending()
    this.#position = -1
  }
}

/** Thrown where brief rows do not do; what was folded of them is forgotten. */
class WholeNeeded extends Error {}

interface Batch {
  /** Everything up to here is folded. */
  readonly position: number
  readonly hasMore: boolean
  /** Why the next event could not be folded. */
  readonly error: unknown
  /** That event; of a batch that went well its first, which is the only one where it is folded one by one. */
  readonly failed: EventRow | undefined
}
