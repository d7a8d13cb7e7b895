import { join } from 'node:path'
import { openBook, type Store } from 'daybook'
import { memory } from 'daybook/memory'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents, actor, movementEvent } from './bank.ts'
import type { StoreName } from './benchmark.ts'
import { closeChecked } from './self-check.ts'

/** A long log to read and to project: 2,000 accounts whose movements lie mixed, as they do in a bank. */
export interface BankLog {
  readonly store: Store
  /** Of the file; of no meaning for a store in memory. */
  readonly path: string
  readonly events: number
}

const accounts = 2_000
const eventsPerAppend = 1_000

/** Long logs, written when first asked for and then shared. */
export class BankLogs {
  readonly #folder: string
  readonly #events: number
  readonly #logs = new Map<StoreName, Promise<BankLog>>()

  constructor(folder: string, events: number) {
    this.#folder = folder
    this.#events = events
  }

  /** The log in memory is a fifth as long, so that it fits. */
  of(name: StoreName): Promise<BankLog> {
    let log = this.#logs.get(name)
    if (log === undefined) {
      const path = join(this.#folder, 'bank.db')
      log = written(name, path, name === 'memory' ? this.#events / 5 : this.#events)
      this.#logs.set(name, log)
    }
    return log
  }
}

async function written(name: StoreName, path: string, events: number): Promise<BankLog> {
  const store = storeOf(name, path)
  const book = await openBook({ store, deciders: [account] })
  for (let from = 0; from < events; from += eventsPerAppend) {
    const writes = Array.from({ length: eventsPerAppend }, (_, index) => ({
      stream: `account-${(from + index) % accounts}`,
      events: [eventAt(from + index)],
    }))
    await book.append(writes, { actor })
  }
  await closeChecked(book, name, path, events)
  return { store, path, events }
}

function eventAt(index: number) {
  if (index < accounts) return accountEvents.AccountOpened({ owner: `owner ${index}`, currency: 'CZK' })
  return movementEvent(Math.floor(index / accounts) + index)
}

export function storeOf(name: StoreName, path: string): Store {
  return name === 'sqlite' ? sqlite(path) : memory()
}
