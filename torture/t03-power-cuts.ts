/** T3: power loss by blocks. */
import { chmodSync } from 'node:fs'
import { BookUnderCuts, type Omission } from './power-cuts/book-under-cuts.ts'
import { CannotMount } from './power-cuts/disk.ts'
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
  const wanted = options.isQuick ? 5 : 200
  const failures = new Failures()
  const tally = { cuts: 0, outlived: 0, events: 0, acknowledged: 0, acts: 0 }
  try {
    for (let disk = 0; tally.cuts < wanted && !options.signal.aborted; disk++) {
      const seed = `${options.seed}/T3/${disk}`
      const most = Math.min(cutsPerDisk, wanted - tally.cuts)
      const { cuts, outlived, events, acknowledged, acts } = await onNewMachine(
        options.store,
        async (machine) => {
          const book = new BookUnderCuts(machine, seed)
          while (book.cuts < most && !options.signal.aborted) {
            const where = `seed ${seed} cut ${book.cuts}`
            failures.add(where, await book.round())
            options.progress(Math.min(tally.cuts + book.cuts, wanted), wanted)
          }
          return book
        },
      )
      tally.cuts += cuts
      tally.outlived += outlived
      tally.events += events
      tally.acknowledged += acknowledged
      tally.acts += acts.length
    }
    const { cuts, outlived, ...counts } = tally
    const controls = await controlCuts(options)
    const losses = controls.map(({ sabotage, seen, trials }) => [sabotage, `${seen} of ${trials} cuts`])
    const facts = { ...counts, ...Object.fromEntries(losses) }
    return {
      trials: cuts,
      unit: 'cuts',
      failures: failures.lines,
      controls,
      facts: options.store === 'sqlite' ? facts : { 'outlived by the clients': outlived, ...facts },
    }
  } catch (error) {
    if (!(error instanceof CannotMount)) throw error
    return { ...nothing, skipped: `it needs root, loop devices, xfsprogs and e2fsprogs; ${error.message}` }
  }
}

const nothing = { trials: 0, unit: 'cuts', failures: [], controls: [], facts: {} }

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

/** Nobody can read on SQLite what is not durable, so there is nothing to leave out but the flush. */
async function controlCuts(options: TortureOptions): Promise<Control[]> {
  const trials = options.isQuick ? 4 : 20
  const wanted: readonly Omission[] = options.store === 'sqlite' ? ['flush'] : ['flush', 'asking']
  const controls: Control[] = []
  for (const omission of wanted) {
    if (options.signal.aborted) break
    const seed = `${options.seed}/T3/${omission}`
    const seen = await onNewMachine(options.store, async (machine) => {
      let seen = 0
      let head = 0
      for (let cut = 0; cut < trials && !options.signal.aborted; cut++) {
        // Each cut has a ledger of its own: what one has lost is not to be found lost again.
        const book = new BookUnderCuts(machine, `${seed}/${cut}`, omission, head)
        const problems = await book.round()
        head = book.events
        if (problems.some((problem) => problem.includes('lost'))) seen++
      }
      return seen
    })
    controls.push({ sabotage: omissions[omission], seen, trials })
  }
  return controls
}
