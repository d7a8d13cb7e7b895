/** T16: readers that stop pulling, over a backlog that is larger than the memory of their process; quick ones beside them. */
import { Child, type Message } from './child.ts'
import type { StalledReadersConfig } from './processes/stalled-readers.ts'
import { Random } from './random.ts'
import { fill } from './reading/backlog.ts'
import type { BookAddress } from './stores/address.ts'
import { withBooks } from './stores/books.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

export const stalledReaders: TortureTest = {
  id: 'T16',
  title: 'readers that stop pulling over a backlog larger than their memory; quick ones beside them',
  stores: ['sqlite', 'postgres'],
  run: runReaders,
}

const mib = 2 ** 20

interface Scale {
  readonly stalled: number
  readonly quick: number
  readonly backlogBytes: number
  /** What node may take for its objects, in MiB, and what the process may take in all. */
  readonly heapMib: number
  readonly mostRssMib: number
}

const quickScale: Scale = { stalled: 20, quick: 2, backlogBytes: 32 * mib, heapMib: 64, mostRssMib: 400 }
const fullScale: Scale = { stalled: 200, quick: 2, backlogBytes: 1_024 * mib, heapMib: 192, mostRssMib: 512 }
/** How often the quick readers are timed in full, with and without the others, in turns. */
const timings = 5
/** The least that quick readers keep of their rate. */
const leastRate = 0.8

interface Outcome {
  readonly code: number | null
  readonly signal: string | null
  readonly errors: string
  readonly said: Message | undefined
}

async function runReaders(options: TortureOptions): Promise<TortureResult> {
  const scale = options.isQuick ? quickScale : fullScale
  const seed = `${options.seed}/T16`
  const failures = new Failures()
  const rates: { readonly with: number[]; readonly without: number[] } = { with: [], without: [] }
  let mostRss = 0
  let events = 0
  const controls = await withBooks(options.store, async (books) => {
    const address = books.address('backlog')
    events = await fill(address, scale.backlogBytes, new Random(seed))
    const rounds = options.isQuick ? 1 : timings
    for (let round = 0; round < rounds && !options.signal.aborted; round++) {
      if (!options.isQuick) rates.without.push(rateOf(await read(address, scale, { stalled: 0 })))
      const outcome = await read(address, scale, {})
      failures.add(`seed ${seed} round ${round}`, problemsOf(outcome, scale, events))
      rates.with.push(rateOf(outcome))
      mostRss = Math.max(mostRss, Number(outcome.said?.rss ?? 0))
      options.progress(round + 1, rounds)
    }
    // Whoever hoards takes seconds to fill the memory.
    if (options.isQuick) return []
    const hoarding = await read(address, scale, { hoards: true })
    const isSeen = problemsOf(hoarding, scale, events).length > 0
    return [{ sabotage: 'readers that keep what nobody has asked for', seen: isSeen ? 1 : 0, trials: 1 }]
  })
  const share = median(rates.with) / median(rates.without)
  if (share < leastRate) failures.add('rate', [`quick readers keep ${percent(share)} of their rate`])
  return {
    trials: scale.stalled * rates.with.length,
    unit: 'stalled readers',
    failures: failures.lines,
    controls,
    facts: {
      events,
      'MiB of data': Math.round(scale.backlogBytes / mib),
      'most MiB of memory': Math.round(mostRss / mib),
      ...(options.isQuick
        ? {}
        : { 'events/s of the quick': Math.round(median(rates.with)), 'of their rate alone': percent(share) }),
    },
  }
}

/** Runs the readers in a process of their own. */
async function read(
  address: BookAddress,
  { stalled, quick, heapMib, mostRssMib }: Scale,
  changed: Partial<StalledReadersConfig>,
): Promise<Outcome> {
  const config: StalledReadersConfig = {
    address,
    stalled,
    quick,
    hoards: false,
    mostRssBytes: mostRssMib * mib,
    ...changed,
  }
  let said: Message | undefined
  let errors = ''
  const child = new Child(
    'stalled-readers',
    config,
    (message) => {
      if (typeof message.problem === 'string') errors += `${message.problem}\n`
      else said = message
    },
    { nodeOptions: [`--max-old-space-size=${heapMib}`] },
  )
  const { code, signal } = await child.ended
  return { code, signal, errors: errors + child.errors.slice(0, 300), said }
}

function problemsOf({ code, signal, errors, said }: Outcome, scale: Scale, events: number): string[] {
  const rssMib = Math.round(Number(said?.rss ?? 0) / mib)
  if (said?.isOver === true) return [`it took ${rssMib} MiB`]
  if (code !== 0 || said === undefined) return [`it ended with ${code ?? signal}: ${errors}`]
  const problems: string[] = []
  if (rssMib > scale.mostRssMib) problems.push(`it took ${rssMib} MiB`)
  if (said.begun !== scale.stalled) problems.push(`${String(said.begun)} of ${scale.stalled} had begun`)
  for (const count of said.read as readonly number[])
    if (count !== events) problems.push(`a quick reader saw ${count} of ${events} events`)
  return problems
}

function rateOf({ said }: Outcome): number {
  const read = (said?.read ?? []) as readonly number[]
  return read.reduce((sum, count) => sum + count, 0) / Number(said?.seconds ?? Number.NaN)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
