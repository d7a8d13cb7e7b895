import { isDaybookError } from '../core/errors.ts'
import type { FollowingStore, FollowingTransaction, ParkedEvent } from '../core/ports/following.ts'
import type { EventRow } from '../core/row-hash.ts'
import type { FailurePolicy } from '../core/subscription.ts'
import { blockingStatuses, errorText, firstOf, type PutAside, putAside } from './aside.ts'
import { BlockedStreams } from './blocked-streams.ts'

/** Where a projection keeps what it leaves out. */
export interface ProjectionAsidesParts {
  readonly following: FollowingStore
  readonly subscription: string
  readonly policy: FailurePolicy
  readonly onParked: (event: EventRow, error: unknown) => void
}

/** How often to look for events that a person wants folded after all. */
const lookMs = 1_000

/**
 * The events that a projection leaves out, where it is told to go on without those its fold throws on. A fold is pure, so
 * one that throws is not tried again by itself: it is parked at once, and a person decides.
 */
export class ProjectionAsides {
  readonly #parts: ProjectionAsidesParts
  readonly #blocked: BlockedStreams
  /** Positions that a person said are not to be folded. */
  readonly #skipped = new Set<number>()
  /** Events whose documents could not be stored, which shows only when they are written. */
  readonly #refused = new Map<number, unknown>()
  #pending: PutAside[] = []
  #hasEvents = false
  #lookedAtMs = 0

  constructor(parts: ProjectionAsidesParts) {
    this.#parts = parts
    const { following, subscription, policy } = parts
    this.#blocked = new BlockedStreams(following, subscription, blockingStatuses(policy))
  }

  /** What was put aside with the last move, and is not written yet. */
  get pending(): readonly PutAside[] {
    return this.#pending
  }

  /** Reads what there is, as a run begins. */
  async load(checkpoint: number): Promise<void> {
    const { following, subscription, policy } = this.#parts
    this.#skipped.clear()
    this.#refused.clear()
    this.#pending = []
    for (let afterPosition = checkpoint; ; ) {
      const filter = { subscription, statuses: ['skipped'], afterPosition, limit: 1_000 } as const
      const page = await following.parked(filter)
      for (const { position } of page) this.#skipped.add(position)
      const last = page.at(-1)
      if (last === undefined || page.length < filter.limit) break
      afterPosition = last.position
    }
    if (policy === 'stop') return
    await this.#blocked.load(checkpoint)
    const open = ['retrying', 'waiting', 'parked'] as const
    this.#hasEvents = (await following.parked({ subscription, statuses: open, limit: 1 })).length > 0
  }

  /** True when every event is to be folded, as far as is known. */
  get isEmpty(): boolean {
    const isAny = this.#hasEvents || this.#skipped.size > 0 || this.#refused.size > 0
    return !isAny && this.#pending.length === 0
  }

  /** Forgets what is not written: it is met again. */
  forgetPending(): void {
    this.#pending = []
  }

  /** The rows that are to be folded; others are skipped, or put aside. */
  async wanted(rows: readonly EventRow[]): Promise<readonly EventRow[]> {
    if (this.isEmpty) return rows
    const wanted: EventRow[] = []
    for (const row of rows) {
      if (this.#skipped.has(row.position)) continue
      if (await this.#waits(row.stream)) this.#pending.push({ event: row, failed: undefined })
      else if (this.#refused.has(row.position)) this.fail(row, this.#refused.get(row.position))
      else wanted.push(row)
    }
    return wanted
  }

  async #waits(stream: string): Promise<boolean> {
    const { policy } = this.#parts
    if (policy === 'stop') return false
    if (policy === 'park-stream' && this.#pending.some(({ event }) => event.stream === stream)) return true
    return this.#hasEvents && (await this.#blocked.has(stream))
  }

  /** True when the projection goes on without an event that failed so. */
  isTolerated(error: unknown): boolean {
    return this.#parts.policy !== 'stop' && isDaybookError(error, 'PROJECTION_FAILED')
  }

  fail(row: EventRow, error: unknown): void {
    this.#pending.push({ event: row, failed: { attempts: 1, error: errorText(error), nextAtMs: null } })
    this.#parts.onParked(row, error)
  }

  /** The documents of an event cannot be stored: when it is met again it counts as failed. */
  refuse(position: number, error: unknown): void {
    this.#refused.set(position, error)
  }

  /** Writes what is pending, in the transaction that moves the checkpoint over it. */
  async put(transaction: FollowingTransaction, nowMs: number): Promise<void> {
    const { subscription, policy } = this.#parts
    await putAside(transaction, subscription, policy, this.#pending, nowMs)
  }

  /** What was pending is written. */
  written(checkpoint: number): void {
    for (const { event } of this.#pending)
      if (this.#parts.policy === 'park-stream') this.#blocked.add(event.stream)
    this.#hasEvents ||= this.#pending.length > 0
    this.#pending = []
    for (const position of this.#refused.keys()) if (position <= checkpoint) this.#refused.delete(position)
  }

  /** The events that a person wants folded after all, if it is time to look. */
  async due(nowMs: number): Promise<readonly ParkedEvent[]> {
    if (!this.#hasEvents || nowMs - this.#lookedAtMs < lookMs) return []
    const { following, subscription } = this.#parts
    const due = await following.parked({ subscription, statuses: ['retrying'], limit: 100 })
    // More may be due at once when one of these lets its stream go on.
    if (due.length === 0) this.#lookedAtMs = nowMs
    return due
  }

  /** Has the next look made at once. */
  wake(): void {
    this.#lookedAtMs = 0
  }

  /** One of those is folded: forgets it and lets its stream go on. Returns whether the stream still waits. */
  async done(transaction: FollowingTransaction, event: ParkedEvent, nowMs: number): Promise<boolean> {
    const { subscription } = this.#parts
    await transaction.dropParked(subscription, event.position)
    const next = await firstOf(transaction, subscription, event.stream, ['waiting'])
    if (next !== undefined)
      await transaction.putParked({ ...next, status: 'retrying', nextAtMs: nowMs, changedAtMs: nowMs })
    const blockers = blockingStatuses(this.#parts.policy)
    return (await firstOf(transaction, subscription, event.stream, blockers)) !== undefined
  }

  release(stream: string): void {
    this.#blocked.delete(stream)
  }
}
