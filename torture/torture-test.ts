/** What a test of the scoreboard is: it counts trials and names failures, and shows by a control that it can see. */
import type { StoreName } from './stores/address.ts'

export interface TortureOptions {
  /** What keeps the books. */
  readonly store: StoreName
  /** Replays the same choices; what threads and processes do in between is not replayed. */
  readonly seed: number
  /** The small tier that runs in `npm test`. */
  readonly isQuick: boolean
  /** Tells how far it has come. */
  readonly progress: (done: number, total: number) => void
  /** Aborted when the person at the keyboard has had enough: the test then reports what it has. */
  readonly signal: AbortSignal
}

/** A sabotaged run of the same test: what it found wrong, which must not be nothing. */
export interface Control {
  readonly sabotage: string
  /** Trials in which the fault was seen. */
  readonly seen: number
  readonly trials: number
}

export interface TortureResult {
  readonly trials: number
  /** What one trial is: `kills`, `images`. */
  readonly unit: string
  /** One line each; empty when all went well. */
  readonly failures: readonly string[]
  readonly controls: readonly Control[]
  /** Counts worth knowing: events appended, faults injected. */
  readonly facts: { readonly [name: string]: number | string }
  /** Why the test cannot be run on this machine; there are no trials then. */
  readonly skipped?: string
}

export interface TortureTest {
  /** `T1`, as in the scoreboard. */
  readonly id: string
  readonly title: string
  /** The stores it can be run on. */
  readonly stores: readonly StoreName[]
  readonly run: (options: TortureOptions) => Promise<TortureResult>
}

/** True when nothing failed and every control was caught, or when it could not be run at all. */
export function isGood(result: TortureResult): boolean {
  if (result.skipped !== undefined) return true
  return (
    result.trials > 0 && result.failures.length === 0 && result.controls.every((control) => control.seen > 0)
  )
}

/**
 * The upper bound, with 95 % confidence, of the rate of failure after none in so many trials: 3 / N, the rule of
 * three (Hanley and Lippman-Hand 1983).
 */
export function boundOf(result: TortureResult): number | undefined {
  return result.failures.length === 0 && result.trials > 0 ? 3 / result.trials : undefined
}

/** Collects failures, and no more of them than anybody reads. */
export class Failures {
  readonly lines: string[] = []

  add(where: string, problems: readonly string[]): void {
    for (const problem of problems.slice(0, 5)) {
      if (this.lines.length < 50) this.lines.push(`${where}: ${problem}`)
    }
  }
}

/** Options for the quick tier, as the tests of `npm test` run it. */
export function quickOptions(seed: number, store: StoreName = 'sqlite'): TortureOptions {
  return { store, seed, isQuick: true, progress: () => undefined, signal: new AbortController().signal }
}
