/** T14: a network that delays, resets, swallows, holds and drips, above all while a COMMIT or its answer is on the way. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { account, balances, referenceBalances, totals } from './accounts.ts'
import { type FoundLog, unsoundness } from './found-log.ts'
import { Callers } from './network/callers.ts'
import { faults, type Moment, Network } from './network/proxy.ts'
import { Random } from './random.ts'
import { type Books, readFoundLogAt, withBooks } from './stores/books.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

export const network: TortureTest = {
  id: 'T14',
  title: 'a bad network: every doubtful append is resolved by its key, nothing hangs, all recovers',
  stores: ['postgres'],
  run: runNetwork,
}

/** The time-out that the store is opened with. */
const timeoutMs = 1_000
/**
 * How long to wait for an answer that never comes: the store itself waits a second longer than the server would. A
 * command loads its stream, reads its key and appends: each may wait in vain, and once more on a new connection. Before
 * that it waits for the command ahead of it on the same stream, which does the same.
 */
const mostMs = 12 * (timeoutMs + 1_000)
const lanes = 6
/** Trials of the control, should none before have met an append. */
const most = 10
/** In the quick tier, which runs beside other tests: whether anything hangs at all; how long it takes is for the full one. */
const patientlyMs = 5 * mostMs
/** A time-out that came to nothing keeps no process running. */
const unwaited = { ref: false }

async function runNetwork(options: TortureOptions): Promise<TortureResult> {
  const [wanted, perBook] = options.isQuick ? [12, 2] : [1_000, 25]
  const failures = new Failures()
  const tally = new Tally()
  let begun = 0
  let books = 0
  const control = await withBooks('postgres', async (on) => {
    const blind = repeatBlindly(on, `${options.seed}/T14/control`, options.isQuick ? 1 : 10)
    const running = Array.from({ length: lanes }, async () => {
      while (begun < wanted && !options.signal.aborted) {
        const trials = Math.min(perBook, wanted - begun)
        begun += trials
        const seed = `${options.seed}/T14/${books++}`
        const mostWaitMs = options.isQuick ? patientlyMs : mostMs
        failures.add(`seed ${seed}`, await suffer(on, seed, trials, tally, mostWaitMs))
        options.progress(tally.trials, wanted)
      }
    })
    await Promise.all(running)
    return blind
  })
  return {
    trials: tally.trials,
    unit: 'faults',
    failures: failures.lines,
    controls: [{ sabotage: 'callers that repeat without a key', ...control }],
    facts: tally.facts(),
  }
}

class Tally {
  trials = 0
  events = 0
  acknowledged = 0
  readonly slowestMs = { append: 0, command: 0 }
  slowestRecoveryMs = 0
  readonly told = new Map<string, number>()

  add(callers: Callers, found: FoundLog): void {
    this.events += found.rows.length
    this.acknowledged += callers.acknowledged
    for (const kind of ['append', 'command'] as const)
      this.slowestMs[kind] = Math.max(this.slowestMs[kind], callers.slowestMs[kind])
    for (const [code, times] of callers.told) this.told.set(code, (this.told.get(code) ?? 0) + times)
  }

  facts(): { readonly [name: string]: number } {
    const { events, acknowledged } = this
    return {
      events,
      acknowledged,
      'slowest append ms': Math.round(this.slowestMs.append),
      'slowest command ms': Math.round(this.slowestMs.command),
      'slowest recovery ms': Math.round(this.slowestRecoveryMs),
      ...Object.fromEntries(this.told),
    }
  }
}

interface Behind {
  readonly network: Network
  readonly book: Book
  /** The same book, opened around the network. */
  readonly beside: Book
  readonly found: () => Promise<FoundLog>
}

/** Runs work with a book behind a network; the log is then read around it. */
async function behindNetwork<Result>(
  books: Books,
  seed: string,
  work: (behind: Behind) => Promise<Result>,
): Promise<Result> {
  const { server } = books
  const address = books.address(`book_${new Random(seed).integer(0, 2 ** 32 - 1)}`)
  if (server === undefined || address.store !== 'postgres') throw new Error('there is no network to a file')
  const behind = await Network.before(server)
  const url = new URL(address.url)
  url.port = String(behind.port)
  const open = (to: string, patienceMs = timeoutMs): Promise<Book> =>
    openBook({
      store: postgres(to, { schema: address.schema, migrate: true, timeoutMs: patienceMs }),
      deciders: [account],
      projections: [balances, totals],
    })
  // Making the tables is no part of the test, and may take its time on a slow machine.
  await (await open(address.url, 60_000)).close()
  const book = await open(url.href)
  const beside = await open(address.url)
  try {
    return await work({ network: behind, book, beside, found: () => readFoundLogAt(address) })
  } finally {
    await Promise.race([book.close(), sleep(mostMs, undefined, unwaited)])
    await beside.close()
    await behind.close()
  }
}

/** Strikes a book's network again and again, and returns what was then wrong. */
function suffer(
  books: Books,
  seed: string,
  trials: number,
  tally: Tally,
  mostWaitMs: number,
): Promise<string[]> {
  return behindNetwork(books, seed, async ({ network, book, beside, found }) => {
    const random = new Random(seed)
    const callers = new Callers(book, {
      seed,
      callers: random.pick([1, 4, 8]),
      beside,
      mostMs: mostWaitMs,
      isBlind: false,
    })
    const problems: string[] = []
    for (let trial = 0; trial < trials; trial++) {
      const told = await strike(network, random)
      const recoveryMs = await callers.probe()
      tally.slowestRecoveryMs = Math.max(tally.slowestRecoveryMs, recoveryMs)
      if (recoveryMs > mostWaitMs) problems.push(`${told}: appending again took ${Math.round(recoveryMs)} ms`)
      network.bury(timeoutMs * 3)
      tally.trials++
    }
    await callers.end()
    const log = await found()
    problems.push(
      ...unsoundness(log),
      ...callers.contradictions(log),
      ...(await readModelProblems(book, log)),
    )
    problems.push(...(await closingProblems(network, book)))
    tally.add(callers, log)
    return problems
  })
}

/** One fault and its end; says what it was. */
async function strike(network: Network, random: Random): Promise<string> {
  const fault = random.pick(faults)
  const moment = random.pick<Moment>(['now', 'now', 'commit', 'commit', 'committed', 'committed'])
  const isAlone = moment !== 'now' && random.chance(0.5)
  const lastsMs = random.pick([0, 50, 300, timeoutMs * 1.2, timeoutMs * 2.5]) * random.next()
  // A COMMIT may not come: the book has not recovered from the last fault, or nobody appends at the moment.
  await Promise.race([network.strike(fault, moment, isAlone), sleep(timeoutMs, undefined, unwaited)])
  await sleep(lastsMs)
  network.heal()
  return `${fault} ${moment} ${isAlone ? 'on one connection' : 'everywhere'} for ${Math.round(lastsMs)} ms`
}

async function readModelProblems(book: Book, found: FoundLog): Promise<string[]> {
  const reference = referenceBalances(found.rows)
  const problems: string[] = []
  const total = await book.read(totals).get('all')
  if (JSON.stringify(total ?? reference.totals) !== JSON.stringify(reference.totals))
    problems.push(`inline read model has ${JSON.stringify(total)}, not ${JSON.stringify(reference.totals)}`)
  for (const [stream, expected] of reference.balances) {
    const freshness = { notBefore: found.rows.length, timeoutMs: mostMs }
    const balance = await book.read(balances).get(stream, freshness)
    if (JSON.stringify(balance) !== JSON.stringify(expected))
      problems.push(`read model of ${stream} has ${JSON.stringify(balance)}, not ${JSON.stringify(expected)}`)
  }
  return problems
}

/** Closing must not wait for a server that says nothing any more. */
async function closingProblems(network: Network, book: Book): Promise<string[]> {
  await network.strike('swallow-both')
  const isClosed = await Promise.race([book.close().then(() => true), sleep(mostMs, false, unwaited)])
  return isClosed ? [] : [`the book is not closed after ${mostMs} ms`]
}

/** The answer to a COMMIT is lost, and so is everything after it until the store gives up and says so. */
function repeatBlindly(
  books: Books,
  seed: string,
  wanted: number,
): Promise<{ seen: number; trials: number }> {
  return behindNetwork(books, seed, async ({ network, book, beside, found }) => {
    const callers = new Callers(book, { seed, callers: 4, beside, mostMs, isBlind: true })
    const doubled = async (): Promise<number> =>
      callers.contradictions(await found()).filter((problem) => /has \d+ events of/.test(problem)).length
    let trials = 0
    // What commits at the moment may be a read model, and nobody then repeats anything.
    while (trials < wanted || (trials < most && (await doubled()) === 0)) {
      trials++
      await network.strike('swallow-both', 'committed')
      await sleep(timeoutMs * 3)
      network.heal()
      await callers.probe()
    }
    await callers.end()
    return { seen: Math.min(trials, await doubled()), trials }
  })
}
