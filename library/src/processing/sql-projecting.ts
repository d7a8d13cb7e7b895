import { DaybookError, type ErrorCode, isDaybookError, messageOf } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { FollowingStore, FollowingTransaction, ParkedEvent } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint, ReadModelStore } from '../core/ports/read-models.ts'
import type { BookIdentity, EventLog, LogPage } from '../core/ports/store.ts'
import type { EventRow } from '../core/row-hash.ts'
import type { SqlProjectionDefinition } from '../core/sql-projection.ts'
import { errorText } from './aside.ts'
import { readDurably } from './durable-page.ts'
import { FollowerStop, type FollowerWork } from './follower.ts'
import type { HeldLease } from './lease-keeper.ts'
import { ProjectionAsides } from './projection-asides.ts'
import { EventFailed, runTexts, SqlBatch, sqlOf } from './sql-batch.ts'
import { Stops } from './stops.ts'

/** What keeping the application's own tables up to date needs. */
export interface SqlProjectingParts {
  readonly definition: SqlProjectionDefinition
  readonly fingerprint: string
  readonly log: EventLog
  readonly models: ReadModelStore
  readonly following: FollowingStore
  readonly identity: BookIdentity
  readonly host: Host
  readonly onError: (error: unknown, isStopped: boolean) => void
  readonly onParked: (event: EventRow, error: unknown) => void
  readonly onDone: (lagMs: number) => void
}

/** Events of a transaction: at most so many, and about as many as take so long, for it may keep appends waiting. */
const mostEvents = 1_000
const firstEvents = 100
const batchMs = 100

/**
 * Keeps the tables of a SQL projection up to date: runs its functions for many events in one transaction, which moves
 * the checkpoint too, under the lease. When an event is refused the transaction is taken back, what stands before the
 * event is done without it, and then it alone, so that it is certain which one it is.
 */
export class SqlProjecting implements FollowerWork {
  readonly name: string
  readonly #parts: SqlProjectingParts
  readonly #asides: ProjectionAsides
  readonly #stops: Stops
  readonly #mutex = new Mutex()
  readonly #listeners = new Set<() => void>()
  #held: HeldLease | undefined
  #size = firstEvents
  /** The event that was refused as the first of a transaction: it is tried alone. */
  #suspect = 0
  #stoppedAt: ParkedEvent | undefined
  #isStopNoted = false

  constructor(parts: SqlProjectingParts) {
    const { following, onParked, definition } = parts
    const { subscription, onFailure: policy } = definition
    this.name = `projection ${subscription}`
    this.#parts = parts
    this.#stops = new Stops(following, subscription)
    this.#asides = new ProjectionAsides({ following, subscription, policy, onParked })
  }

  get definition(): SqlProjectionDefinition {
    return this.#parts.definition
  }

  /** Makes the tables and the checkpoint, the first time; true when what is stored was made by other code. */
  async prepare(): Promise<boolean> {
    const { definition, models, log, identity, fingerprint, following } = this.#parts
    const { subscription } = definition
    // A checkpoint without a fingerprint has no tables yet.
    await models.prepareSubscription(subscription, this.#checkpointAt(0, ''))
    await following.transaction(async (transaction) => {
      const sql = sqlOf(definition, transaction)
      // Of several that open the book at once, one makes the tables.
      await transaction.readModel(subscription)
      const checkpoint = await transaction.checkpoint(subscription)
      if (checkpoint === undefined || checkpoint.fingerprint !== '') return
      await runTexts(definition, sql, definition.tables[sql.dialect] ?? [])
      await transaction.move(subscription, checkpoint.position, { ...checkpoint, fingerprint })
    }, true)
    const checkpoint = await this.checkpoint()
    const head = (await log.head()).position
    if (checkpoint.epoch !== identity.epoch || checkpoint.position > head) {
      throw new DaybookError(
        'CHECKPOINT_BEYOND_HEAD',
        `the SQL projection ${subscription} is at position ${checkpoint.position} of epoch ${checkpoint.epoch}, the log at ${head} of epoch ${identity.epoch}`,
        { subscription, checkpoint: checkpoint.position, head },
      )
    }
    return checkpoint.fingerprint !== fingerprint
  }

  /** True when the tables were made by other code; prepares nothing, so that a store for reading can be asked. */
  async isOfOtherCode(): Promise<boolean> {
    const { fingerprint } = await this.checkpoint()
    return fingerprint !== '' && fingerprint !== this.#parts.fingerprint
  }

  async checkpoint(): Promise<Checkpoint> {
    const { definition, models } = this.#parts
    return (await models.checkpoint(definition.subscription)) ?? this.#checkpointAt(0, '')
  }

  begin(held: HeldLease | undefined): Promise<void> {
    return this.#mutex.run(async () => {
      this.#held = held
      this.#isStopNoted = false
      const { position } = await this.checkpoint()
      await this.#asides.load(position)
      if (held === undefined || this.definition.onFailure !== 'stop') return
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

  /** Looks at the next step for what a person wants done after all. */
  wake(): void {
    this.#asides.wake()
  }

  /** Clears the tables, makes them anew and begins at the first event, in one transaction. */
  reset(): Promise<void> {
    return this.#mutex.run(async () => {
      const { definition, following, fingerprint } = this.#parts
      const { subscription, clear, tables } = definition
      for (let isReset = false; !isReset; ) {
        isReset = await following.transaction(async (transaction) => {
          const sql = sqlOf(definition, transaction)
          const from = (await transaction.checkpoint(subscription))?.position ?? 0
          if (!(await transaction.move(subscription, from, this.#checkpointAt(0, fingerprint)))) return false
          await runTexts(definition, sql, [...(clear[sql.dialect] ?? []), ...(tables[sql.dialect] ?? [])])
          await dropUndecided(transaction, subscription)
          return true
        }, true)
      }
      await this.#asides.load(0)
    })
  }

  /** One transaction. A step and a reset wait for each other. */
  step(signal: AbortSignal): Promise<boolean> {
    return this.#mutex.run(async () => {
      try {
        const from = await this.checkpoint()
        return (await this.#doDue()) || (await this.#batch(from, signal))
      } catch (error) {
        this.#asides.forgetPending()
        if (isDaybookError(error, 'TRANSACTION_ABORTED')) return true
        throw error
      } finally {
        for (const listener of this.#listeners) listener()
      }
    })
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

  async #batch(from: Checkpoint, signal: AbortSignal): Promise<boolean> {
    const { log, definition, host } = this.#parts
    const page = await readDurably(log, {
      afterPosition: from.position,
      toPosition: Number.MAX_SAFE_INTEGER,
      items: definition.items,
      limit: this.#size,
    })
    if (page.scannedTo === from.position) return false
    const rows = await this.#asides.wanted(page.rows)
    const startMs = performance.now()
    const written = await this.#tried(async (transaction, batch) => {
      // The checkpoint first: whoever moves it in between waits, or has this begin again.
      const checkpoint = this.#checkpointAt(page.scannedTo, from.fingerprint)
      const lease = this.#held?.lease
      if (!(await transaction.move(definition.subscription, from.position, checkpoint, lease))) return false
      for (const row of rows) {
        signal.throwIfAborted()
        await batch.add(row)
      }
      await batch.settle()
      if (this.#asides.pending.length > 0) await this.#asides.put(transaction, host.now())
      return true
    })
    if (written !== true) this.#asides.forgetPending()
    if (written === false) await this.#held?.confirm()
    if (typeof written === 'object') {
      signal.throwIfAborted()
      await this.#refused(written, page, rows)
    }
    if (written !== true) return true
    await this.#wrote(page, performance.now() - startMs)
    return page.scannedTo < page.head
  }

  /** Runs work in a transaction; what it refuses comes back, other troubles of the store come out. */
  async #tried(
    work: (transaction: FollowingTransaction, batch: SqlBatch) => Promise<boolean>,
  ): Promise<boolean | Refused> {
    const { definition, following } = this.#parts
    let blamed: EventRow | undefined
    try {
      return await following.transaction(async (transaction) => {
        blamed = undefined
        const batch = new SqlBatch(definition, sqlOf(definition, transaction))
        try {
          return await work(transaction, batch)
        } catch (error) {
          if (!(error instanceof EventFailed)) throw error
          blamed = error.row
          // As the database gave it: the store tells what is no fault of the event.
          throw error.error
        }
      })
    } catch (error) {
      if (isStoreTrouble(error)) throw error
      return { row: blamed, error }
    }
  }

  async #wrote(page: LogPage, tookMs: number): Promise<void> {
    const { host, onDone } = this.#parts
    this.#asides.written(page.scannedTo)
    // As many events as take about as long as a batch should, and not many more at once.
    const fitting = Math.floor((this.#size * batchMs) / Math.max(1, tookMs))
    this.#size = Math.max(1, Math.min(mostEvents, fitting, this.#size * 2))
    const nowMs = host.now()
    for (const row of [page.rows[0], page.rows.at(-1)])
      if (row !== undefined) onDone(Math.max(0, nowMs - row.recordedAtMs))
    const stopped = this.#stoppedAt
    if (stopped === undefined || stopped.position > page.scannedTo) return
    this.#stoppedAt = undefined
    if (stopped.status !== 'skipped' && this.#held !== undefined)
      await this.#stops.forget(this.#held.lease, stopped.position)
  }

  /** Narrows a batch that was taken back down to the event to blame; then parks it, or stops. */
  async #refused({ row: blamed, error }: Refused, page: LogPage, rows: readonly EventRow[]): Promise<void> {
    const row = blamed ?? (rows.length === 1 ? rows[0] : undefined)
    if (rows.length === 0) throw error
    // An error of the commit itself names no event: halves tell.
    if (row === undefined) this.#size = Math.max(1, Math.floor(page.rows.length / 2))
    else if (row !== rows[0]) this.#size = Math.max(1, page.rows.indexOf(row))
    else if (this.#suspect === row.position) await this.#failed(row, error)
    else {
      this.#suspect = row.position
      this.#size = 1
    }
  }

  /** The event is refused also by itself. */
  async #failed(row: EventRow, cause: unknown): Promise<void> {
    const { name, onFailure } = this.definition
    const error = failedOn(name, row, cause)
    if (onFailure !== 'stop') return this.#asides.refuse(row.position, error)
    if (this.#held !== undefined)
      this.#isStopNoted = await this.#stops.note(this.#held.lease, row, 1, error, this.#parts.host.now())
    throw new FollowerStop(error)
  }

  /** Does events that were left out, and that a person wants done after all; true when there were any. */
  async #doDue(): Promise<boolean> {
    const { host } = this.#parts
    if (this.#held === undefined || this.definition.onFailure === 'stop') return false
    const due = await this.#asides.due(host.now())
    for (const event of due) await this.#doAfterAll(event)
    return due.length > 0
  }

  async #doAfterAll(event: ParkedEvent): Promise<void> {
    const { log, following, definition, host, onParked } = this.#parts
    const { position, subscription, stream } = event
    const slice = { afterPosition: position - 1, toPosition: position, items: undefined, limit: 1 }
    const [row] = (await log.readLog(slice)).rows
    if (row === undefined) return
    const whileRetrying = async (
      transaction: FollowingTransaction,
      work: (held: ParkedEvent) => Promise<boolean>,
    ): Promise<boolean> => {
      const lease = this.#held?.lease
      if (lease === undefined || !(await transaction.holds(lease))) return true
      const [held] = await transaction.parked({ subscription, position, limit: 1 })
      return held?.status === 'retrying' ? work(held) : true
    }
    const waits = await this.#tried((transaction, batch) =>
      whileRetrying(transaction, async (held) => {
        await batch.add(row)
        await batch.settle()
        return this.#asides.done(transaction, held, host.now())
      }),
    )
    if (waits === false) this.#asides.release(stream)
    if (typeof waits !== 'object') return
    const error = failedOn(definition.name, row, waits.error)
    await following.transaction((transaction) =>
      whileRetrying(transaction, async (held) => {
        const nowMs = host.now()
        const state = { status: 'parked', attempts: held.attempts + 1, error: errorText(error) } as const
        await transaction.putParked({
          ...held,
          ...state,
          nextAtMs: null,
          failedAtMs: nowMs,
          changedAtMs: nowMs,
        })
        return true
      }),
    )
    onParked(row, error)
  }

  #checkpointAt(position: number, fingerprint: string): Checkpoint {
    const { identity, host } = this.#parts
    return { position, epoch: identity.epoch, fingerprint, updatedAtMs: host.now() }
  }
}

/** The log is read anew, and would meet these twice; what a person skipped stays so. */
async function dropUndecided(transaction: FollowingTransaction, subscription: string): Promise<void> {
  const statuses = ['retrying', 'waiting', 'parked'] as const
  for (;;) {
    const page = await transaction.parked({ subscription, statuses, limit: 1_000 })
    for (const { position } of page) await transaction.dropParked(subscription, position)
    if (page.length < 1_000) return
  }
}

/** A transaction that was taken back: because of this event, or of one that is not known. */
interface Refused {
  readonly row: EventRow | undefined
  readonly error: unknown
}

const troubles: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BOOK_CLOSED',
  'DEFINITION_INVALID',
  'STORE_ACCESS_DENIED',
  'STORE_BUSY',
  'STORE_CANCELLED',
  'STORE_CORRUPT',
  'STORE_FULL',
  'STORE_IO_FAILED',
  'STORE_POOLED',
  'STORE_READ_ONLY',
  'STORE_UNREACHABLE',
  'TRANSACTION_ABORTED',
  'UNSUPPORTED',
])

/** An error of the store rather than of an event: trying again later may help. */
function isStoreTrouble(error: unknown): boolean {
  return isDaybookError(error) && troubles.has(error.code)
}

function failedOn(name: string, { type, position }: EventRow, cause: unknown): DaybookError {
  return new DaybookError(
    'PROJECTION_FAILED',
    `SQL projection "${name}" failed on ${type} at position ${position}: ${messageOf(cause)}`,
    { projection: name, type, position },
    cause,
  )
}
