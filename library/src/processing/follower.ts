import { isDaybookError, messageOf } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { EventLog } from '../core/ports/store.ts'
import type { Claim, HeldLease, LeaseKeeper } from './lease-keeper.ts'
import { Wakeups } from './wakeups.ts'

/** Where a follower stands in this process; `standing-by` while another runs it, or nobody may. */
export type FollowerState = 'idle' | 'standing-by' | 'running' | 'waiting' | 'stopped'

/** What a follower does with the log. */
export interface FollowerWork {
  /** For people: `projection balances@2`. */
  readonly name: string
  /** Begins under a lease it has just got; undefined for work that needs none. */
  begin?(held: HeldLease | undefined): Promise<void>
  /** Does some work; true when there may be more at once. A `FollowerStop` stops the follower, other errors are retried. */
  step(signal: AbortSignal): Promise<boolean>
  /** Longest wait for a hint before the next step, in ms; the poll's time unless given. */
  waitMs?(): number
  /** Ends what still goes on, before the lease is given back. */
  end?(): Promise<void>
  /** True when a stopped one should go on: somebody decided about what stopped it. */
  mayResume?(): Promise<boolean>
  /** Told of every error that is retried. */
  onError(error: unknown, attempt: number): void
  /** Told of the error that stops it. */
  onStop(error: unknown): void
}

/** Thrown by a step that cannot go on by trying again. */
export class FollowerStop extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause })
    this.name = 'FollowerStop'
  }
}

/** The lease a follower runs under. */
export interface FollowerLease {
  readonly keeper: LeaseKeeper
  readonly claim: Claim
}

/** Longest wait between two tries of a failing step. */
const longestRetryMs = 10_000
/** How often a stopped follower looks whether somebody decided about what stopped it. */
const stoppedLookMs = 1_000

/**
 * The one engine of everything that follows the log: stands by until it holds its lease, works while there is something
 * to do, sleeps until a hint or the poll behind it, retries what fails with growing waits, and stops where trying again
 * cannot help. A stopped one keeps its lease: what it cannot do, another process could not either.
 */
export class Follower {
  readonly #work: FollowerWork
  readonly #log: EventLog
  readonly #host: Host
  readonly #lease: FollowerLease | undefined
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #wakeups: Wakeups | undefined
  #state: FollowerState = 'idle'
  #error: unknown

  constructor(work: FollowerWork, log: EventLog, host: Host, lease?: FollowerLease) {
    this.#work = work
    this.#log = log
    this.#host = host
    this.#lease = lease
  }

  get state(): FollowerState {
    return this.#state
  }

  /** What stopped it, or the last error while it is being retried. */
  get error(): unknown {
    return this.#error
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Looks at the log at once instead of at the next hint. */
  wake(): void {
    this.#wakeups?.wake()
  }

  /** Ends after the step under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    using wakeups = new Wakeups(this.#log, this.#host)
    this.#wakeups = wakeups
    while (!signal.aborted) {
      if (this.#lease === undefined) {
        await this.#follow(undefined, wakeups)
        continue
      }
      this.#state = 'standing-by'
      const { keeper, claim } = this.#lease
      const held = await keeper.acquire(claim, signal)
      if (held === undefined) break
      await this.#follow(held, wakeups)
      await keeper.release(held)
    }
    this.#state = 'idle'
  }

  /** Steps until it is to end, or the lease is lost or another's. */
  async #follow(held: HeldLease | undefined, wakeups: Wakeups): Promise<void> {
    const signal = held === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, held.lost])
    let hasBegun = false
    for (let failures = 0; !signal.aborted && held?.isSurplus !== true; ) {
      try {
        this.#state = 'running'
        if (!hasBegun) await this.#work.begin?.(held)
        hasBegun = true
        const hasMore = await this.#work.step(signal)
        failures = 0
        this.#error = undefined
        await this.#host.nextTurn()
        if (hasMore) continue
        this.#state = 'waiting'
        await wakeups.next(signal, this.#work.waitMs?.())
      } catch (error) {
        // What is kept in memory may be ahead of what is stored.
        hasBegun = false
        await this.#work.end?.().catch(() => undefined)
        if (signal.aborted || isDaybookError(error, 'BOOK_CLOSED')) break
        this.#error = error instanceof FollowerStop ? error.cause : error
        if (error instanceof FollowerStop) await this.#stayStopped(signal)
        else {
          failures++
          this.#work.onError(error, failures)
          await this.#host.sleep(Math.min(longestRetryMs, 10 * 2 ** failures), signal).catch(() => undefined)
        }
      }
    }
    await this.#work.end?.().catch(() => undefined)
  }

  async #stayStopped(signal: AbortSignal): Promise<void> {
    this.#state = 'stopped'
    this.#work.onStop(this.#error)
    while (!signal.aborted) {
      await this.#host.sleep(stoppedLookMs, signal).catch(() => undefined)
      // A look that fails is no answer: the next one may be.
      if (!signal.aborted && (await this.#work.mayResume?.().catch(() => false))) return
    }
  }
}
