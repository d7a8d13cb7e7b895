/** T9: read models and a subscription kept by several processes, killed, and frozen for longer than their leases. */
import { KeptBook, type KeptOptions, type Kind, kinds } from './deriving/kept-book.ts'
import { Random } from './random.ts'
import { type Books, withBooks } from './stores/books.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

export const keptUnderKill: TortureTest = {
  id: 'T9',
  title: 'read models and a subscription: killed, and frozen for longer than their leases',
  stores: ['sqlite', 'postgres'],
  run: runKept,
}

interface Scale {
  readonly kills: number
  readonly killsPerBook: number
  readonly freezes: number
  readonly freezesPerBook: number
  readonly freezeMs: number
  /** Books whose owners are killed, and frozen, at the same time. */
  readonly killLanes: number
  readonly freezeLanes: number
}

const quick: Scale = {
  kills: 3,
  killsPerBook: 3,
  freezes: 4,
  freezesPerBook: 4,
  freezeMs: 0,
  killLanes: 1,
  freezeLanes: 1,
}
const full: Scale = {
  kills: 1_000,
  killsPerBook: 25,
  freezes: 200,
  freezesPerBook: 10,
  freezeMs: 30_000,
  killLanes: 2,
  freezeLanes: 10,
}
/** A lease that ends soon after its owner was killed. */
const shortLease: KeptOptions = { lease: { ttlMs: 500, renewMs: 100 }, pauseMs: 20, processes: 2 }
/** One that many processes on few cores can keep. */
const longLease: KeptOptions = { lease: { ttlMs: 3_000, renewMs: 500 }, pauseMs: 50, processes: 2 }
/** Longer than the short lease. */
const anywhereMs = 800

interface Tally {
  kills: number
  freezes: number
  stale: number
  refused: number
  repeats: number
  events: number
  books: number
}

interface Run {
  readonly options: TortureOptions
  readonly scale: Scale
  readonly books: Books
  readonly tally: Tally
  readonly failures: Failures
}

async function runKept(options: TortureOptions): Promise<TortureResult> {
  const scale = options.isQuick ? quick : full
  const failures = new Failures()
  const tally: Tally = { kills: 0, freezes: 0, stale: 0, refused: 0, repeats: 0, events: 0, books: 0 }
  const controls = await withBooks(options.store, async (books) => {
    const run: Run = { options, scale, books, tally, failures }
    if (options.isQuick) await keep(run, shortLease, killsAndFreezes)
    else {
      await inLanes(scale.killLanes, run, () => tally.kills < scale.kills, shortLease, onlyKills)
      await inLanes(scale.freezeLanes, run, () => tally.freezes < scale.freezes, longLease, onlyFreezes)
    }
    // It takes seconds, most of them for processes to start.
    return options.isQuick ? [] : [await unfenced(run)]
  })
  const { kills, freezes, stale, refused, repeats, events } = tally
  if (stale > 0 && refused < stale)
    failures.add('fencing', [`${stale} writes came late, and only ${refused} were refused by their token`])
  if (stale === 0 && !options.signal.aborted) failures.add('fencing', ['no thawed owner tried to write'])
  return {
    trials: kills + freezes,
    unit: 'kills and freezes',
    failures: failures.lines,
    controls,
    facts: {
      kills,
      freezes,
      'stale writes tried on purpose': stale,
      'refused by their token': refused,
      'effects repeated': repeats,
      events,
    },
  }
}

/** Where nothing can be killed or frozen any more, there never would be enough. */
const mostFailures = 10

type Work = (book: KeptBook, run: Run, random: Random) => Promise<void>

/** Works on one book after the other in each lane, until there was enough. */
async function inLanes(
  lanes: number,
  run: Run,
  isToGoOn: () => boolean,
  settings: KeptOptions,
  work: Work,
): Promise<void> {
  const lane = async (): Promise<void> => {
    while (isToGoOn() && run.failures.lines.length < mostFailures && !run.options.signal.aborted)
      await keep(run, settings, work)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

async function keep(run: Run, settings: KeptOptions, work: Work): Promise<void> {
  const { books, tally, options, failures } = run
  const name = `book_${tally.books++}`
  const seed = `${options.seed}/T9/${name}`
  await using book = await KeptBook.open(books, name, seed, settings)
  try {
    await work(book, run, new Random(seed))
  } catch (error) {
    // What others found is not to be lost by it.
    failures.add(`seed ${seed}`, [String(error)])
  }
  failures.add(`seed ${seed}`, await book.verify())
  tally.stale += book.stale
  tally.refused += book.refused
  tally.repeats += book.repeats
  tally.events += await book.events()
}

/** Counts what was done at once: others look whether it is enough. */
async function counted(run: Run, book: KeptBook, work: () => Promise<void>): Promise<void> {
  const { tally, scale, options } = run
  const { kills, freezes } = book
  await work()
  tally.kills += book.kills - kills
  tally.freezes += book.freezes - freezes
  const wanted = scale.kills + scale.freezes
  options.progress(Math.min(tally.kills + tally.freezes, wanted), wanted)
}

const allKinds = Object.keys(kinds) as Kind[]

async function killsAndFreezes(book: KeptBook, run: Run): Promise<void> {
  for (const kind of allKinds) {
    await counted(run, book, () => book.kill())
    await counted(run, book, () => book.freezeBefore(kind, run.scale.freezeMs))
  }
  await counted(run, book, () => book.freezeAnywhere(anywhereMs))
}

async function onlyKills(book: KeptBook, run: Run): Promise<void> {
  const { scale, tally, options } = run
  while (book.kills < scale.killsPerBook && tally.kills < scale.kills && !options.signal.aborted)
    await counted(run, book, () => book.kill())
}

async function onlyFreezes(book: KeptBook, run: Run, random: Random): Promise<void> {
  const { scale, tally, options } = run
  while (book.freezes < scale.freezesPerBook && tally.freezes < scale.freezes && !options.signal.aborted)
    await counted(run, book, () =>
      random.chance(0.7)
        ? book.freezeBefore(random.pick(allKinds), scale.freezeMs)
        : book.freezeAnywhere(scale.freezeMs),
    )
}

/** The same, where a write asks neither for the number of its lease nor where the checkpoint was. */
async function unfenced({ books, options }: Run): Promise<Control> {
  const trials = 10
  let seen = 0
  for (let trial = 0; trial < trials; trial++) {
    const name = `control_${trial}`
    const settings = { ...shortLease, isFenced: false }
    await using book = await KeptBook.open(books, name, `${options.seed}/T9/${name}`, settings)
    await book.freezeBefore('documents', 0)
    const problems = await book.verify()
    if (problems.some((problem) => /^the (document|row) of/.test(problem))) seen++
  }
  return { sabotage: 'a store that asks a writer neither for its token nor for its place', seen, trials }
}
