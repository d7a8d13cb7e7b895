import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BankLogs } from './bank-log.ts'
import {
  type Benchmark,
  everyStore,
  type Figure,
  type Setting,
  Skipped,
  type StoreName,
} from './benchmark.ts'
import { appendBatchOf100, appendBy64, appendBy64VersusBatch, appendByOne } from './cases/appending.ts'
import { commandBy64, hotStream } from './cases/commands.ts'
import { lag } from './cases/lag.ts'
import { load, loadFromSnapshot } from './cases/loading.ts'
import { rebuild, rebuildVersusBatches } from './cases/projecting.ts'
import { logRead, logReadByBatches, logReadVersusCopy } from './cases/reading.ts'
import { sqlRebuild } from './cases/sql-projecting.ts'
import { storage } from './cases/storage.ts'
import { appendingOnServer } from './postgres/appending.ts'
import { commandsOnServer } from './postgres/commands.ts'
import { appendJoined, lockHold } from './postgres/joining.ts'
import { latency } from './postgres/latency.ts'
import { processesOnServer } from './postgres/processes.ts'
import { Servers } from './postgres/servers.ts'
import { storageOnServer } from './postgres/storage.ts'
import { jsonLine, table } from './printing.ts'

const benchmarks: readonly Benchmark[] = [
  appendByOne,
  appendBy64,
  appendBy64VersusBatch,
  appendBatchOf100,
  // What earlier ones leave on the heap would be collected on the time of single appends.
  latency,
  ...appendingOnServer,
  ...processesOnServer,
  appendJoined,
  lockHold,
  commandBy64,
  hotStream,
  ...commandsOnServer,
  load,
  loadFromSnapshot,
  logRead,
  logReadByBatches,
  logReadVersusCopy,
  rebuild,
  rebuildVersusBatches,
  sqlRebuild,
  lag,
  storage,
  storageOnServer,
]

const usage = `npm run -s bench -- [--json] [--quick] [--store sqlite|postgres|memory] [--only NAME…]`

interface Options {
  readonly isJson: boolean
  readonly isQuick: boolean
  readonly stores: readonly StoreName[]
  readonly chosen: readonly Benchmark[]
}

/** Throws for arguments that mean nothing. */
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
  const known = [...new Set(benchmarks.map(({ name }) => name))]
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new Error(`there is no benchmark ${unknown.join(', ')}; there are ${known.join(', ')}`)
  const stores = everyStore.filter((name) => values.store === undefined || values.store === name)
  if (stores.length === 0)
    throw new Error(`there is no store ${values.store}; there are ${everyStore.join(', ')}`)
  return {
    isJson: values.json ?? false,
    isQuick: values.quick ?? false,
    stores,
    chosen: benchmarks.filter(({ name }) => names.length === 0 || names.includes(name)),
  }
}

async function* figuresOf({ isQuick, stores, chosen }: Options, folder: string, servers: Servers) {
  const bankLogs = new BankLogs(folder, servers, isQuick ? 100_000 : 1_000_000)
  const amounts = isQuick ? { rounds: 3, sliceMs: 200 } : { rounds: 7, sliceMs: 700 }
  for (const store of stores) {
    for (const benchmark of chosen) {
      if (!benchmark.stores.includes(store)) continue
      const setting: Setting = { store, folder, servers, isQuick, bankLogs, ...amounts }
      process.stderr.write(`${benchmark.name} (${store}) …\n`)
      try {
        yield* await benchmark.run(setting)
      } catch (error) {
        if (!(error instanceof Skipped)) throw error
        process.stderr.write(`${benchmark.name} (${store}) is skipped: ${error.message}\n`)
      }
    }
  }
}

/** Ends with what is wrong and how to ask, where the arguments mean nothing. */
function optionsOrEnd(args: readonly string[]): Options {
  try {
    return optionsFrom(args)
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}

const options = optionsOrEnd(process.argv.slice(2))
const folder = await mkdtemp(join(tmpdir(), 'daybook-bench-'))
// Threads of the product begin as those of the package, which is JavaScript: not with taking the types out of its sources.
process.env.NODE_COMPILE_CACHE ??= join(folder, 'compiled')
const servers = new Servers()
const figures: Figure[] = []
/** What was measured is told however the run ends. */
const cleanUp = async (): Promise<void> => {
  if (!options.isJson && figures.length > 0) console.log(table(figures))
  await servers[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)))
}
try {
  for await (const figure of figuresOf(options, folder, servers)) {
    figures.push(figure)
    if (options.isJson) console.log(jsonLine(figure))
  }
} finally {
  await cleanUp()
}
