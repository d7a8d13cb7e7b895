import type { WriteStream } from 'node:tty'

const numbers = new Intl.NumberFormat('en')

/** Between two lines where there is no terminal to overwrite one on. */
const plainEveryMs = 2_000
const terminalEveryMs = 100

/** Tells on standard error how far the import is: one line rewritten on a terminal, a line every two seconds elsewhere. */
export class Progress {
  readonly #total: number
  readonly #out: Pick<WriteStream, 'write' | 'isTTY'>
  readonly #startMs = performance.now()
  readonly #alreadyDone: number
  #done: number
  #lastMs = performance.now()

  constructor(total: number, alreadyDone: number, out: Pick<WriteStream, 'write' | 'isTTY'>) {
    this.#total = total
    this.#alreadyDone = alreadyDone
    this.#done = alreadyDone
    this.#out = out
  }

  get done() {
    return this.#done
  }

  add(steps: number) {
    this.#done += steps
    const nowMs = performance.now()
    if (nowMs - this.#lastMs < (this.#out.isTTY ? terminalEveryMs : plainEveryMs)) return
    this.#lastMs = nowMs
    this.#out.write(this.#out.isTTY ? `\r\u001b[K${this.line()}` : `${this.line()}\n`)
  }

  /** `12,345 of 39,333 transactions, 31 %, 6,200 a second, 4 s left` */
  line() {
    const seconds = (performance.now() - this.#startMs) / 1000
    const rate = (this.#done - this.#alreadyDone) / Math.max(seconds, 0.001)
    const percent = Math.floor((100 * this.#done) / Math.max(this.#total, 1))
    const parts = [
      `${numbers.format(this.#done)} of ${numbers.format(this.#total)} transactions`,
      `${percent} %`,
      `${numbers.format(Math.round(rate))} a second`,
    ]
    if (rate > 0 && this.#done < this.#total)
      parts.push(`${Math.ceil((this.#total - this.#done) / rate)} s left`)
    return parts.join(', ')
  }

  /** Leaves the last state standing on a line of its own. */
  end() {
    this.#out.write(this.#out.isTTY ? `\r\u001b[K${this.line()}\n` : `${this.line()}\n`)
  }
}
