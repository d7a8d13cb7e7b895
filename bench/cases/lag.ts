import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, openBook } from 'daybook'
import { account, actor, balances, movementEvent } from '../bank.ts'
import { storeOf } from '../bank-log.ts'
import { type Benchmark, bothStores } from '../benchmark.ts'
import { figure, median, quantile } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'

const eventsPerSecond = 1_000

/**
 * From the acknowledgement of an append to an answer of the read model that contains it, asked for each event, at
 * 1,000 single appends a second. Compared with nothing: a read model polled for would lag by half the poll's time.
 */
export const lag: Benchmark = {
  name: 'lag',
  stores: bothStores,
  async run(setting) {
    const { store, folder, isQuick, rounds } = setting
    const path = join(folder, 'lag.db')
    const projection = balances(1)
    const book = await openBook({
      store: storeOf(store, path),
      deciders: [account],
      projections: [projection],
    })
    const read = book.read(projection)
    const events = isQuick ? 500 : 3_000
    const runs: number[][] = []
    for (let round = 0; round <= rounds; round++) {
      const lags = await lagsOf(book, events, round * events, (id, position) =>
        read.get(id, { notBefore: position }),
      )
      if (round > 0) runs.push(lags)
    }
    await closeChecked(book, store, path, events * (rounds + 1))
    return (
      [
        ['lag-p50', 0.5],
        ['lag-p99', 0.99],
      ] as const
    ).map(([name, part]) => {
      const value = median(runs.map((lags) => quantile(lags, part)))
      return figure(name, setting, 'ms', { value, baseline: null })
    })
  },
}

type Ask = (id: string, position: number) => Promise<unknown>

/** Appends at the given rate, as evenly as timers allow, and waits for each event to appear. */
async function lagsOf(book: Book, events: number, from: number, ask: Ask): Promise<number[]> {
  const startMs = performance.now()
  const lags: Promise<number>[] = []
  while (lags.length < events) {
    const due = Math.min(events, Math.floor(((performance.now() - startMs) * eventsPerSecond) / 1_000))
    while (lags.length < due) lags.push(lagOf(book, from + lags.length, ask))
    await sleep(1)
  }
  const tookMs = performance.now() - startMs
  check(
    tookMs < (events * 1_100) / eventsPerSecond,
    `${events} events took ${Math.round(tookMs)} ms to offer`,
  )
  return Promise.all(lags)
}

async function lagOf(book: Book, index: number, ask: Ask): Promise<number> {
  const id = String(index % 500)
  const { position } = await book.append(`account-${id}`, movementEvent(index), { actor })
  const startMs = performance.now()
  check((await ask(id, position)) !== undefined, `account ${id} is not in the read model`)
  return performance.now() - startMs
}
