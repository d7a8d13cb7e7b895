/** How far a long piece of work is, and how long it will take: one line on a terminal, that is rewritten. */
export class Progress {
  readonly #name: string
  readonly #from: number
  readonly #to: number
  readonly #startMs = performance.now()
  #toldMs = 0

  /** @param from where the work begins, when a part of it was done before */
  constructor(name: string, from: number, to: number) {
    this.#name = name
    this.#from = from
    this.#to = to
  }

  tell(done: number): void {
    const nowMs = performance.now()
    if (!process.stderr.isTTY || done <= this.#from || nowMs - this.#toldMs < 500) return
    this.#toldMs = nowMs
    const leftS = ((this.#to - done) * (nowMs - this.#startMs)) / (done - this.#from) / 1_000
    const percent = ((done * 100) / this.#to).toFixed(1)
    process.stderr.write(`\r${this.#name}: ${percent} %, ${Math.ceil(leftS)} s left   `)
  }

  end(): void {
    const rate = ((this.#to - this.#from) * 1_000) / (performance.now() - this.#startMs)
    const line = `${this.#name}: ${this.#to.toLocaleString('en')} events, ${Math.round(rate).toLocaleString('en')} a second\n`
    process.stderr.write(process.stderr.isTTY ? `\r${line}` : line)
  }
}
