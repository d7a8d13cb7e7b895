import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BankLogs } from './bank-log.ts'
import type { Benchmark, Figure, Setting, StoreName } from './benchmark.ts'
import { appendBatchOf100, appendBy64, appendBy64VersusBatch, appendByOne } from './cases/appending.ts'
import { commandBy64, hotStream } from './cases/commands.ts'
import { lag } from './cases/lag.ts'
import { load, loadFromSnapshot } from './cases/loading.ts'
import { rebuild, rebuildVersusBatches } from './cases/projecting.ts'
import { logRead, logReadByBatches } from './cases/reading.ts'
import { storage } from './cases/storage.ts'
import { jsonLine, table } from './printing.ts'

const benchmarks: readonly Benchmark[] = [
  appendByOne,
  appendBy64,
  appendBy64VersusBatch,
  appendBatchOf100,
  commandBy64,
  hotStream,
  load,
  loadFromSnapshot,
  logRead,
  logReadByBatches,
  rebuild,
  rebuildVersusBatches,
  lag,
  storage,
]

const usage = `npm run -s bench -- [--json] [--quick] [--store sqlite|memory] [--only NAME…]`

interface Options {
  readonly isJson: boolean
  readonly isQuick: boolean
  readonly stores: readonly StoreName[]
  readonly chosen: readonly Benchmark[]
}

/** Throws with the usage for arguments that mean nothing. */
function optionsFrom(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      quick: { type: 'boolean' },
      store: { type: 'string' },
      only: { type: 'string', multiple: true },
    },
  })
  const names = [...(values.only ?? []), ...positionals]
  const known = benchmarks.map(({ name }) => name)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new Error(`there is no benchmark ${unknown.join(', ')}; there are ${known.join(', ')}\n${usage}`)
  const stores = (['sqlite', 'memory'] as const).filter(
    (name) => values.store === undefined || values.store === name,
  )
  if (stores.length === 0) throw new Error(`there is no store ${values.store}\n${usage}`)
  return {
    isJson: values.json ?? false,
    isQuick: values.quick ?? false,
    stores,
    chosen: benchmarks.filter(({ name }) => names.length === 0 || names.includes(name)),
  }
}

async function* figuresOf({ isQuick, stores, chosen }: Options, folder: string): AsyncGenerator<Figure> {
  const bankLogs = new BankLogs(folder, isQuick ? 50_000 : 500_000)
  const amounts = isQuick ? { rounds: 3, sliceMs: 200 } : { rounds: 7, sliceMs: 700 }
  for (const store of stores) {
    for (const benchmark of chosen) {
      if (!benchmark.stores.includes(store)) continue
      const setting: Setting = { store, folder, isQuick, bankLogs, ...amounts }
      process.stderr.write(`${benchmark.name} (${store}) …\n`)
      yield* await benchmark.run(setting)
    }
  }
}

const options = optionsFrom(process.argv.slice(2))
const folder = await mkdtemp(join(tmpdir(), 'daybook-bench-'))
try {
  const figures: Figure[] = []
  for await (const figure of figuresOf(options, folder)) {
    figures.push(figure)
    if (options.isJson) console.log(jsonLine(figure))
  }
  if (!options.isJson) console.log(table(figures))
} finally {
  await rm(folder, { recursive: true, force: true })
}
