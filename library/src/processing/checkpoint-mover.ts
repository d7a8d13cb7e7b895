import type { FollowingTransaction } from '../core/ports/following.ts'
import { type PutAside, putAside } from './aside.ts'
import { type ShardRun, Superseded } from './shard-run.ts'

/** Ids of done events kept for an inbox: those of so many positions before the checkpoint. */
const rememberedPositions = 100_000
/** How often old ids are forgotten: once for so many moves. */
const forgetEvery = 1_000
/** Where nothing matched, the checkpoint moves after so many events, or so long. */
const lazyEvents = 1_000
const lazyMs = 1_000

/** An event that is done, for the inbox. */
interface DoneEvent {
  readonly id: string
  readonly position: number
}

/**
 * Moves the checkpoint of a shard while the next event is being handled: one move at a time, and the next one takes all
 * that happened meanwhile. So a crash repeats no more than what was handled during one move. Events put aside are
 * written in the transaction that moves the checkpoint over them.
 */
export class CheckpointMover {
  readonly #run: ShardRun
  readonly #onDue: (dueAtMs: number) => void
  #stored: number
  #target: number
  #movedAtMs: number
  #aside: PutAside[] = []
  readonly #onAside = new Map<number, () => void>()
  #done: DoneEvent[] = []
  #dropped: number[] = []
  #flying: Promise<void> | undefined
  #flyingAside: readonly PutAside[] = []
  #failure: { readonly error: unknown } | undefined
  #moves = 0

  constructor(run: ShardRun, position: number, onDue: (dueAtMs: number) => void) {
    this.#run = run
    this.#stored = position
    this.#target = position
    this.#movedAtMs = run.nowMs()
    this.#onDue = onDue
  }

  /** True for a stream that has an event here that is not written yet. */
  isPending(stream: string): boolean {
    return [...this.#aside, ...this.#flyingAside].some(({ event }) => event.stream === stream)
  }

  get pending(): number {
    return this.#aside.length
  }

  /** Puts an event aside with the move over it. */
  aside(event: PutAside): void {
    this.#aside.push(event)
  }

  /** Resolves when the event at a position is put aside. */
  whenAside(position: number): Promise<void> {
    return new Promise((resolve) => this.#onAside.set(position, resolve))
  }

  /** An event is done: noted where there is an inbox. */
  done(id: string, position: number): void {
    if (this.#run.parts.definition.inbox) this.#done.push({ id, position })
  }

  /** Drops the record of what a stopped follower stood at, with the next move. */
  drop(position: number): void {
    this.#dropped.push(position)
  }

  /** Everything up to a position is done or aside. Resolves when no more than this one move is under way. */
  async note(position: number): Promise<void> {
    this.#target = position
    await this.#landed()
    this.#flying = this.#move().catch((error: unknown) => {
      this.#failure = { error }
    })
    if (this.#run.parts.definition.inbox) await this.#landed()
  }

  /** Looked at up to a position, where nothing was to be done: not worth a write of its own each time. */
  async noteScanned(position: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    if (position <= this.#target) return
    const isFar = position - this.#stored >= lazyEvents || this.#run.nowMs() - this.#movedAtMs >= lazyMs
    if (isFar || this.#aside.length > 0) await this.note(position)
  }

  /** Resolves when all events before a position are stored as done or aside: who takes over begins with this one. */
  async settleBefore(position: number): Promise<void> {
    await this.#landed()
    if (this.#aside.some(({ event }) => event.position < position)) this.#target = position - 1
    await this.#move()
  }

  /** Resolves when everything noted is stored. */
  async settle(): Promise<void> {
    await this.#landed()
    await this.#move()
  }

  async #landed(): Promise<void> {
    await this.#flying
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #move(): Promise<void> {
    const { parts, held } = this.#run
    const { subscription, models } = parts
    const [from, target] = [this.#stored, this.#target]
    const aside = this.#aside.filter(({ event }) => event.position <= target)
    const [done, dropped] = [this.#done, this.#dropped]
    if (target === from && aside.length === 0) return
    this.#aside = this.#aside.filter(({ event }) => event.position > target)
    this.#flyingAside = aside
    this.#done = []
    this.#dropped = []
    const checkpoint = this.#run.checkpointAt(target)
    const isPlain = aside.length === 0 && done.length === 0 && dropped.length === 0
    const isMoved = isPlain
      ? await models.moveCheckpoint(subscription, from, checkpoint, held.lease)
      : await this.#moveWith(from, target, { aside, done, dropped })
    if (!isMoved) {
      await held.confirm()
      throw new Superseded(subscription)
    }
    this.#stored = target
    this.#flyingAside = []
    for (const { event } of aside) {
      this.#onAside.get(event.position)?.()
      this.#onAside.delete(event.position)
    }
    this.#movedAtMs = this.#run.nowMs()
  }

  async #moveWith(
    from: number,
    target: number,
    {
      aside,
      done,
      dropped,
    }: {
      readonly aside: readonly PutAside[]
      readonly done: readonly DoneEvent[]
      readonly dropped: readonly number[]
    },
  ): Promise<boolean> {
    const { parts, held } = this.#run
    const { subscription, following, definition } = parts
    const nowMs = this.#run.nowMs()
    const isForgetting = definition.inbox && ++this.#moves % forgetEvery === 0
    const work = async (transaction: FollowingTransaction): Promise<number | undefined> => {
      // The lease first: it holds the checkpoint's row, so that nobody lets a stream go on in between.
      if (!(await transaction.holds(held.lease))) return undefined
      if (!(await transaction.move(subscription, from, this.#run.checkpointAt(target), held.lease)))
        return undefined
      for (const position of dropped) await transaction.dropParked(subscription, position)
      if (done.length > 0) await transaction.remember(subscription, done)
      if (isForgetting) await transaction.forgetSeen(subscription, target - rememberedPositions)
      return putAside(transaction, subscription, definition.onFailure, aside, nowMs)
    }
    const dueAtMs = await following.transaction(work, definition.inbox)
    if (dueAtMs === undefined) return false
    const blocks = ({ failed }: PutAside): boolean =>
      failed?.nextAtMs !== null || definition.onFailure !== 'park'
    for (const put of aside) if (blocks(put)) this.#run.blocked.add(put.event.stream)
    if (aside.length > 0) this.#onDue(dueAtMs)
    return true
  }
}
