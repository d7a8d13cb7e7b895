import type { Host } from '../core/ports/host.ts'
import type { PendingDocument } from '../core/process-pending.ts'
import type { Waiting } from '../core/process-stream.ts'
import type { FollowerWork } from './follower.ts'
import { retryDelayMs } from './handling.ts'
import type { ProcessRunning } from './process-running.ts'

/** An instance that is not done. */
export interface PendingInstance {
  readonly key: string
  readonly document: PendingDocument
}

/** What finding deadlines that are due needs. */
export interface DeadlineClockParts {
  readonly running: ProcessRunning
  readonly host: Host
  /** The store's clock. */
  readonly now: () => Promise<number>
  /** Instances with deadlines, that of the next one first. */
  readonly withDeadlines: (limit: number) => Promise<readonly PendingInstance[]>
  /** Instances that began at or before a time and whose alarm was not raised. */
  readonly startedBefore: (timeMs: number, limit: number) => Promise<readonly PendingInstance[]>
  readonly onOverdue: (key: string, waiting: Waiting, nowMs: number) => void
  readonly onFailed: (key: string, error: unknown) => void
  readonly onError: (error: unknown) => void
}

/** Other processes set deadlines, too. */
const lookMs = 1_000
/** Those that were forgotten are found in the read model. */
const mostSet = 10_000
const mostInstances = 200
const retry = { maxAttempts: 1_000, delayMs: 1_000, maxDelayMs: 600_000 }

/**
 * Reaches the deadlines of one process manager when they are due, by the store's clock, and raises the alarm for what is
 * pending too long. It looks into the read model of what is pending at the next deadline it knows of, else every second.
 * That it finds one twice, or an old one, does no harm: the instance itself is asked before anything is done.
 */
export class DeadlineClock implements FollowerWork {
  readonly name: string
  readonly #parts: DeadlineClockParts
  #lookedMs = 0
  /** By the host's clock. */
  #nextLookMs = 0
  /** How far the store's clock is ahead of the host's. */
  #aheadMs = 0
  /** Deadlines that were set here, by key: the read model may not have them yet. */
  readonly #set = new Map<string, number>()
  /** What could not be decided on, by key. */
  readonly #failed = new Map<string, { readonly failures: number; readonly againAtMs: number }>()

  constructor(parts: DeadlineClockParts) {
    this.name = `process ${parts.running.definition.name}-deadlines`
    this.#parts = parts
    parts.running.onDeadlineSet = (key, dueAtMs) => {
      if (this.#set.size >= mostSet) this.#set.clear()
      this.#set.set(key, Math.min(dueAtMs, this.#set.get(key) ?? dueAtMs))
      this.#lookAt(dueAtMs)
    }
  }

  begin(): Promise<void> {
    this.#nextLookMs = 0
    this.#set.clear()
    return Promise.resolve()
  }

  waitMs(): number {
    return Math.max(1, this.#nextLookMs - this.#parts.host.now())
  }

  /** Hints come with every append: they are a reason to look only when it is time, or the clock was set back. */
  async step(signal: AbortSignal): Promise<boolean> {
    const { host, now } = this.#parts
    const hostMs = host.now()
    if (hostMs < this.#nextLookMs && hostMs >= this.#lookedMs) return false
    const nowMs = await now()
    this.#aheadMs = nowMs - hostMs
    this.#lookedMs = hostMs
    this.#nextLookMs = hostMs + lookMs
    await this.#reachDue(nowMs, signal)
    await this.#alarm(nowMs)
    return host.now() >= this.#nextLookMs
  }

  onError(error: unknown): void {
    this.#parts.onError(error)
  }

  onStop(error: unknown): void {
    this.#parts.onError(error)
  }

  async #reachDue(nowMs: number, signal: AbortSignal): Promise<void> {
    // Those that fail stay at the front, and must not stand in the way of the others.
    const found = await this.#parts.withDeadlines(Math.min(10_000, mostInstances + this.#failed.size))
    const due = new Set<string>()
    for (const { key, document } of found) this.#sort(key, document.nextDueAtMs ?? Infinity, nowMs, due)
    for (const [key, dueAtMs] of this.#set) this.#sort(key, dueAtMs, nowMs, due)
    await Promise.all([...due].map((key) => this.#reachOf(key, nowMs, signal)))
  }

  /** What is due now, or when to look for it. */
  #sort(key: string, dueAtMs: number, nowMs: number, due: Set<string>): void {
    const againAtMs = Math.max(dueAtMs, this.#failed.get(key)?.againAtMs ?? 0)
    if (againAtMs <= nowMs) due.add(key)
    else this.#lookAt(againAtMs)
  }

  async #reachOf(key: string, nowMs: number, signal: AbortSignal): Promise<void> {
    this.#set.delete(key)
    try {
      await this.#parts.running.reachDue(key, signal)
      this.#failed.delete(key)
    } catch (error) {
      signal.throwIfAborted()
      const failures = (this.#failed.get(key)?.failures ?? 0) + 1
      const againAtMs = nowMs + retryDelayMs(retry, failures, this.#parts.host.random)
      this.#failed.set(key, { failures, againAtMs })
      this.#lookAt(againAtMs)
      this.#parts.onFailed(key, error)
    }
  }

  async #alarm(nowMs: number): Promise<void> {
    const { running, startedBefore, onOverdue } = this.#parts
    const limitMs = running.definition.pendingLimitMs
    if (limitMs === undefined) return
    const found = await startedBefore(nowMs - limitMs, mostInstances)
    await Promise.all(
      found.map(({ key }) => running.raiseOverdue(key, limitMs, (waiting) => onOverdue(key, waiting, nowMs))),
    )
  }

  /** @param timeMs by the store's clock */
  #lookAt(timeMs: number): void {
    this.#nextLookMs = Math.min(this.#nextLookMs, timeMs - this.#aheadMs)
  }
}
