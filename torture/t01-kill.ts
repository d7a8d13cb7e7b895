/** T1: kill -9 at random moments, writers alone and together; then the file is held to the ledger. */
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, balances, referenceBalances, totals } from './accounts.ts'
import { Child } from './child.ts'
import { type FoundLog, readFoundLog, unsoundness } from './found-log.ts'
import { Ledger } from './ledger.ts'
import { operationOf } from './operations.ts'
import type { KillWriterConfig } from './processes/kill-writer.ts'
import { Random } from './random.ts'
import { withScratch } from './scratch.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

const killsPerFile = 30

export const kill: TortureTest = {
  id: 'T1',
  title: 'kill -9 at random moments, one to three writers on one file',
  run: runKills,
}

async function runKills(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? 50 : 1_000
  const failures = new Failures()
  const tally = { kills: 0, events: 0, acknowledged: 0, files: 0 }
  // Two files at a time: the kills of one fall into the recovery of the other.
  const lanes = [0, 1].map(async (lane) => {
    while (tally.kills < wanted && !options.signal.aborted) {
      const seed = `${options.seed}/T1/${lane}/${tally.files++}`
      const most = Math.min(killsPerFile, wanted - tally.kills)
      await withScratch('disk', async (folder) => {
        const file = new FileUnderKill(join(folder, 'book.db'), seed, 'after')
        while (file.kills < most && !options.signal.aborted) {
          const before = file.kills
          failures.add(`seed ${seed} kill ${before}`, await file.round())
          tally.kills += file.kills - before
          options.progress(Math.min(tally.kills, wanted), wanted)
        }
        tally.events += file.events
        tally.acknowledged += file.acknowledged
      })
    }
  })
  await Promise.all(lanes)
  return {
    trials: tally.kills,
    unit: 'kills',
    failures: failures.lines,
    controls: [{ sabotage: 'acknowledge before commit', ...(await controlKills(options)) }],
    facts: { events: tally.events, acknowledged: tally.acknowledged, files: tally.files },
  }
}

async function controlKills(options: TortureOptions): Promise<{ seen: number; trials: number }> {
  const trials = options.isQuick ? 3 : 10
  return withScratch('disk', async (folder) => {
    const file = new FileUnderKill(join(folder, 'book.db'), `${options.seed}/T1/control`, 'before')
    let seen = 0
    for (let round = 0; round < trials; round++)
      if ((await file.round()).some((problem) => problem.includes('lost'))) seen++
    return { seen, trials }
  })
}

/** One file, written and killed round after round, with its ledger. */
class FileUnderKill {
  kills = 0
  events = 0
  readonly #path: string
  readonly #random: Random
  readonly #seed: string
  readonly #acknowledge: KillWriterConfig['acknowledge']
  readonly #ledger = new Ledger()
  #round = 0

  constructor(path: string, seed: string, acknowledge: KillWriterConfig['acknowledge']) {
    this.#path = path
    this.#seed = seed
    this.#random = new Random(seed)
    this.#acknowledge = acknowledge
  }

  get acknowledged(): number {
    return this.#ledger.acknowledged.length
  }

  /** Starts writers, kills them all, and returns what is then wrong with the file. */
  async round(): Promise<string[]> {
    const random = this.#random
    const writers = random.pick([1, 1, 2, 3])
    this.#round++
    const children = Array.from({ length: writers }, (_, index) => this.#start(index))
    const problems = await Promise.all(children.map((child) => this.#killSoon(child)))
    return [...problems.flat(), ...(await this.#verify())]
  }

  #start(index: number): Child {
    const random = this.#random
    const isKeyed = (op: string): boolean => operationOf(op).hasKey
    const known = this.#ledger.acknowledged.filter(isKeyed)
    const repeats = known.length === 0 ? [] : [random.pick(known), random.pick(known)]
    const config: KillWriterConfig = {
      path: this.#path,
      name: `${this.#seed}.${this.#round}.${index}`,
      // Every writer repeats what is in doubt, so that several repeat it at once.
      again:
        this.#acknowledge === 'before'
          ? []
          : [...this.#ledger.doubtful.filter(isKeyed).slice(-20), ...repeats],
      acknowledge: this.#acknowledge,
      callers: this.#acknowledge === 'before' ? 32 : random.pick([1, 4, 16]),
    }
    return new Child('kill-writer', config, (message) => {
      if (typeof message.begun === 'string') this.#ledger.begin(message.begun)
      if (typeof message.acknowledged === 'string') {
        const answer = { first: Number(message.first), last: Number(message.last) }
        this.#ledger.acknowledge(message.acknowledged, answer)
      }
    })
  }

  /** Kills a child at a random moment: mostly at work, sometimes while it opens the book. */
  async #killSoon(child: Child): Promise<string[]> {
    const random = this.#random
    const isAtWork = this.#acknowledge === 'before' || random.chance(0.85)
    const delayMs = isAtWork ? random.next() * 80 : 80 + random.next() * 200
    if (isAtWork) await child.spoke
    await sleep(delayMs)
    child.kill()
    const { signal, code } = await child.ended
    this.kills++
    return signal === 'SIGKILL' ? [] : [`a writer ended by itself with ${code}: ${child.errors}`]
  }

  /** Checks the file, or a copy of it: then the next round goes on from the very bytes that the kill left. */
  async #verify(): Promise<string[]> {
    if (!existsSync(this.#path)) return []
    if (this.#random.chance(0.5)) return this.#verifyAt(this.#path)
    const copy = `${this.#path}.copy`
    for (const suffix of ['', '-wal', '-shm', '-journal']) {
      rmSync(copy + suffix, { force: true })
      if (existsSync(this.#path + suffix)) cpSync(this.#path + suffix, copy + suffix)
    }
    return this.#verifyAt(copy)
  }

  async #verifyAt(path: string): Promise<string[]> {
    const found = readFoundLog(path)
    this.events = found.rows.length
    return [...unsoundness(found), ...this.#ledger.problems(found), ...(await readModelProblems(path, found))]
  }
}

/** Opens the book with the product and compares its read models with the fold written by hand. */
async function readModelProblems(path: string, found: FoundLog): Promise<string[]> {
  const head = found.rows.length
  const reference = referenceBalances(found.rows)
  await using book = await openBook({
    store: sqlite(path),
    deciders: [account],
    projections: [balances, totals],
  })
  const problems: string[] = []
  const total = await book.read(totals).get('all')
  if (JSON.stringify(total ?? reference.totals) !== JSON.stringify(reference.totals))
    problems.push(`inline read model has ${JSON.stringify(total)}, not ${JSON.stringify(reference.totals)}`)
  const freshness = { notBefore: head, timeoutMs: 30_000 }
  for (const [stream, expected] of reference.balances) {
    const balance = await book.read(balances).get(stream, freshness)
    if (JSON.stringify(balance) !== JSON.stringify(expected))
      problems.push(`read model of ${stream} has ${JSON.stringify(balance)}, not ${JSON.stringify(expected)}`)
    const { state, version } = await book.load(account, stream.slice('account-'.length))
    if ((state as { cents: number }).cents !== expected.cents)
      problems.push(`state of ${stream} at version ${version} differs from its events`)
  }
  return problems
}
