/**
 * Runs the scoreboard: every test, or those named.
 *
 * `npm run torture`, `npm run torture -- T1 T2 --quick --seed 7`. `--json` prints the figures as JSON, `--write` puts
 * them into docs/reliability.md, `--store sqlite` takes one of the stores alone. Ends with 1 when something failed.
 * Ctrl-C ends the test that runs and reports what it has; a second time ends everything.
 */
import { parseArgs } from 'node:util'
import { detailsOf, type Figure, figureOf, lineOf, machine, writeFigures } from './figures.ts'
import { Random } from './random.ts'
import { isStoreName, type StoreName, storeNames, storeTitles } from './stores/address.ts'
import { kill } from './t01-kill.ts'
import { powerLoss } from './t02-power-loss.ts'
import { powerCuts } from './t03-power-cuts.ts'
import { failingIo } from './t04-failing-io.ts'
import { linearizability } from './t06-linearizability.ts'
import { noEventSkipped } from './t07-no-event-skipped.ts'
import { stall } from './t08-stall.ts'
import { keptUnderKill } from './t09-kept-under-kill.ts'
import { rebuild } from './t10-rebuild.ts'
import { idempotency } from './t11-idempotency.ts'
import { network } from './t14-network.ts'
import { stalledReaders } from './t16-stalled-readers.ts'
import { poison } from './t17-poison.ts'
import { payloads } from './t18-payloads.ts'
import { snapshots } from './t26-snapshots.ts'
import { isGood, type TortureTest } from './torture-test.ts'

const scoreboard: readonly TortureTest[] = [
  kill,
  powerLoss,
  powerCuts,
  failingIo,
  linearizability,
  noEventSkipped,
  stall,
  keptUnderKill,
  rebuild,
  idempotency,
  network,
  stalledReaders,
  poison,
  payloads,
  snapshots,
]
const document = new URL('../docs/reliability.md', import.meta.url)

/** Tells how far a test is: on a terminal in one line that is written over, elsewhere every half minute. */
class Progress {
  readonly #id: string
  readonly #startMs = performance.now()
  #toldMs = performance.now()

  constructor(id: string) {
    this.#id = id
  }

  readonly tell = (done: number, total: number): void => {
    const nowMs = performance.now()
    const everyMs = process.stderr.isTTY ? 200 : 30_000
    if (nowMs - this.#toldMs < everyMs || done <= 0) return
    this.#toldMs = nowMs
    const leftS = Math.round(((nowMs - this.#startMs) / done) * (total - done)) / 1_000
    const text = `     ${this.#id}: ${done.toLocaleString('en')} of ${total.toLocaleString('en')}, about ${Math.ceil(leftS)} s left`
    process.stderr.write(process.stderr.isTTY ? `\r${text.padEnd(70)}` : `${text}\n`)
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${''.padEnd(70)}\r`)
  }
}

interface Wish {
  readonly tests: readonly TortureTest[]
  readonly stores: readonly StoreName[]
  readonly seed: number
  readonly isQuick: boolean
  readonly isJson: boolean
  readonly writes: boolean
}

function wishFrom(parameters: readonly string[]): Wish {
  const { values, positionals } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      store: { type: 'string', multiple: true, default: [...storeNames] },
    },
  })
  const unknown = positionals.filter((id) => !scoreboard.some((test) => test.id === id.toUpperCase()))
  if (unknown.length > 0)
    throw new Error(`no test ${unknown.join(', ')}; there are ${scoreboard.map(({ id }) => id).join(', ')}`)
  const stores = values.store.map((store) => {
    if (isStoreName(store)) return store
    throw new Error(`no store ${store}; there are ${storeNames.join(', ')}`)
  })
  const wanted = positionals.map((id) => id.toUpperCase())
  const seed = values.seed === undefined ? new Random(Date.now()).integer(1, 999_999) : Number(values.seed)
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed must be a whole number, not ${values.seed}`)
  return {
    tests: wanted.length === 0 ? scoreboard : scoreboard.filter(({ id }) => wanted.includes(id)),
    stores,
    seed,
    isQuick: values.quick,
    isJson: values.json,
    writes: values.write,
  }
}

async function runOne(test: TortureTest, store: StoreName, wish: Wish, signal: AbortSignal): Promise<Figure> {
  const { seed, isQuick } = wish
  const progress = new Progress(test.id)
  const startMs = performance.now()
  const result = await test
    .run({ store, seed, isQuick, progress: progress.tell, signal })
    .catch((error: unknown) => ({
      trials: 0,
      unit: 'trials',
      failures: [
        `could not be run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      ],
      controls: [],
      facts: {},
    }))
  progress.end()
  const seconds = (performance.now() - startMs) / 1_000
  return figureOf(test, { store, seed, seconds, isQuick, isComplete: !signal.aborted, result })
}

async function main(): Promise<number> {
  const wish = wishFrom(process.argv.slice(2))
  const out = wish.isJson ? process.stderr : process.stdout
  out.write(`${machine()}; seed ${wish.seed}${wish.isQuick ? '; quick' : ''}\n`)
  const interrupted = new AbortController()
  process.on('SIGINT', () => {
    if (interrupted.signal.aborted) process.exit(130)
    out.write('     ending; what was found so far follows\n')
    interrupted.abort()
  })
  const figures: Figure[] = []
  const runs = wish.tests.flatMap((test) =>
    wish.stores.filter((store) => test.stores.includes(store)).map((store) => ({ test, store })),
  )
  if (runs.length === 0) throw new Error(`none of these tests is made for ${wish.stores.join(', ')}`)
  for (const { test, store } of runs) {
    if (interrupted.signal.aborted) break
    out.write(`     ${test.id} on ${storeTitles[store]}: ${test.title}\n`)
    const figure = await runOne(test, store, wish, interrupted.signal)
    figures.push(figure)
    out.write(`${[lineOf(figure), ...detailsOf(figure)].join('\n')}\n`)
  }
  if (wish.isJson) process.stdout.write(`${JSON.stringify({ machine: machine(), figures }, undefined, 2)}\n`)
  if (wish.writes)
    writeFigures(
      figures.filter(({ isComplete }) => isComplete),
      document,
    )
  return figures.every(({ result }) => isGood(result)) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
