/**
 * A small seeded source of pseudo-random numbers: sfc32 by Chris Doty-Humphrey (PractRand), 128 bits of state.
 * The same seed and stream give the same numbers on every machine. Not for secrets.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** `seed` and `stream` are whole numbers from 0 to 2^32 − 1; every pair gives another sequence. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0
    this.#b = stream | 0
    this.#c = 0x9e3779b9 | 0
    for (let round = 0; round < 15; round++) this.#next()
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  fraction(): number {
    return this.#next() / 0x1_0000_0000
  }

  /** A whole number from `least` to `most`, both inclusive. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1))
  }

  /** True in `share` (0 to 1) of the cases. */
  chance(share: number): boolean {
    return this.fraction() < share
  }

  /** One of `values`; throws `RangeError` when there is none. */
  pick<Value>(values: readonly Value[]): Value {
    const index = this.integer(0, values.length - 1)
    if (index < 0 || index >= values.length) throw new RangeError('Nothing to pick from.')
    return values[index] as Value
  }

  /** The same values in another order, as a new array. */
  shuffled<Value>(values: readonly Value[]): Value[] {
    const shuffled: Value[] = []
    for (const value of values) {
      const at = this.integer(0, shuffled.length)
      shuffled.push(value)
      ;[shuffled[at], shuffled[shuffled.length - 1]] = [value, shuffled[at] as Value]
    }
    return shuffled
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }
}
