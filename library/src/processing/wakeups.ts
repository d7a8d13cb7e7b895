import type { Host } from '../core/ports/host.ts'
import type { EventLog } from '../core/ports/store.ts'

/** How long to sleep when no hint comes: hints may be lost, events may not. */
const pollMs = 1_000

/** Waits until there may be more in the log: a hint from the store, or a slow poll behind it. */
export class Wakeups implements Disposable {
  readonly #host: Host
  readonly #stopListening: () => void
  #isHinted = false
  #wake: (() => void) | undefined

  constructor(log: EventLog, host: Host) {
    this.#host = host
    this.#stopListening = log.onAppended(() => this.wake())
  }

  /** Ends the present or the next wait at once. */
  wake(): void {
    this.#isHinted = true
    this.#wake?.()
  }

  /** Resolves after a hint, the poll's time or `mostMs`: false; true when the signal was aborted. */
  async next(signal?: AbortSignal, mostMs: number = pollMs): Promise<boolean> {
    if (signal?.aborted) return true
    if (!this.#isHinted) {
      const done = new AbortController()
      const onAbort = (): void => done.abort()
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#wake = onAbort
      await this.#host.sleep(Math.min(pollMs, mostMs), done.signal).catch(() => undefined)
      this.#wake = undefined
      signal?.removeEventListener('abort', onAbort)
    }
    this.#isHinted = false
    return signal?.aborted ?? false
  }

  [Symbol.dispose](): void {
    this.#stopListening()
  }
}
