/** What a rebuild is doing. */
export type RebuildState =
  /** Folds events into the new copy. */
  | 'filling'
  /** Builds the indexes of the copy that is filled. */
  | 'indexing'
  /** Another process fills the copy. */
  | 'standing-by'
  /** Nobody may fill it: see `pause`. */
  | 'paused'
  /** At the head, and kept there until it is told to serve. */
  | 'filled'

/** How far a rebuild has come. */
export interface RebuildProgress {
  readonly projection: string
  readonly version: number
  /** Which filling of this version: 1 is the first. */
  readonly generation: number
  readonly state: RebuildState
  /** Everything up to here is folded. */
  readonly position: number
  /** The last position of the log. */
  readonly head: number
  /** Events of the log looked at per second, lately; 0 before the first batch. */
  readonly eventsPerSecond: number
  /** At this rate, in seconds; undefined while nothing moves. */
  readonly secondsLeft: number | undefined
}

/** The rate is that of so many ms. */
const windowMs = 5_000

/** Measures how fast a position moves. */
export class Rate {
  #points: { readonly atMs: number; readonly position: number }[] = []

  note(position: number, atMs: number): void {
    const [last] = this.#points.slice(-1)
    // A copy that begins anew has no rate yet.
    if (last !== undefined && position < last.position) this.#points = []
    this.#points.push({ atMs, position })
    const oldest = this.#points.findLastIndex((point) => point.atMs <= atMs - windowMs)
    if (oldest > 0) this.#points.splice(0, oldest)
  }

  /** Positions per second, 0 when it is not known. */
  get perSecond(): number {
    const [first, last] = [this.#points[0], this.#points.at(-1)]
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0
    return Math.round(((last.position - first.position) * 1_000) / (last.atMs - first.atMs))
  }
}

/** Seconds until a position is the head, at a rate. */
export function secondsLeft(position: number, head: number, perSecond: number): number | undefined {
  if (position >= head) return 0
  return perSecond > 0 ? Math.ceil((head - position) / perSecond) : undefined
}
