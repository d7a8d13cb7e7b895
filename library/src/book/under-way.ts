import { Mutex } from '../core/mutex.ts'

/** Counts operations under way, so that closing can wait for them. */
export class UnderWay {
  #count = 0
  #idle: (() => void) | undefined
  readonly #turns = new WeakMap<object, Mutex>()

  /**
   * As `run`, for work inside a caller's transaction: one after the other, so that none decides on what another may
   * still take back.
   */
  within<Result>(transaction: unknown, work: () => Promise<Result>): Promise<Result> {
    if (typeof transaction !== 'object' || transaction === null) return this.run(work)
    const turn = this.#turns.get(transaction) ?? new Mutex()
    this.#turns.set(transaction, turn)
    return this.run(() => turn.run(work))
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#count++
    try {
      return await work()
    } finally {
      if (--this.#count === 0) this.#idle?.()
    }
  }

  /** Resolves when nothing is under way; new work must have been stopped before. */
  settled(): Promise<void> {
    return this.#count === 0 ? Promise.resolve() : new Promise((resolve) => (this.#idle = resolve))
  }
}
