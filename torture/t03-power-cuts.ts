/** T3: power loss by blocks. */
import { chmodSync } from 'node:fs'
import { BookUnderCuts, type Omission } from './power-cuts/book-under-cuts.ts'
import { CannotMount, CuttableDisk } from './power-cuts/disk.ts'
import { Machine } from './power-cuts/machine.ts'
import { withScratch } from './scratch.ts'
import type { StoreName } from './stores/address.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

export const powerCuts: TortureTest = {
  id: 'T3',
  title: 'power cuts by blocks: what the disk was not sent is gone',
  stores: ['sqlite', 'postgres'],
  run: runPowerCuts,
}

const cutsPerDisk = 25

async function runPowerCuts(options: TortureOptions): Promise<TortureResult> {
  const problem = await mountProblem()
  if (problem !== undefined) {
    const skipped = `it needs root, loop devices, xfsprogs and e2fsprogs; ${problem}`
    return { trials: 0, unit: 'cuts', failures: [], controls: [], facts: {}, skipped }
  }
  const wanted = options.isQuick ? 5 : 200
  const failures = new Failures()
  const tally = { cuts: 0, outlived: 0, events: 0, acknowledged: 0, acts: 0 }
  for (let disk = 0; tally.cuts < wanted && !options.signal.aborted; disk++) {
    const seed = `${options.seed}/T3/${disk}`
    const most = Math.min(cutsPerDisk, wanted - tally.cuts)
    const book = await onNewMachine(options.store, async (machine) => {
      const book = new BookUnderCuts(machine, seed)
      while (book.cuts < most && !options.signal.aborted) {
        failures.add(`seed ${seed} cut ${book.cuts}`, await book.round())
        options.progress(Math.min(tally.cuts + book.cuts, wanted), wanted)
      }
      return book
    })
    tally.cuts += book.cuts
    tally.outlived += book.outlived
    tally.events += book.events
    tally.acknowledged += book.acknowledged
    tally.acts += book.acts.length
  }
  const { cuts, outlived, ...counts } = tally
  const controls = await controlsOf(options)
  const losses = controls.map(({ sabotage, seen, trials }) => [sabotage, `${seen} of ${trials} cuts`])
  const facts = { ...counts, ...Object.fromEntries(losses) }
  return {
    trials: cuts,
    unit: 'cuts',
    failures: failures.lines,
    controls,
    facts: options.store === 'sqlite' ? facts : { 'outlived by the clients': outlived, ...facts },
  }
}

/** Why no disk can be made here, if none can. */
function mountProblem(): Promise<string | undefined> {
  return withScratch('disk', async (folder) => {
    try {
      new CuttableDisk(folder).dispose()
      return undefined
    } catch (error) {
      if (error instanceof CannotMount) return error.message
      throw error
    }
  })
}

function onNewMachine<Result>(
  store: StoreName,
  work: (machine: Machine) => Promise<Result>,
): Promise<Result> {
  return withScratch('disk', (folder) => {
    // PostgreSQL runs as somebody else where this runs as root.
    chmodSync(folder, 0o755)
    return Machine.with(store, folder, work)
  })
}

const omissions: { readonly [omission in Omission]: string } = {
  flush: "flush: 'never'",
  asking: 'somebody who acts on what is not durable',
}

/** In the quick tier a control ends when it was caught; that takes a few cuts more on a busy machine. */
const controlCuts = { quick: { wanted: 1, most: 25 }, full: { wanted: 20, most: 20 } } as const

/** Nobody can read on SQLite what is not durable, so there is nothing to leave out but the flush. */
async function controlsOf(options: TortureOptions): Promise<Control[]> {
  const omitted: readonly Omission[] = options.store === 'sqlite' ? ['flush'] : ['flush', 'asking']
  const controls: Control[] = []
  for (const omission of omitted) {
    if (options.signal.aborted) break
    const tally = await onNewMachine(options.store, (machine) => controlOn(machine, omission, options))
    controls.push({ sabotage: omissions[omission], ...tally })
  }
  return controls
}

async function controlOn(
  machine: Machine,
  omission: Omission,
  { seed, isQuick, signal }: TortureOptions,
): Promise<{ readonly seen: number; readonly trials: number }> {
  const { wanted, most } = controlCuts[isQuick ? 'quick' : 'full']
  let [seen, trials, head] = [0, 0, 0]
  while (seen < wanted && trials < most && !signal.aborted) {
    // Each cut has a ledger of its own: what one has lost is not to be found lost again.
    const book = new BookUnderCuts(machine, `${seed}/T3/${omission}/${trials++}`, omission, head)
    if ((await book.round()).some((problem) => problem.includes('lost'))) seen++
    head = book.events
  }
  return { seen, trials }
}
