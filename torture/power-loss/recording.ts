/** A workload recorded: the lives of processes that wrote one book, what they did to its files, what is in it at the end. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { SqliteOptions } from 'daybook/sqlite'
import { Child } from '../child.ts'
import { type FoundLog, readFoundLog, unsoundness } from '../found-log.ts'
import { Ledger } from '../ledger.ts'
import type { PowerWriterConfig } from '../processes/power-writer.ts'
import { Random } from '../random.ts'
import { type Deed, readTrace, straceOptions } from './trace.ts'

export const bookFile = 'book.db'

/** What is written down: small files crashed at every moment, or enough of them that SQLite checkpoints by itself. */
export interface Workload {
  readonly seed: string
  readonly size: 'small' | 'large'
  readonly store: SqliteOptions
  /** One of so many moments is looked at, those at a checkpoint always; of a large workload fewer. */
  readonly momentsOneIn: number
  /** Whether two processes write at the same time now and then. */
  readonly mayHaveCompanion: boolean
}

export interface Recording {
  readonly deeds: readonly Deed[]
  readonly final: FoundLog
  /** What is wrong before any power cut. */
  readonly problems: readonly string[]
}

/** Runs the workload under strace in a folder of its own. */
export async function record(workload: Workload, folder: string): Promise<Recording> {
  const random = new Random(workload.seed)
  const bookFolder = join(folder, 'recorded')
  mkdirSync(bookFolder)
  const path = join(bookFolder, bookFile)
  const deeds: Deed[] = []
  const problems: string[] = []
  const lives = workload.size === 'small' ? random.integer(3, 4) : 2
  for (let life = 0; life < lives; life++) {
    const config = lifeOf(workload, random, path, life)
    problems.push(...(await live(config, join(folder, 'trace'), bookFolder, deeds)))
  }
  const final = readFoundLog(path)
  const ledger = new Ledger()
  for (const deed of deeds) if (deed.kind === 'say') note(ledger, deed.message)
  problems.push(...unsoundness(final), ...ledger.problems(final))
  rmSync(bookFolder, { recursive: true })
  return { deeds, final, problems }
}

function lifeOf(
  { size, seed, store, mayHaveCompanion }: Workload,
  random: Random,
  path: string,
  life: number,
) {
  const isSmall = size === 'small'
  const config: PowerWriterConfig = {
    path,
    name: `${seed}.${life}`,
    store,
    operations: isSmall ? random.integer(6, 14) : 150,
    callers: random.pick([1, 1, 2, 6]),
    checkpoints: isSmall ? random.pick([0, 0.1, 0.3]) : 0,
    end: random.pick(['close', 'kill']),
    hasCompanion: mayHaveCompanion && random.chance(0.5),
    letsCompanionBegin: random.chance(0.5),
  }
  return config
}

/** One process under strace, its deeds added to those before. */
async function live(
  config: PowerWriterConfig,
  trace: string,
  bookFolder: string,
  deeds: Deed[],
): Promise<string[]> {
  const child = new Child('power-writer', config, () => undefined, {
    under: ['strace', ...straceOptions, '-o', trace],
  })
  const { code, signal } = await child.ended
  readTrace(readFileSync(trace, 'latin1'), bookFolder, deeds)
  rmSync(trace)
  const isAsWished = config.end === 'kill' ? signal === 'SIGKILL' : code === 0
  return isAsWished ? [] : [`a writer ended with ${code ?? signal}: ${child.errors}`]
}

/** Enters a message of a writer into the ledger. */
export function note(ledger: Ledger, message: { readonly [field: string]: unknown }): void {
  if (typeof message.begun === 'string') ledger.begin(message.begun)
  if (typeof message.acknowledged === 'string')
    ledger.acknowledge(message.acknowledged, { first: Number(message.first), last: Number(message.last) })
}
