import type { AppendOutcome } from './append-plan.ts'
import type { AppendRequest } from './append-request.ts'
import { DaybookError } from './errors.ts'

/** Bounds of one transaction of the queue. */
export interface BatchBounds {
  /** Most events; a request of more goes alone. */
  readonly events: number
  /** Most bytes of data and metadata. */
  readonly bytes: number
}

/** What the queue needs: how to commit a batch, and how to let others run between two batches. */
export interface BatchCommit {
  /** @param next called when the next batch may be given already, though this one is not answered; see `EventLog.append` */
  commit(requests: readonly AppendRequest[], next?: () => void): Promise<readonly AppendOutcome[]>
  nextTurn(): Promise<void>
}

/**
 * So many that wait while nothing is under way come from as many callers, who would all be answered at once and come
 * back at once: work in lock step with the store, each idle while the other works. In two groups they take turns.
 */
const leastForTwo = 16

interface Waiting {
  readonly requests: readonly AppendRequest[]
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void
  readonly reject: (error: unknown) => void
}

// A fault of the store itself strikes every request alike; trying each alone would only multiply the wait. And what is in
// doubt may have been written: it is never tried again blindly.
const storeFaults = new Set([
  'STORE_BUSY',
  'STORE_FULL',
  'STORE_IO_FAILED',
  'STORE_READ_ONLY',
  'STORE_CORRUPT',
  'STORE_ACCESS_DENIED',
  'STORE_UNREACHABLE',
  'STORE_NOT_MIGRATED',
  'STORE_POOLED',
  'APPEND_IN_DOUBT',
  'BOOK_CLOSED',
])

/** True for faults that every append meets, whatever it carries. */
export function isStoreFault(error: unknown): boolean {
  return error instanceof DaybookError && storeFaults.has(error.code)
}

/**
 * Group commit: appends that arrive while a transaction is under way share the next one. Each is decided alone by
 * the plan; when a whole transaction fails because of what one request carries, each is tried alone.
 */
export class AppendQueue {
  readonly #store: BatchCommit
  readonly #bounds: BatchBounds
  #waiting: Waiting[] = []
  #isRunning = false
  /** Batches that are not answered yet. */
  #underWay = 0
  /** The store asked for another batch before it answered the last: it works on two at a time. */
  #isOverlapping = false

  constructor(store: BatchCommit, bounds: BatchBounds) {
    this.#store = store
    this.#bounds = bounds
  }

  /** Resolves once the request is durably committed, or refused; rejects when its transaction failed. */
  async append(request: AppendRequest): Promise<AppendOutcome> {
    const [outcome] = await this.appendTogether([request])
    return outcome as AppendOutcome
  }

  /** As `append`, for requests that must be decided in one transaction, in this order. */
  appendTogether(requests: readonly AppendRequest[]): Promise<readonly AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ requests, resolve, reject })
      if (this.#isRunning) return
      this.#isRunning = true
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    // The first turn gathers callers that start at the same time; later ones arrive while a batch commits.
    await this.#store.nextTurn()
    while (this.#waiting.length > 0) {
      await this.#begin(this.#takeBatch())
      await this.#store.nextTurn()
    }
    this.#isRunning = false
  }

  /** Resolves when the next batch may be given. */
  #begin(batch: readonly Waiting[]): Promise<void> {
    return new Promise((resolve) => {
      this.#underWay++
      let isOverlapping = false
      const next = (): void => {
        isOverlapping = true
        resolve()
      }
      void this.#settle(batch, next).then(() => {
        this.#isOverlapping = isOverlapping
        this.#underWay--
        resolve()
      })
    })
  }

  #takeBatch(): Waiting[] {
    let events = 0
    let bytes = 0
    let count = 0
    const isForTwo = this.#isOverlapping && this.#underWay === 0 && this.#waiting.length >= leastForTwo
    const most = isForTwo ? Math.ceil(this.#waiting.length / 2) : this.#waiting.length
    for (const { requests } of this.#waiting) {
      if (count === most) break
      for (const request of requests) {
        events += request.events.length
        bytes += request.bytes
      }
      if (count > 0 && (events > this.#bounds.events || bytes > this.#bounds.bytes)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #settle(batch: readonly Waiting[], next?: () => void): Promise<void> {
    try {
      const requests = batch.flatMap((waiting) => waiting.requests)
      const outcomes = await this.#store.commit(requests, next)
      let answered = 0
      for (const { requests, resolve } of batch) {
        resolve(outcomes.slice(answered, answered + requests.length))
        answered += requests.length
      }
    } catch (error) {
      if (batch.length === 1 || isStoreFault(error)) {
        for (const waiting of batch) waiting.reject(error)
        return
      }
      for (const waiting of batch) await this.#settle([waiting])
    }
  }
}
