import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Figure, Setting } from './benchmark.ts'
import { check } from './self-check.ts'

/** Does a slice of work and returns its measure: a rate, or a time in ms. */
export type Side = () => Promise<number>

/**
 * So many times as many rounds, where slices differ by a tenth and more: those of many processes on few processors, and those beside a
 * slow disk. With seven of each side their medians differ as well.
 */
export const unsteadyRounds = 3

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/**
 * Measures product and baseline in turn, product first, after one round that does not count; returns the medians.
 * In turn, so that what else happens on the machine meets both alike.
 */
export async function sideBySide(
  rounds: number,
  product: Side,
  baseline?: Side,
): Promise<{ readonly value: number; readonly baseline: number | null }> {
  const values: number[] = []
  const baselines: number[] = []
  for (let round = 0; round <= rounds; round++) {
    for (const [side, measures] of [
      [product, values],
      [baseline, baselines],
    ] as const) {
      if (side === undefined) continue
      // What one side left behind is not to be cleaned up on the other's time.
      collectGarbage()
      const measure = await side()
      if (round > 0) measures.push(measure)
    }
  }
  return { value: median(values), baseline: baselines.length === 0 ? null : median(baselines) }
}

/** The figure of a measurement. */
export function figure(
  name: string,
  { store }: Setting,
  unit: Figure['unit'],
  { value, baseline }: { readonly value: number; readonly baseline: number | null },
): Figure {
  const isLessBetter = unit === 'ms' || unit === 'bytes'
  const ratio = baseline === null ? null : isLessBetter ? baseline / value : value / baseline
  return { name, store, value, unit, baseline, ratio }
}

/** Runs a step over and over by so many callers at once, each waiting for its own; returns steps per second. */
export async function stepsPerSecond(
  sliceMs: number,
  callers: number,
  step: (caller: number) => Promise<void>,
): Promise<number> {
  let steps = 0
  const startMs = performance.now()
  const endMs = startMs + sliceMs
  const call = async (caller: number): Promise<void> => {
    while (performance.now() < endMs) {
      await step(caller)
      steps++
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
  return (steps * 1_000) / (performance.now() - startMs)
}

/**
 * Starts so many steps at a steady rate, as evenly as timers allow, whether or not earlier ones are done; returns what
 * each measured. A step is told when it was due, in ms of `performance.now()`. Fails when the rate is not kept.
 */
export async function atRate(
  stepsPerSecond: number,
  steps: number,
  step: (index: number, dueMs: number) => Promise<number>,
): Promise<number[]> {
  const startMs = performance.now()
  // Numbers and nothing else: what is kept for every step is what the collector of garbage would stop the work for.
  const measures = new Float64Array(steps)
  const over = Promise.withResolvers<void>()
  let begun = 0
  let ended = 0
  const measure = async (index: number): Promise<void> => {
    measures[index] = await step(index, startMs + (index * 1_000) / stepsPerSecond)
    ended++
    if (ended === steps) over.resolve()
  }
  while (begun < steps) {
    const due = Math.min(steps, Math.floor(((performance.now() - startMs) * stepsPerSecond) / 1_000))
    while (begun < due) measure(begun++).catch(over.reject)
    await sleep(1)
  }
  const tookMs = performance.now() - startMs
  await over.promise
  check(tookMs < (steps * 1_100) / stepsPerSecond, `${steps} steps took ${Math.round(tookMs)} ms to offer`)
  return [...measures]
}

/** How many of so many per second some work does. */
export async function perSecond(amount: number, work: () => Promise<void>): Promise<number> {
  return (amount * 1_000) / (await timeMs(work))
}

/** How long some work takes, in ms. */
export async function timeMs(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The smallest value that so large a part of the values does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}
