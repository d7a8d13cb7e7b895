/** Appends to one book, several operations at a time, saying what it begins and what is acknowledged, until it is killed. */
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, balances, totals } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { operationOf, perform } from '../operations.ts'

export interface KillWriterConfig {
  readonly path: string
  /** Begins the name of each of its operations; unlike any other writer's. */
  readonly name: string
  /** Operations with a key to run first: those in doubt, and some acknowledged ones. */
  readonly again: readonly string[]
  /** The control says "acknowledged" before it appends. */
  readonly acknowledge: 'after' | 'before'
  /** Operations under way at a time. */
  readonly callers: number
}

const { path, name, again, acknowledge, callers } = configOf<KillWriterConfig>()

const book = await openBook({
  store: sqlite(path, { lockTimeoutMs: 60_000 }),
  deciders: [account],
  projections: [balances, totals],
  snapshots: { everyEvents: 7 },
})

async function run(id: string): Promise<void> {
  const operation = operationOf(id)
  say({ begun: id })
  if (acknowledge === 'before') say({ acknowledged: id, first: 0, last: 0 })
  const answer = await perform(book, operation)
  if (acknowledge === 'after') say({ acknowledged: id, ...answer })
}

let next = 0
async function caller(): Promise<void> {
  for (;;) await run(`${name}.${next++}`)
}

say({ open: name })
await Promise.all(again.map(run))
await Promise.all(Array.from({ length: callers }, caller))
