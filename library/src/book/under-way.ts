/** Counts operations under way, so that closing can wait for them. */
export class UnderWay {
  #count = 0
  #idle: (() => void) | undefined

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
