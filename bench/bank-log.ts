import { join } from 'node:path'
import { openBook, type Store } from 'daybook'
import { memory } from 'daybook/memory'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents, actor, movementEvent } from './bank.ts'
import type { Setting, StoreName } from './benchmark.ts'
import type { Servers } from './postgres/servers.ts'
import { closeChecked } from './self-check.ts'

/** A long log to read and to project: 2,000 accounts whose movements lie mixed, as they do in a bank. */
export interface BankLog {
  readonly store: Store
  /** Of the file, or of the database on its server; of no meaning for a store in memory. */
  readonly address: string
  readonly events: number
}

const accounts = 2_000
const eventsPerAppend = 1_000

/** Long logs, written when first asked for and then shared. */
export class BankLogs {
  readonly #folder: string
  readonly #servers: Servers
  readonly #events: number
  readonly #logs = new Map<StoreName, Promise<BankLog>>()

  /** @param events how many: a tenth in memory, so that they fit */
  constructor(folder: string, servers: Servers, events: number) {
    this.#folder = folder
    this.#servers = servers
    this.#events = events
  }

  of(name: StoreName): Promise<BankLog> {
    let log = this.#logs.get(name)
    if (log === undefined) {
      const place = { store: name, folder: this.#folder, servers: this.#servers }
      log = written(name, addressOf('bank', place), name === 'memory' ? this.#events / 10 : this.#events)
      this.#logs.set(name, log)
    }
    return log
  }
}

async function written(name: StoreName, place: Promise<string>, events: number): Promise<BankLog> {
  const address = await place
  const store = storeOf(name, address)
  const book = await openBook({ store, deciders: [account] })
  for (let from = 0; from < events; from += eventsPerAppend) {
    const writes = Array.from({ length: eventsPerAppend }, (_, index) => ({
      stream: `account-${(from + index) % accounts}`,
      events: [eventAt(from + index)],
    }))
    await book.append(writes, { actor })
  }
  await closeChecked(book, name, address, events)
  return { store, address, events }
}

function eventAt(index: number) {
  if (index < accounts) return accountEvents.AccountOpened({ owner: `owner ${index}`, currency: 'CZK' })
  return movementEvent(Math.floor(index / accounts) + index)
}

/** The store at an address that `addressOf` gave. */
export function storeOf(name: StoreName, address: string): Store {
  if (name === 'postgres') return postgres(address, { migrate: true })
  return name === 'sqlite' ? sqlite(address) : memory()
}

/** Where a benchmark keeps its book: the path of a new file, or the address of a new database. */
export async function addressOf(
  name: string,
  { store, folder, servers }: Pick<Setting, 'store' | 'folder' | 'servers'>,
): Promise<string> {
  return store === 'postgres' ? servers.database(await servers.ordinary(), name) : join(folder, `${name}.db`)
}
