import { type Book, openBook } from 'daybook'
import { account, actor, balances, movementEvent } from '../bank.ts'
import { addressOf, storeOf } from '../bank-log.ts'
import { type Benchmark, everyStore } from '../benchmark.ts'
import { atRate, figure, median, quantile } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'

const eventsPerSecond = 1_000

/**
 * From the acknowledgement of an append to an answer of the read model that contains it, asked for each event, at
 * 1,000 single appends a second. Compared with nothing: a read model polled for would lag by half the poll's time.
 */
export const lag: Benchmark = {
  name: 'lag',
  stores: everyStore,
  async run(setting) {
    const { store, isQuick, rounds } = setting
    const address = await addressOf('lag', setting)
    const projection = balances(1)
    const book = await openBook({
      store: storeOf(store, address),
      deciders: [account],
      projections: [projection],
    })
    const read = book.read(projection)
    const events = isQuick ? 500 : 3_000
    const runs: number[][] = []
    for (let round = 0; round <= rounds; round++) {
      const ask: Ask = (id, position) => read.get(id, { notBefore: position })
      const lags = await atRate(eventsPerSecond, events, (index) => lagOf(book, round * events + index, ask))
      if (round > 0) runs.push(lags)
    }
    await closeChecked(book, store, address, events * (rounds + 1))
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

async function lagOf(book: Book, index: number, ask: Ask): Promise<number> {
  const id = String(index % 500)
  const { position } = await book.append(`account-${id}`, movementEvent(index), { actor })
  const startMs = performance.now()
  check((await ask(id, position)) !== undefined, `account ${id} is not in the read model`)
  return performance.now() - startMs
}
