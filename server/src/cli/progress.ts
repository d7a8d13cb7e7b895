import { type Shell, written } from './shell.ts'
import { countText, durationText } from './text.ts'

const redrawMs = 100
/** Work shorter than this is not worth a line. */
const quietMs = 500

/** One line on a terminal's standard error that tells how far long work is; elsewhere nothing. */
export class Progress implements AsyncDisposable {
  readonly #shell: Shell
  readonly #what: string
  readonly #startMs = performance.now()
  #drawnMs = this.#startMs + quietMs - redrawMs
  #isDrawn = false

  /** @param what `verifying`: what is done, before the numbers. */
  constructor(shell: Shell, what: string) {
    this.#shell = shell
    this.#what = what
  }

  /** Tells that `done` of `all` are done; `all` undefined where it is not known. */
  at(done: number, all?: number): void {
    const elapsedMs = performance.now() - this.#startMs
    const rate = `${countText(Math.round((done / elapsedMs) * 1_000))}/s`
    const text =
      all === undefined || all === 0 || done === 0
        ? `${this.#what} ${countText(done)}, ${rate}`
        : `${this.#what} ${bar(done / all)} ${countText(done)} of ${countText(all)}, ${rate}, ${durationText((elapsedMs / done) * (all - done))} left`
    this.show(text)
  }

  /** Tells it in words of one's own, cut to the terminal. */
  show(text: string): void {
    const nowMs = performance.now()
    const { stderr } = this.#shell
    if (stderr.isTTY !== true || nowMs - this.#drawnMs < redrawMs) return
    this.#drawnMs = nowMs
    this.#isDrawn = true
    // A terminal that does not know how wide it is says 0.
    const { columns = 0 } = stderr
    const line = text.slice(0, (columns > 0 ? columns : 80) - 1)
    void written(stderr, `\r\u001b[2K${line}`).catch(() => undefined)
  }

  /** Wipes the line, for something else to be written there. */
  async wipe(): Promise<void> {
    if (this.#isDrawn) await written(this.#shell.stderr, '\r\u001b[2K').catch(() => undefined)
    this.#isDrawn = false
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.wipe()
  }
}

/** `█████░░░░░ 50 %`. */
export function bar(share: number): string {
  const cells = 20
  const full = Math.min(cells, Math.round(share * cells))
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${Math.floor(Math.min(1, share) * 100)} %`
}
