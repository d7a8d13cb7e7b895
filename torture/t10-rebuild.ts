/** T10: a read model is rebuilt beside live appends and reads by processes that are killed: live = rebuilt = reference. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from './random.ts'
import { BankReference } from './rebuilding/bank.ts'
import { LivingBank } from './rebuilding/living-bank.ts'
import { type Books, withBooks } from './stores/books.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

export const rebuild: TortureTest = {
  id: 'T10',
  title: 'rebuilds beside live appends and reads, killed on the way: live = rebuilt = reference',
  stores: ['sqlite', 'postgres'],
  run: runRebuilds,
}

interface Scale {
  readonly rounds: number
  readonly events: number
  readonly mostKills: number
}

const quick: Scale = { rounds: 1, events: 3_000, mostKills: 2 }
const full: Scale = { rounds: 60, events: 20_000, mostKills: 5 }
/** One more, in full. */
const large = { events: 1_000_000, kills: 5, beforeMs: 10_000 }

interface Tally {
  rebuilds: number
  kills: number
  events: number
  reads: number
  effects: number
}

async function runRebuilds(options: TortureOptions): Promise<TortureResult> {
  const { rounds, events, mostKills } = options.isQuick ? quick : full
  const failures = new Failures()
  const tally: Tally = { rebuilds: 0, kills: 0, events: 0, reads: 0, effects: 0 }
  const waits: { [name: string]: number } = {}
  const controls = await withBooks(options.store, async (books) => {
    for (let round = 0; round < rounds && !options.signal.aborted; round++) {
      const seed = `${options.seed}/T10/${round}`
      const random = new Random(seed)
      const kills = options.isQuick ? mostKills : random.integer(0, mostKills)
      failures.add(
        `seed ${seed}`,
        await rebuildOnce(books, `bank_${round}`, random, { events, kills }, tally),
      )
      options.progress(tally.rebuilds, rounds + (options.isQuick ? 0 : 1))
    }
    if (!options.isQuick && !options.signal.aborted) {
      const seed = `${options.seed}/T10/large`
      const problems = await rebuildOnce(books, 'large', new Random(seed), large, tally, waits)
      failures.add(`seed ${seed}`, problems)
    }
    return [...(options.isQuick ? [] : [await wrongRebuild(books, options)]), repeatedEffect()]
  })
  const { rebuilds, kills, reads, effects } = tally
  return {
    trials: rebuilds,
    unit: 'rebuilds',
    failures: failures.lines,
    controls,
    facts: { kills, events: tally.events, reads, effects, ...waits },
  }
}

async function rebuildOnce(
  books: Books,
  name: string,
  random: Random,
  { events, kills, beforeMs = 0 }: { events: number; kills: number; beforeMs?: number },
  tally: Tally,
  waits: { [name: string]: number } = {},
): Promise<string[]> {
  await using bank = await LivingBank.open(books.address(name), random)
  await bank.fill(events)
  bank.live()
  await sleep(beforeMs)
  waits['longest wait of a reader before, ms'] = Math.round(bank.longestWaitMs)
  bank.longestWaitMs = 0
  const startMs = performance.now()
  const { generation } = await bank.rebuild(kills, false)
  waits['longest wait of a reader during, ms'] = Math.round(bank.longestWaitMs)
  waits['seconds of the rebuild with its kills'] = Math.round((performance.now() - startMs) / 1_000)
  await bank.rest()
  const problems = await bank.verify()
  tally.rebuilds++
  tally.kills += bank.kills
  tally.events += await bank.head()
  tally.reads += bank.reads
  tally.effects += bank.effects.length
  if (generation !== 2) problems.push(`generation ${String(generation)} was filled`)
  if (bank.kills < kills) problems.push(`only ${bank.kills} of ${kills} rebuilds could be killed`)
  return problems
}

/** A rebuild that folds something else must be seen to differ from what was live, and from the reference. */
async function wrongRebuild(books: Books, { seed }: TortureOptions): Promise<Control> {
  await using bank = await LivingBank.open(books.address('control'), new Random(`${seed}/T10/control`))
  await bank.fill(1_000)
  await bank.rebuild(0, true)
  const problems = await bank.verify()
  const isSeen = ['the rebuilt copy', 'the copies differ'].every((text) =>
    problems.some((problem) => problem.startsWith(text)),
  )
  return { sabotage: 'a rebuild that folds something else', seen: isSeen ? 1 : 0, trials: 1 }
}

function repeatedEffect(): Control {
  const reference = new BankReference()
  for (const position of [3, 5, 9]) reference.add({ position, stream: 'a-1', type: 'Audited', data: '{}' })
  const forged = [
    [3, 5, 9, 3, 5, 9],
    [3, 5, 5, 9],
    [3, 9],
  ]
  const seen = forged.filter((effects) => reference.effectProblems(effects).length > 0).length
  return { sabotage: 'forged: effects repeated or left out', seen, trials: forged.length }
}
