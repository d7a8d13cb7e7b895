import type { Checkpoint } from '../core/ports/read-models.ts'
import { RowReader } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'
import { CheckpointMover } from './checkpoint-mover.ts'
import { readDurably } from './durable-page.ts'
import { FirstAttempts, type Session } from './first-attempts.ts'
import type { FollowerWork } from './follower.ts'
import type { HeldLease } from './lease-keeper.ts'
import type { PageSize } from './page-sizes.ts'
import { RetryLane } from './retry-lane.ts'
import { shardOf } from './shard.ts'
import { type ShardParts, ShardRun, Superseded } from './shard-run.ts'
import { Stops } from './stops.ts'

/** Events read at once; at most so many are put aside in one transaction. */
const pageEvents = 200
/** Fewer than this are not read, however many others read: each page takes as long as some events. */
const leastPageEvents = 20

/**
 * Runs one shard of a subscription or reaction: each event after commit, at least once, in order per stream. The main
 * lane makes the first attempt at each event; what fails is put aside, and tried again beside it.
 */
export class Subscribing implements FollowerWork {
  readonly name: string
  readonly #parts: ShardParts
  readonly #rows = new RowReader()
  readonly #stops: Stops
  readonly #onError: (error: unknown, isStopped: boolean) => void
  #session: Session | undefined
  /** How far the sessions under a lease have come: after an error the next one begins again at the stored checkpoint. */
  #handed: { readonly held: HeldLease; readonly to: number } | undefined
  #size: PageSize | undefined

  constructor(parts: ShardParts, onError: (error: unknown, isStopped: boolean) => void) {
    this.name = parts.subscription
    this.#parts = parts
    this.#stops = new Stops(parts.following, parts.subscription)
    this.#onError = onError
  }

  get parts(): ShardParts {
    return this.#parts
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#parts.models.checkpoint(this.#parts.subscription)
  }

  async begin(held: HeldLease | undefined): Promise<void> {
    const { following, subscription, definition } = this.#parts
    const checkpoint = await this.checkpoint()
    if (held === undefined || checkpoint === undefined) throw new Superseded(subscription)
    this.#size = this.#parts.pageSizes.begin()
    const { position } = checkpoint
    const run = new ShardRun(this.#parts, held, await following.now())
    await run.blocked.load(position)
    const stoppedAt = await this.#stops.beyond(position)
    const trial = held.trial !== undefined && held.trial.position > position ? held.trial : undefined
    const handedTo = this.#handed?.held === held ? this.#handed.to : 0
    const lane = new RetryLane(run, held.lost, (error) => this.#onError(error, false))
    this.#session = {
      run,
      lane,
      mover: new CheckpointMover(run, position, (dueAtMs) => lane.due(dueAtMs)),
      position,
      repeatsThrough: Math.max(trial?.position ?? 0, handedTo),
      // What was handed over under this lease did not end the process.
      fatalAttempts: held.isTakenOver && handedTo === 0 ? (trial?.attempts ?? 0) : 0,
      handedTo,
      first: undefined,
      // What was under way when the last owner died: a batch, and one that was done while its checkpoint moved.
      careful: held.isTakenOver ? 2 * definition.batch : 0,
      stoppedAt,
    }
    // Left by a follower that was told to stop, where this one is told to park.
    if (definition.onFailure !== 'stop' && stoppedAt !== undefined && stoppedAt.status !== 'skipped')
      await this.#stops.forget(held.lease, stoppedAt.position)
    // What is due is found by the lane itself, which ends when nothing is aside.
    if (definition.onFailure !== 'stop') lane.look()
  }

  /** Looks at once for what a person wants tried again. */
  wake(): void {
    if (this.#parts.definition.onFailure !== 'stop') this.#session?.lane.look()
  }

  async step(signal: AbortSignal): Promise<boolean> {
    const [session, size] = [this.#session, this.#size]
    if (session === undefined || size === undefined) throw new Superseded(this.name)
    const { definition, log, shard } = this.#parts
    // An effect cannot be taken back, so its cause must not be lost in a crash.
    const page = await readDurably(log, {
      afterPosition: session.position,
      toPosition: Number.MAX_SAFE_INTEGER,
      items: definition.items,
      // Many may stand still at a time, each of them with its page.
      limit: Math.max(size.next(pageEvents), leastPageEvents, definition.batch),
    })
    size.note(page)
    const rows = page.rows.filter(({ stream }) => shardOf(stream, definition.shards) === shard)
    const isWhole = await this.#handleRows(session, rows, AbortSignal.any([signal, session.lane.signal]))
    if (!isWhole) return true
    session.position = page.scannedTo
    await session.mover.noteScanned(page.scannedTo)
    return page.scannedTo < page.head
  }

  async end(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    this.#size?.[Symbol.dispose]()
    this.#size = undefined
    if (session === undefined) return
    this.#handed = { held: session.run.held, to: session.handedTo }
    await session.lane.stop()
    await session.mover.settle()
  }

  /** True when somebody decided about the event it has stopped at. */
  async mayResume(): Promise<boolean> {
    const stopped = await this.#stops.beyond((await this.checkpoint())?.position ?? 0)
    return stopped?.status !== 'parked'
  }

  onError(error: unknown): void {
    if (!(error instanceof Superseded)) this.#onError(error, false)
  }

  onStop(error: unknown): void {
    this.#onError(error, true)
  }

  /** Handles rows in batches; false when it was told to stop in between. */
  async #handleRows(session: Session, rows: readonly EventRow[], signal: AbortSignal): Promise<boolean> {
    const done = await this.#seen(rows)
    const attempts = new FirstAttempts(session, this.#rows, signal)
    let batch: EventRow[] = []
    session.first ??= rows[0]?.position
    for (const row of rows) {
      if (signal.aborted || session.run.held.isSurplus) return false
      const isDone = done.has(row.id) || isSkipped(session, row)
      if (!isDone && (await attempts.waits(row.stream))) await attempts.waitBehind(row)
      else if (!isDone) batch.push(row)
      const mostEvents = session.careful > 0 ? 1 : this.#parts.definition.batch
      if (batch.length < mostEvents && session.mover.pending < pageEvents && row !== rows.at(-1)) continue
      await attempts.make(batch)
      batch = []
      await session.mover.note(row.position)
      session.position = row.position
    }
    return true
  }

  /** Which of the events the inbox knows to be done. */
  async #seen(rows: readonly EventRow[]): Promise<ReadonlySet<string>> {
    const { definition, following, subscription } = this.#parts
    if (!definition.inbox || rows.length === 0) return nothing
    const ids = rows.map(({ id }) => id)
    return following.transaction((transaction) => transaction.seen(subscription, ids))
  }
}

const nothing: ReadonlySet<string> = new Set()

function isSkipped({ stoppedAt }: Session, { position }: EventRow): boolean {
  return stoppedAt?.position === position && stoppedAt.status === 'skipped'
}
