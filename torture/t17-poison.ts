/** T17: poisonous events: a handler throws, hangs, loops, ends its process. Parked once after their tries; others go on. */
import type { Deed } from './poison/errands.ts'
import { PoisonedBook, type RunnerSettings } from './poison/poisoned-book.ts'
import { type Books, withBooks } from './stores/books.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

export const poison: TortureTest = {
  id: 'T17',
  title: 'poisonous events: a handler throws, hangs, loops, ends its process; others go on',
  stores: ['sqlite', 'postgres'],
  run: runPoison,
}

const settings: RunnerSettings = {
  onFailure: 'park-stream',
  timeoutMs: 1_000,
  isPoisonous: true,
  waits: false,
}
/** What throws for the last time waits until the others are done, which takes as long as it takes. */
const patient: RunnerSettings = { ...settings, timeoutMs: 600_000, waits: true }
const streams = 6
const perStream = 10

interface Tally {
  poison: number
  deaths: number
  done: number
}

async function runPoison(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? 1 : 30
  const failures = new Failures()
  const tally: Tally = { poison: 0, deaths: 0, done: 0 }
  let round = 0
  const facts: { [name: string]: number | string } = {}
  const controls = await withBooks(options.store, async (books) => {
    while (round < wanted && !options.signal.aborted) {
      const name = `book_${round++}`
      const deeds: readonly Deed[] = ['hang', 'loop', 'exit', ...(options.isQuick ? [] : ['kill' as const])]
      const scenarios = [throwing(books, name, tally), ending(books, name, deeds, tally)]
      failures.add(`round ${round}`, (await Promise.all(scenarios)).flat())
      options.progress(round, wanted)
    }
    if (!options.isQuick && !options.signal.aborted) failures.add('slowness', await slowness(books, facts))
    // Processes take longest to start: in the small tier there are as few as can be.
    return options.isQuick ? [] : [await stopping(books)]
  })
  const { deaths, done } = tally
  return {
    trials: tally.poison,
    unit: 'poisonous events',
    failures: failures.lines,
    controls,
    facts: { rounds: round, 'processes that died of them': deaths, 'others done': done, ...facts },
  }
}

/** What throws: all others are done while it is still being tried. */
async function throwing(books: Books, name: string, tally: Tally): Promise<string[]> {
  await using book = await PoisonedBook.open(books.address(`${name}_throw`), patient)
  await book.ask(perStream, streams, ['throw'])
  book.start(1)
  const problems = await othersFirst(book)
  book.letFail()
  return [...problems, ...(await judged(book, 1, tally))]
}

/** Others that are not done, though what is poisonous is still being tried; or it was not any more. */
async function othersFirst(book: PoisonedBook): Promise<string[]> {
  const others = await book.others()
  const isDone = await book.until(() => book.isStopped || book.hasDone(others))
  if (!isDone || !book.hasDone(others)) return ['others were held up by an event that throws']
  const isTried = await book.until(async () => {
    const [event] = await book.aside()
    return event?.status === 'retrying'
  })
  return isTried ? [] : ['what throws was not being tried any more when the others were done']
}

/** What hangs, loops, and ends its process, all in one book. */
async function ending(books: Books, name: string, deeds: readonly Deed[], tally: Tally): Promise<string[]> {
  await using book = await PoisonedBook.open(books.address(`${name}_end`), settings)
  await book.ask(perStream, streams, deeds)
  book.start(2)
  return await judged(book, 1, tally)
}

async function judged(book: PoisonedBook, processes: number, tally: Tally): Promise<string[]> {
  const others = await book.others()
  const isOver = await book.until(async () => book.hasDone(others) && (await book.hasParkedAll()))
  const problems = isOver ? [] : ['not everything was done or parked']
  await book.killAll()
  problems.push(...(await book.parkedProblems()))
  tally.poison += (await book.aside()).length
  tally.deaths += book.deaths
  problems.push(...(await book.skipAll(processes)))
  tally.done += book.done.length
  return problems
}

/** The control: a follower that stops at what it cannot handle holds up the others. */
async function stopping(books: Books): Promise<Control> {
  const stops = { ...settings, onFailure: 'stop' } as const
  await using book = await PoisonedBook.open(books.address('control'), stops)
  await book.ask(perStream, streams, ['throw'])
  book.start(1)
  const seen = (await othersFirst(book)).length
  return { sabotage: "onFailure: 'stop': others wait for what throws", seen, trials: 1 }
}

const pairs = 7
const ratedStreams = 100
const ratedPerStream = 200
/** Others may be slowed by so much. */
const mostSlower = 0.05

/** How much slower others are done when a stream in fifty throws, against the same log without poison; in turns. */
async function slowness(books: Books, facts: { [name: string]: number | string }): Promise<string[]> {
  const rates: { readonly [kind in 'clean' | 'poisoned']: number[] } = { clean: [], poisoned: [] }
  for (let pair = 0; pair < pairs; pair++)
    for (const kind of pair % 2 === 0 ? (['clean', 'poisoned'] as const) : (['poisoned', 'clean'] as const)) {
      const rated = { ...settings, timeoutMs: 600_000, isPoisonous: kind === 'poisoned' }
      await using book = await PoisonedBook.open(books.address(`rate_${pair}_${kind}`), rated)
      await book.ask(ratedPerStream, ratedStreams, ['throw', 'throw'])
      const others = new Set(await book.others())
      book.start(1)
      await book.until(() => book.done.length >= others.size && book.hasDone([...others]))
      const times = book.done.flatMap(({ position, at }) => (others.has(position) ? [at] : []))
      const seconds =
        times.reduce((most, at) => Math.max(most, at), 0) - times.reduce((least, at) => Math.min(least, at))
      rates[kind].push((others.size * 1e9) / seconds)
    }
  const slower = 1 - median(rates.poisoned) / median(rates.clean)
  facts['others done per second'] = Math.round(median(rates.clean))
  facts['slowed by what throws'] = `${(slower * 100).toFixed(1)} %`
  return slower <= mostSlower ? [] : [`others are slowed by ${(slower * 100).toFixed(1)} %`]
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}
