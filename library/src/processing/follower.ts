import { isDaybookError, messageOf } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { EventLog } from '../core/ports/store.ts'
import { Wakeups } from './wakeups.ts'

/** Where a follower stands. */
export type FollowerState = 'idle' | 'running' | 'waiting' | 'stopped'

/** What a follower does with the log. */
export interface FollowerWork {
  /** For people: `projection balances@2`. */
  readonly name: string
  /** Does some work; true when there may be more at once. A `FollowerStop` ends the follower, other errors are retried. */
  step(signal: AbortSignal): Promise<boolean>
  /** Told of every error that is retried. */
  onError(error: unknown, attempt: number): void
  /** Told of the error that ends it. */
  onStop(error: unknown): void
}

/** Thrown by a step that cannot go on by trying again. */
export class FollowerStop extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause })
    this.name = 'FollowerStop'
  }
}

/** Longest wait between two tries of a failing step. */
const longestRetryMs = 10_000

/**
 * The one engine of everything that follows the log: works while there is something to do, sleeps until a hint or
 * the poll behind it, retries what fails with growing waits, and stops where trying again cannot help.
 */
export class Follower {
  readonly #work: FollowerWork
  readonly #log: EventLog
  readonly #host: Host
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #wakeups: Wakeups | undefined
  #state: FollowerState = 'idle'
  #error: unknown

  constructor(work: FollowerWork, log: EventLog, host: Host) {
    this.#work = work
    this.#log = log
    this.#host = host
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
    for (let failures = 0; !signal.aborted; ) {
      try {
        this.#state = 'running'
        const hasMore = await this.#work.step(signal)
        failures = 0
        this.#error = undefined
        await this.#host.nextTurn()
        if (hasMore) continue
        this.#state = 'waiting'
        await wakeups.next(signal)
      } catch (error) {
        if (signal.aborted || isDaybookError(error, 'BOOK_CLOSED')) break
        this.#error = error instanceof FollowerStop ? error.cause : error
        if (error instanceof FollowerStop) {
          this.#state = 'stopped'
          this.#work.onStop(this.#error)
          return
        }
        failures++
        this.#work.onError(error, failures)
        await this.#host.sleep(Math.min(longestRetryMs, 10 * 2 ** failures), signal).catch(() => undefined)
      }
    }
    this.#state = 'idle'
  }
}
