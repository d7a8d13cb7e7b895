import { type Book, openBook } from 'daybook'
import { account, actor, movementEvent } from '../bank.ts'
import { addressOf, storeOf } from '../bank-log.ts'
import type { Benchmark } from '../benchmark.ts'
import { Counter, singly } from '../cases/appending.ts'
import { atRate, figure, median, quantile } from '../measuring.ts'
import { closeChecked } from '../self-check.ts'

const streams = 5_000

/**
 * How long a single append takes at half the highest rate that 64 callers reach, from the moment at which it was due:
 * appends arrive whether or not earlier ones were answered. Compared with nothing.
 */
export const latency: Benchmark = {
  name: 'latency-half-peak',
  stores: ['postgres'],
  async run(setting) {
    const { isQuick, rounds, sliceMs } = setting
    const address = await addressOf('latency', setting)
    const book = await openBook({ store: storeOf('postgres', address), deciders: [account] })
    const counter = new Counter()
    const slice = singly(64)(book, sliceMs, counter)
    const peaks: number[] = []
    for (let round = 0; round < 3; round++) peaks.push(await slice())
    const rate = Math.max(...peaks) / 2
    const runs: number[][] = []
    for (let round = 0; round <= rounds; round++) {
      const appends = Math.round(rate * (isQuick ? 0.3 : 2))
      const times = await atRate(rate, appends, (index, dueMs) => timed(book, index, dueMs))
      counter.events += appends
      if (round > 0) runs.push(times)
    }
    await closeChecked(book, 'postgres', address, counter.events)
    const value = (part: number): number => median(runs.map((times) => quantile(times, part)))
    return [
      figure('latency-half-peak-rate', setting, 'events/s', { value: rate, baseline: null }),
      figure('latency-half-peak-p50', setting, 'ms', { value: value(0.5), baseline: null }),
      figure('latency-half-peak-p99', setting, 'ms', { value: value(0.99), baseline: null }),
    ]
  },
}

async function timed(book: Book, index: number, dueMs: number): Promise<number> {
  await book.append(`transfer-${index % streams}`, movementEvent(index), { actor })
  return performance.now() - dueMs
}
