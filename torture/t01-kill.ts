/** T1: kill -9 at random moments: writers, a follower, the database; then the book is held to the ledger. */
import { BookUnderKill, type Sabotage } from './killing/book-under-kill.ts'
import { type Books, withBooks } from './stores/books.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

const killsPerBook = 30
/** A database that was killed takes half a second to come back. */
const quickKills = { sqlite: 12, postgres: 8 } as const

export const kill: TortureTest = {
  id: 'T1',
  title: 'kill -9 at random moments: one to three writers, a follower, the database',
  stores: ['sqlite', 'postgres'],
  run: runKills,
}

interface Tally {
  kills: number
  /** Of them, kills of a database: one of its processes, or all. */
  databaseKills: number
  /** Operations refused because the database was away. */
  refused: number
  events: number
  acknowledged: number
  books: number
}

async function runKills(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? quickKills[options.store] : 1_000
  const failures = new Failures()
  const tally: Tally = { kills: 0, databaseKills: 0, refused: 0, events: 0, acknowledged: 0, books: 0 }
  const controls: Control[] = []
  // Two books at a time, each in a place of its own: the kills of one fall into the recovery of the other.
  const lanes = [0, 1].map((lane) =>
    withBooks(options.store, async (books) => {
      while (tally.kills < wanted && !options.signal.aborted) {
        const seed = `${options.seed}/T1/${lane}/${tally.books++}`
        await killOneBook(books, seed, wanted, { options, tally, failures })
      }
      if (lane === 0) controls.push(...(await controlKills(books, options)))
    }),
  )
  await Promise.all(lanes)
  const { kills, databaseKills, refused, events, acknowledged, books } = tally
  const onDatabase = options.store === 'postgres' ? { 'of the database': databaseKills, refused } : {}
  return {
    trials: kills,
    unit: 'kills',
    failures: failures.lines,
    controls,
    facts: { ...onDatabase, events, acknowledged, books },
  }
}

async function killOneBook(
  books: Books,
  seed: string,
  wanted: number,
  { options, tally, failures }: { options: TortureOptions; tally: Tally; failures: Failures },
): Promise<void> {
  const book = new BookUnderKill(books, `book_${tally.books}`, seed)
  while (book.kills < killsPerBook && tally.kills < wanted && !options.signal.aborted) {
    const { kills, databaseKills } = book
    failures.add(`seed ${seed} kill ${kills}`, await book.round())
    tally.kills += book.kills - kills
    tally.databaseKills += book.databaseKills - databaseKills
    options.progress(Math.min(tally.kills, wanted), wanted)
  }
  tally.refused += book.refused
  tally.events += book.events
  tally.acknowledged += book.acknowledged
}

const sabotages: { readonly [sabotage in Sabotage]: string } = {
  early: 'acknowledge before commit',
  unflushed: "flush: 'never', and the database killed",
}

async function controlKills(books: Books, options: TortureOptions): Promise<Control[]> {
  const trials = options.isQuick ? 2 : 10
  const controls: Control[] = []
  const wanted: readonly Sabotage[] = books.server === undefined ? ['early'] : ['early', 'unflushed']
  for (const sabotage of wanted) {
    const book = new BookUnderKill(books, `control_${sabotage}`, `${options.seed}/T1/${sabotage}`, sabotage)
    let seen = 0
    for (let round = 0; round < trials; round++)
      if ((await book.round()).some((problem) => problem.includes('lost'))) seen++
    controls.push({ sabotage: sabotages[sabotage], seen, trials })
  }
  return controls
}
