/**
 * A process of its own that appends when it is told to: one of several that write to the same log. Its task comes as
 * JSON in the argument; `{ runMs }` makes it append for so long and answer with what it did, `{ end: true }` close.
 */
import { openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { account, actor, movementEvent } from '../bank.ts'
import { stepsPerSecond } from '../measuring.ts'
import { check } from '../self-check.ts'
import { PlainLog, plainRow } from './plain-log.ts'

/** What a process does. */
export interface AppenderTask {
  readonly address: string
  /** How Daybook flushes, or the plain pattern. */
  readonly flush: 'outside-lock' | 'inside-lock' | 'plain'
  readonly callers: number
  /** Of the plain pattern's pool. */
  readonly connections: number
  /** Of this process among its fellows: its streams are its own. */
  readonly index: number
}

/** What it answers. */
export interface AppenderAnswer {
  readonly eventsPerSecond: number
  /** All that were acknowledged so far. */
  readonly events: number
}

export type AppenderOrder = { readonly runMs: number } | { readonly end: true }

type Append = (stream: string, version: number) => Promise<void>

const task = JSON.parse(process.argv[2] ?? '') as AppenderTask

async function plainAppend(): Promise<[Append, () => Promise<void>]> {
  const log = await PlainLog.open(task.address, task.connections)
  const append: Append = async (stream, version) => {
    check(await log.append(plainRow(version, stream, version)), 'a plain append conflicted')
  }
  return [append, () => log.pool.end()]
}

async function bookAppend(flush: 'outside-lock' | 'inside-lock'): Promise<[Append, () => Promise<void>]> {
  const book = await openBook({ store: postgres(task.address, { flush }), deciders: [account] })
  const append: Append = async (stream, version) => {
    await book.append(stream, movementEvent(version - 1), { expectedVersion: version - 1, actor })
  }
  return [append, () => book.close()]
}

const [append, close] = task.flush === 'plain' ? await plainAppend() : await bookAppend(task.flush)
const versions = Array.from({ length: task.callers }, () => 0)
let events = 0

async function obey(order: AppenderOrder): Promise<void> {
  if ('end' in order) {
    await close()
    process.disconnect()
    return
  }
  const eventsPerSecond = await stepsPerSecond(order.runMs, task.callers, async (caller) => {
    const version = (versions[caller] as number) + 1
    await append(`account-${task.index}x${caller}`, version)
    versions[caller] = version
    events++
  })
  process.send?.({ eventsPerSecond, events } satisfies AppenderAnswer)
}

// Whoever gave the orders is gone.
process.on('disconnect', () => process.exit())
process.on('message', (order: AppenderOrder) => void obey(order))
process.send?.({ eventsPerSecond: 0, events } satisfies AppenderAnswer)
