/** T8: a transaction left open, a writer and a follower stopped in the middle: named in time, and over as soon as it is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import { unsoundness } from './found-log.ts'
import { Random } from './random.ts'
import { stopFollower, stopWriter } from './stalls/stopped-process.ts'
import { WatchedBook } from './stalls/watched-book.ts'
import { type Books, readFoundLogAt, withBooks } from './stores/books.ts'
import { type OwnConnection, ownConnection } from './stores/own-transaction.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

export const stall: TortureTest = {
  id: 'T8',
  title: 'a transaction left open, a stopped writer, a stopped follower: named, and nothing skipped',
  stores: ['sqlite', 'postgres'],
  run: runStalls,
}

/** A stall must be named with its cause within this time, in ms. */
const mostUntilNamedMs = 5_000
/** Work must go on within this time after what held it up is gone, in ms. */
const mostUntilProgressMs = 1_000
const lanes = 4

/** What one stall came to. Infinity: it was not seen at all. */
export interface Stall {
  readonly namedMs: number
  readonly progressMs: number
  readonly problems: readonly string[]
}

type Scenario = (watched: WatchedBook, random: Random) => Promise<Stall>
const scenarios: readonly (readonly [string, Scenario])[] = [
  ['a transaction left open', leaveOpen],
  ['a stopped writer', stopWriter],
  ['a stopped follower', stopFollower],
]

async function runStalls(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? 3 : 180
  const failures = new Failures()
  const slowest = { namedMs: 0, progressMs: 0 }
  let started = 0
  let trials = 0
  let events = 0
  const control = await withBooks(options.store, async (books) => {
    const unended = neverRelease(books)
    const running = Array.from({ length: lanes }, async () => {
      while (started < wanted && !options.signal.aborted) {
        const index = started++
        const [name, scenario] = scenarios[index % scenarios.length] as (typeof scenarios)[number]
        const seed = `${options.seed}/T8/${index}`
        const { result, found } = await watch(books, `book_${index}`, (watched) =>
          scenario(watched, new Random(seed)),
        )
        failures.add(`seed ${seed}: ${name}`, [...result.problems, ...slowness(result), ...found.problems])
        slowest.namedMs = Math.max(slowest.namedMs, result.namedMs)
        slowest.progressMs = Math.max(slowest.progressMs, result.progressMs)
        events += found.events
        options.progress(++trials, wanted)
      }
    })
    await Promise.all(running)
    return unended
  })
  return {
    trials,
    unit: 'stalls',
    failures: failures.lines,
    controls: [{ sabotage: 'a transaction that nobody ends', ...control }],
    facts: {
      events,
      'slowest naming ms': Math.round(slowest.namedMs),
      'slowest progress ms': Math.round(slowest.progressMs),
    },
  }
}

function slowness({ namedMs, progressMs }: Stall): string[] {
  return [
    ...(namedMs <= mostUntilNamedMs ? [] : [`named after ${Math.round(namedMs)} ms`]),
    ...(progressMs <= mostUntilProgressMs ? [] : [`went on after ${Math.round(progressMs)} ms`]),
  ]
}

/** Runs work with a book at work; afterwards its reader must have seen everything, and the log be sound. */
async function watch<Result>(
  books: Books,
  name: string,
  work: (watched: WatchedBook) => Promise<Result>,
): Promise<{ result: Result; found: { events: number; problems: readonly string[] } }> {
  const address = books.address(name)
  const watched = await WatchedBook.open(address)
  try {
    await watched.progress(5_000)
    const result = await work(watched)
    await watched.end()
    const log = await readFoundLogAt(address)
    return {
      result,
      found: { events: log.rows.length, problems: [...watched.problems, ...unsoundness(log)] },
    }
  } finally {
    await watched.close()
  }
}

/** Begins a caller's own transaction with an append in it, and leaves it open. */
async function holdLock(watched: WatchedBook): Promise<OwnConnection> {
  const own = await ownConnection(watched.address, 'night-job')
  await own.begin()
  const data = { op: 'held', cents: 1, index: 0, of: 1 }
  await watched.book.append('account-held', { type: 'Deposited', data }, { transaction: own.transaction })
  return own
}

/** PostgreSQL tells who holds the lock; SQLite only that somebody does. */
function namesHolder(watched: WatchedBook): (problem: string) => boolean {
  if (watched.address.store === 'sqlite') return (problem) => /lock/.test(problem)
  return (problem) => problem.includes('"night-job"') && problem.includes('idle in transaction')
}

async function leaveOpen(watched: WatchedBook, random: Random): Promise<Stall> {
  const held = await holdLock(watched)
  const namedMs = await watched.namedBy(namesHolder(watched), mostUntilNamedMs * 2)
  await sleep(random.next() * 2_000)
  await held.end(random.pick(['COMMIT', 'ROLLBACK']))
  const progressMs = await watched.progress(mostUntilProgressMs * 5)
  await held.close()
  return { namedMs, progressMs, problems: [] }
}

/** The control: work that is held up must be seen to be held up. */
async function neverRelease(books: Books): Promise<{ seen: number; trials: number }> {
  const { result } = await watch(books, 'book_control', async (watched) => {
    const held = await holdLock(watched)
    const progressMs = await watched.progress(mostUntilProgressMs * 2)
    await held.end('ROLLBACK')
    await held.close()
    return slowness({ namedMs: 0, progressMs, problems: [] })
  })
  return { seen: result.length, trials: 1 }
}
