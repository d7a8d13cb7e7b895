/** T4: failing I/O at the k-th call, for every k, in a book's first life and again while it recovers from a kill. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from './child.ts'
import { faults } from './failing-io/faults.ts'
import { type Place, trial } from './failing-io/trial.ts'
import { Ledger } from './ledger.ts'
import { type Answer, operationOf } from './operations.ts'
import { note } from './power-loss/recording.ts'
import type { IoWriterConfig } from './processes/io-writer.ts'
import { withScratch } from './scratch.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

export const failingIo: TortureTest = {
  id: 'T4',
  title: 'failing I/O: EIO, ENOSPC, short and slow writes at every k-th call, also during recovery',
  stores: ['sqlite'],
  run: runFailingIo,
}

const operationCount = 7
const sizeStep = 4_001
const mostBytes = 400_000

/** One series of trials: a fault at ever later places, until it strikes no more. */
interface Series {
  readonly name: string
  readonly isRecovery: boolean
  readonly placeOf: (number: number) => Place
  readonly most: number
}

function allSeries(isQuick: boolean): Series[] {
  const stride = isQuick ? 23 : 1
  return [false, true].flatMap((isRecovery) => [
    ...faults.map(
      (fault): Series => ({
        name: `${fault.name}${isRecovery ? ', in recovery' : ''}`,
        isRecovery,
        placeOf: (number) => ({ fault, k: 1 + number * stride }),
        most: 5_000,
      }),
    ),
    {
      name: `short writes${isRecovery ? ', in recovery' : ''}`,
      isRecovery,
      placeOf: (number: number) => ({ bytes: 100 + number * sizeStep * stride }),
      most: Math.floor(mostBytes / sizeStep / stride),
    },
  ])
}

async function runFailingIo(options: TortureOptions): Promise<TortureResult> {
  for (const program of ['strace', 'prlimit'])
    if (spawnSync(program, ['--version']).error) throw new Error(`T4 needs ${program}`)
  const failures = new Failures()
  const codes = new Map<string, number>()
  let trials = 0
  const series = allSeries(options.isQuick)
  let next = 0
  let done = 0
  const control = { seen: 0, trials: 0 }
  await withScratch('disk', async (folder) => {
    const killed = await killedBook(join(folder, 'killed'))
    const lane = async (): Promise<void> => {
      for (let current = series[next++]; current !== undefined; current = series[next++]) {
        for (let number = 0; number < current.most && !options.signal.aborted; number++) {
          const where = `${current.name}, place ${number}`
          const place = current.placeOf(number)
          const run = new Run(join(folder, `${series.indexOf(current)}-${number}`))
          const result = await run.trial(place, current.isRecovery ? killed : undefined)
          if (!result.isHit && 'fault' in place) break
          if (result.isHit) trials++
          failures.add(where, result.problems)
          for (const code of result.codes) {
            codes.set(code, (codes.get(code) ?? 0) + 1)
            if (process.env.DBG) console.log(where, code)
          }
        }
        options.progress(++done, series.length)
      }
    }
    await Promise.all([lane(), lane()])
    Object.assign(control, await controlTrials(folder))
  })
  return {
    trials,
    unit: 'faults',
    failures: failures.lines,
    controls: [{ sabotage: 'a ledger that takes failed appends for acknowledged', ...control }],
    facts: Object.fromEntries(codes),
  }
}

interface Killed {
  readonly folder: string
  readonly messages: readonly { readonly [field: string]: unknown }[]
}

/** A book whose writer was killed, its last appends in the WAL only. */
async function killedBook(folder: string): Promise<Killed> {
  mkdirSync(folder)
  const messages: { readonly [field: string]: unknown }[] = []
  const config: IoWriterConfig = {
    path: join(folder, 'book.db'),
    operations: names('before'),
    end: 'kill',
  }
  const child = new Child('io-writer', config, (message) => messages.push(message))
  await child.ended
  if (!existsSync(`${config.path}-wal`)) throw new Error(`no killed book: ${child.errors}`)
  return { folder, messages }
}

function names(prefix: string): string[] {
  return Array.from({ length: operationCount }, (_, index) => `${prefix}.${index}`)
}

/** One trial in a folder of its own. */
class Run {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async trial(place: Place, killed: Killed | undefined) {
    const ledger = new Ledger()
    if (killed === undefined) mkdirSync(this.#folder)
    else cpSync(killed.folder, this.#folder, { recursive: true })
    for (const message of killed?.messages ?? []) note(ledger, message)
    const config: IoWriterConfig = {
      path: join(this.#folder, 'book.db'),
      // In recovery, what was done before the kill is repeated first, under its keys.
      operations: [
        ...(killed === undefined ? [] : names('before').filter((op) => operationOf(op).hasKey)),
        ...names('now'),
      ],
      end: 'close',
    }
    return trial(config, place, ledger, join(this.#folder, 'trace'))
  }
}

/** Takes appends that failed for acknowledged: the comparison must then find events missing. */
async function controlTrials(folder: string): Promise<{ seen: number; trials: number }> {
  let seen = 0
  const trials = 3
  const [fault] = faults.filter(({ does, uses }) => does === 'error=ENOSPC' && uses > 1)
  for (let number = 0; number < trials && fault !== undefined; number++) {
    const run = join(folder, `control-${number}`)
    mkdirSync(run)
    const ledger = new CredulousLedger()
    const config: IoWriterConfig = {
      path: join(run, 'book.db'),
      operations: names('now').filter((op) => !operationOf(op).hasKey),
      end: 'close',
    }
    const { problems } = await trial(
      config,
      { fault: { ...fault, uses: 400 }, k: 60 + number * 20 },
      ledger,
      join(run, 'trace'),
    )
    if (problems.some((problem) => problem.includes('lost'))) seen++
  }
  return { seen, trials }
}

class CredulousLedger extends Ledger {
  override begin(op: string): void {
    super.begin(op)
    this.acknowledge(op, { first: 0, last: 0 })
  }

  override acknowledge(op: string, _answer: Answer): void {
    super.acknowledge(op, { first: 0, last: 0 })
  }
}
