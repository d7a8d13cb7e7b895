/** One life of a process that writes a book while strace looks on: appends, checkpoints, closes or is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { openBook } from 'daybook'
import { type SqliteOptions, sqlite } from 'daybook/sqlite'
import { account, balances, totals } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { operationOf, perform } from '../operations.ts'
import { Random } from '../random.ts'

export interface PowerWriterConfig {
  readonly path: string
  /** Begins the name of each operation. */
  readonly name: string
  readonly store: SqliteOptions
  readonly operations: number
  /** Operations at a time. */
  readonly callers: number
  /** How often somebody else asks for a checkpoint, as a share of the operations. */
  readonly checkpoints: number
  /** How this life ends. */
  readonly end: 'close' | 'kill'
  /** A second process writes at the same time. */
  readonly hasCompanion: boolean
  /** This process opens the book, and the second writes before it does: whose work is it to make the WAL's name durable? */
  readonly letsCompanionBegin: boolean
}

const config = configOf<PowerWriterConfig>()
const random = new Random(config.name)

const book = await openBook({
  store: sqlite(config.path, { lockTimeoutMs: 60_000, ...config.store }),
  deciders: [account],
  projections: [balances, totals],
  snapshots: { everyEvents: 3 },
})

const companion = config.hasCompanion ? companionOf(config) : undefined

/** Spawned only now, when the book is there; it is traced along with us and speaks into the same pipe. */
function companionOf(mine: PowerWriterConfig): Promise<unknown> {
  const theirs: PowerWriterConfig = { ...mine, name: `${mine.name}+`, hasCompanion: false, end: 'close' }
  const [, program = ''] = process.argv
  const child = spawn(process.execPath, [program, JSON.stringify(theirs)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return once(child, 'exit')
}

/** Somebody else's connection, such as a backup's, that moves the WAL into the file at any moment. */
function checkpoint(): void {
  const other = new DatabaseSync(config.path, { timeout: 1_000 })
  try {
    other.prepare(`PRAGMA wal_checkpoint(${random.pick(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])})`).all()
  } finally {
    other.close()
  }
}

if (config.letsCompanionBegin) await companion

let next = 0
async function caller(): Promise<void> {
  while (next < config.operations) {
    const operation = operationOf(`${config.name}.${next++}`)
    say({ begun: operation.id })
    const answer = await perform(book, operation)
    say({ acknowledged: operation.id, ...answer })
    if (random.chance(config.checkpoints)) checkpoint()
  }
}

await Promise.all(Array.from({ length: config.callers }, caller))
await companion
if (config.end === 'kill') process.kill(process.pid, 'SIGKILL')
await book.read(balances).count({ notBefore: await book.head(), timeoutMs: 60_000 })
await book.close()
