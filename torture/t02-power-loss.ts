/** T2: power loss by system calls. */
import { spawnSync } from 'node:child_process'
import type { SqliteOptions } from 'daybook/sqlite'
import { Child } from './child.ts'
import type { CrashTally } from './power-loss/crashes.ts'
import type { Workload } from './power-loss/recording.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

export const powerLoss: TortureTest = {
  id: 'T2',
  title: 'power loss at every system call: unsynced writes dropped, kept, torn, reordered',
  stores: ['sqlite'],
  run: runPowerLoss,
}

/** One workload in so many is large enough for SQLite's own checkpoints. */
const largeOneIn = 6

async function runPowerLoss(options: TortureOptions): Promise<TortureResult> {
  if (spawnSync('strace', ['-V']).error) throw new Error('T2 needs strace: apt-get install strace')
  const wanted = options.isQuick ? 2_000 : 100_000
  const all = await crashMany(options, 'T2', {}, wanted, options.progress)
  const controlWanted = options.isQuick ? 500 : 5_000
  const weaker = await crashMany(
    options,
    'T2/normal',
    { flush: 'checkpoint', unsafeDurability: true },
    controlWanted,
  )
  const none = await crashMany(options, 'T2/off', { flush: 'never', unsafeDurability: true }, controlWanted)
  const failures = new Failures()
  failures.add('power loss', all.problems)
  const controls: Control[] = [
    { sabotage: 'flush: checkpoint (synchronous = NORMAL)', seen: weaker.lost, trials: weaker.images },
    { sabotage: 'flush: never (synchronous = OFF)', seen: none.lost, trials: none.images },
  ]
  return {
    trials: all.images,
    unit: 'images',
    failures: failures.lines,
    controls,
    facts: {
      moments: all.moments,
      lost: all.lost,
      corrupt: all.corrupt,
      'opened by the product': all.opened,
      'corrupt under NORMAL': weaker.corrupt,
      'corrupt under OFF': none.corrupt,
    },
  }
}

/** Workload after workload, two at a time, until there are enough images. */
async function crashMany(
  options: TortureOptions,
  name: string,
  store: SqliteOptions,
  wanted: number,
  progress?: TortureOptions['progress'],
): Promise<CrashTally> {
  const sum: CrashTally = { images: 0, opened: 0, lost: 0, corrupt: 0, moments: 0, problems: [] }
  let judged = 0
  let next = 0
  const lane = async (): Promise<void> => {
    while (judged < wanted && !options.signal.aborted) {
      const number = next++
      const workload: Workload = {
        seed: `${options.seed}/${name}/${number}`,
        size: number % largeOneIn === 1 && !options.isQuick ? 'large' : 'small',
        store,
        momentsOneIn: options.isQuick ? 8 : 1,
        mayHaveCompanion: number % 2 === 0,
      }
      const child = new Child('power-judge', workload, (message) => {
        if (typeof message.images === 'number') {
          judged += message.images
          progress?.(Math.min(judged, wanted), wanted)
        }
        if (message.tally !== undefined) add(sum, message.tally as CrashTally)
      })
      const { code } = await child.ended
      if (code !== 0) sum.problems.push(`the judge of ${workload.seed} ended with ${code}: ${child.errors}`)
    }
  }
  await Promise.all([lane(), lane()])
  return sum
}

function add(sum: CrashTally, tally: CrashTally): void {
  sum.images += tally.images
  sum.opened += tally.opened
  sum.lost += tally.lost
  sum.corrupt += tally.corrupt
  sum.moments += tally.moments
  sum.problems.push(...tally.problems)
}
