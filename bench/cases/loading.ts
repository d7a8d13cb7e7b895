import { type Book, openBook, type SnapshotPolicy, type Store } from 'daybook'
import { Client } from 'pg'
import { type Account, account, actor, movementEvent, newAccount } from '../bank.ts'
import { addressOf, storeOf } from '../bank-log.ts'
import { arrays, openBare } from '../bare-log.ts'
import { type Benchmark, everyStore, type Setting, type StoreName } from '../benchmark.ts'
import { figure, type Side, sideBySide, timeMs } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'

const heldEvents = 10_000
/** The snapshot is this much older than the stream: half of what it is at most by default. */
const tailEvents = 50

/** An aggregate of 10,000 events, loaded without a snapshot by a book that was just opened. */
export const load: Benchmark = {
  name: 'load-10000',
  stores: everyStore,
  run: (setting) => loading('load-10000', setting, false),
}

/** The same from a snapshot, with 50 events after it. The baseline is the same as above: reading all of it. */
export const loadFromSnapshot: Benchmark = {
  name: 'load-10000-snapshot',
  stores: everyStore,
  run: (setting) => loading('load-10000-snapshot', setting, { everyEvents: 100 }),
}

async function loading(name: string, setting: Setting, snapshots: SnapshotPolicy) {
  const address = await addressOf(name, setting)
  const store = storeOf(setting.store, address)
  const settings = { store, deciders: [account], snapshots }
  const book = await openBook(settings)
  await book.append('account-41', movementEvent(0), { actor })
  await appendMovements(book, 0, heldEvents - tailEvents)
  await book.load<Account>(account, '42')
  await appendMovements(book, heldEvents - tailEvents, heldEvents)
  await closeChecked(book, setting.store, address, heldEvents + 1)
  // So many rounds since each is short.
  const rounds = setting.rounds * 5
  const bare = bareSides[setting.store]?.(address)
  return [figure(name, setting, 'ms', await sideBySide(rounds, bookLoading(settings), bare))]
}

async function appendMovements(book: Book, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += 1_000) {
    const length = Math.min(1_000, to - first)
    const events = Array.from({ length }, (_, index) => movementEvent(first + index))
    await book.append('account-42', events, { actor })
  }
}

/**
 * Opening is not part of it, nor are the connections that a store opens when it first needs them; a new book each time,
 * so that nothing of the stream is in memory.
 */
function bookLoading(settings: { readonly store: Store; readonly snapshots: SnapshotPolicy }): Side {
  return async () => {
    const book = await openBook({ ...settings, deciders: [account] })
    // Two at a time, so that both connections that read are open.
    await Promise.all([book.load<Account>(account, '41'), book.load<Account>(account, '41')])
    let movements = 0
    const ms = await timeMs(async () => {
      const { state } = await book.load<Account>(account, '42')
      movements = state.movements
    })
    check(movements === heldEvents, `${movements} events were folded, not ${heldEvents}`)
    await book.close()
    return ms
  }
}

type Evolving = Parameters<typeof account.definition.fold.evolve>[1]

function folded(rows: readonly unknown[][]): Account {
  const { evolve } = account.definition.fold
  let state = newAccount
  for (const [type, data] of rows as string[][])
    state = evolve(state, { type, data: JSON.parse(data as string) } as Evolving) as Account
  return state
}

function checkFolded({ movements }: Account): void {
  check(movements === heldEvents, `the baseline folded ${movements} events, not ${heldEvents}`)
}

/** All rows of the stream at once, parsed and folded by the same functions, on a connection just opened. */
const bareSides: { readonly [store in StoreName]?: (address: string) => Side } = {
  sqlite: (path) => async () => {
    const database = openBare(path)
    const rows = arrays(database, 'SELECT type, data FROM event WHERE stream = ? ORDER BY version')
    let state = newAccount
    const ms = await timeMs(async () => {
      state = folded(rows.all('account-42') as unknown[] as unknown[][])
    })
    checkFolded(state)
    database.close()
    return ms
  },
  postgres: (address) => async () => {
    const client = new Client({ connectionString: address, types: { getTypeParser: () => String } })
    await client.connect()
    let state = newAccount
    const ms = await timeMs(async () => {
      state = folded((await client.query<unknown[]>({ text: streamOnServer, rowMode: 'array' })).rows)
    })
    checkFolded(state)
    await client.end()
    return ms
  },
}

const streamOnServer = `
  SELECT e.type, e.data FROM daybook.event_index AS i JOIN daybook.event AS e USING (position)
  WHERE i.stream = 'account-42' ORDER BY i.version`
