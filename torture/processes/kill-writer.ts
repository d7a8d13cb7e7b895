/** Appends to one book, several operations at a time, saying what it begins and what is acknowledged, until it is killed. */
import { isDaybookError } from 'daybook'
import { account, balances, totals } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { type Answer, type Operation, operationOf, perform } from '../operations.ts'
import { shortLease } from '../short-lease.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { openPatiently } from './open-patiently.ts'

export interface KillWriterConfig {
  readonly address: BookAddress
  /** Begins the name of each of its operations; unlike any other writer's. */
  readonly name: string
  /** Operations with a key to run first: those in doubt, and some acknowledged ones. */
  readonly again: readonly string[]
  /** The control says "acknowledged" before it appends. */
  readonly acknowledge: 'after' | 'before'
  /** Another control appends without waiting for the disk. */
  readonly isFlushed: boolean
  /** Operations under way at a time. */
  readonly callers: number
}

const { address, name, again, acknowledge, isFlushed, callers } = configOf<KillWriterConfig>()

const book = await openPatiently({
  store: storeAt(address, { isFlushed }),
  deciders: [account],
  projections: [balances, totals],
  snapshots: { everyEvents: 7 },
  lease: shortLease,
})

async function run(id: string): Promise<void> {
  const operation = operationOf(id)
  say({ begun: id })
  if (acknowledge === 'before') say({ acknowledged: id, first: 0, last: 0 })
  const answer = await performed(operation)
  if (answer === undefined) return
  if (acknowledge === 'after') say({ acknowledged: id, ...answer, at: Number(process.hrtime.bigint()) })
}

/** Carries it out; says so when it was refused because the database was away, which promises that nothing was written. */
async function performed(operation: Operation): Promise<Answer | undefined> {
  try {
    return await perform(book, operation)
  } catch (error) {
    if (!isDaybookError(error, 'STORE_UNREACHABLE')) throw error
    say({ refused: operation.id })
    return undefined
  }
}

let next = 0
async function caller(): Promise<void> {
  for (;;) await run(`${name}.${next++}`)
}

say({ open: name })
await Promise.all(again.map(run))
await Promise.all(Array.from({ length: callers }, caller))
