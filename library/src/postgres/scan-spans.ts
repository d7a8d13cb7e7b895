import type { QueryItem } from '../core/query.ts'

/** Most events that one statement looks through for a rare type or category: longer than that it must not take. */
const mostEvents = 250_000
/** So many pages full of rows are looked through for one, as far as is known of a filter. */
const reserve = 2
/** A range that was too narrow widens so fast. */
const growth = 4

/**
 * How many events one statement looks through. The planner may choose to look at all of a range and to sort it, which
 * takes as long as the range is wide; it does where the server has no statistics of the log yet, as after an import.
 * So a range is only as wide as the filter is rare, which shows in what was found by it before.
 */
export class ScanSpans {
  readonly #pageRows: number
  readonly #spans = new WeakMap<readonly QueryItem[], number>()

  constructor(pageRows: number) {
    this.#pageRows = pageRows
  }

  /** For a page of so many rows. What has an index of its own needs no bound: tags. */
  of(items: readonly QueryItem[] | undefined, rows: number): number {
    if (items === undefined) return rows
    if (items.every(({ tags }) => tags !== undefined && tags.length > 0)) return Number.MAX_SAFE_INTEGER
    return this.#spans.get(items) ?? this.#least
  }

  /** Notes how many rows there were among so many events. */
  note(items: readonly QueryItem[] | undefined, scanned: number, rows: number): void {
    if (items === undefined) return
    const wanted = (reserve * this.#pageRows * scanned) / Math.max(1, rows)
    const widest = Math.min(mostEvents, (this.#spans.get(items) ?? this.#least) * growth)
    this.#spans.set(items, Math.max(this.#least, Math.min(widest, Math.ceil(wanted))))
  }

  get #least(): number {
    return reserve * this.#pageRows
  }
}
