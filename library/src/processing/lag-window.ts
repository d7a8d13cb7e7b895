/** How far apart recording an event and having handled it were, over the last minute. */
export interface LagQuantiles {
  /** Half of the events took no longer, in ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** How many were measured; where very many are folded at once, some of them. */
  readonly events: number
}

const sliceMs = 10_000
const slices = 6
/** Eight buckets for each doubling: a quantile is at most 9 % too high. */
const bucketsPerDoubling = 8
const buckets = 256

interface Slice {
  readonly number: number
  readonly counts: Uint32Array
}

/** Lags of the last minute in buckets that grow: memory and work stay the same however many there are. */
export class LagWindow {
  readonly #now: () => number
  #slices: Slice[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  record(lagMs: number): void {
    const bucket = Math.ceil(Math.log2(Math.max(0, lagMs) + 1) * bucketsPerDoubling)
    const { counts } = this.#slice()
    const index = Math.min(buckets - 1, bucket)
    counts[index] = (counts[index] ?? 0) + 1
  }

  /** Undefined when nothing was measured in the last minute. */
  quantiles(): LagQuantiles | undefined {
    this.#slice()
    const sums = new Float64Array(buckets)
    let events = 0
    for (const { counts } of this.#slices) {
      for (const [index, count] of counts.entries()) {
        sums[index] = (sums[index] ?? 0) + count
        events += count
      }
    }
    if (events === 0) return undefined
    return { p50Ms: quantile(sums, events * 0.5), p99Ms: quantile(sums, events * 0.99), events }
  }

  /** The slice of now; those that are too old are dropped, and so are those of a clock that was put back. */
  #slice(): Slice {
    const number = Math.floor(this.#now() / sliceMs)
    const last = this.#slices.at(-1)
    if (last?.number === number) return last
    this.#slices = this.#slices.filter((slice) => slice.number > number - slices && slice.number < number)
    const slice = { number, counts: new Uint32Array(buckets) }
    this.#slices.push(slice)
    return slice
  }
}

function quantile(sums: Float64Array, rank: number): number {
  let passed = 0
  const index = sums.findIndex((count) => {
    passed += count
    return passed >= rank
  })
  return Math.floor(2 ** (index / bucketsPerDoubling) - 1)
}
