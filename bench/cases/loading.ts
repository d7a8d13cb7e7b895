import { join } from 'node:path'
import { type Book, openBook, type SnapshotPolicy, type Store } from 'daybook'
import { type Account, account, actor, movementEvent, newAccount } from '../bank.ts'
import { storeOf } from '../bank-log.ts'
import { arrays, openBare } from '../bare-log.ts'
import { type Benchmark, bothStores, type Setting } from '../benchmark.ts'
import { figure, type Side, sideBySide, timeMs } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'

const heldEvents = 10_000
/** The snapshot is this much older than the stream: half of what it is at most by default. */
const tailEvents = 50

/** An aggregate of 10,000 events, loaded without a snapshot by a book that was just opened. */
export const load: Benchmark = {
  name: 'load-10000',
  stores: bothStores,
  run: (setting) => loading('load-10000', setting, false),
}

/** The same from a snapshot, with 50 events after it. The baseline is the same as above: reading all of it. */
export const loadFromSnapshot: Benchmark = {
  name: 'load-10000-snapshot',
  stores: bothStores,
  run: (setting) => loading('load-10000-snapshot', setting, { everyEvents: 100 }),
}

async function loading(name: string, setting: Setting, snapshots: SnapshotPolicy) {
  const path = join(setting.folder, `${name}.db`)
  const store = storeOf(setting.store, path)
  const settings = { store, deciders: [account], snapshots }
  const book = await openBook(settings)
  await appendMovements(book, 0, heldEvents - tailEvents)
  await book.load<Account>(account, '42')
  await appendMovements(book, heldEvents - tailEvents, heldEvents)
  await closeChecked(book, setting.store, path, heldEvents)
  // So many rounds since each is short.
  const rounds = setting.rounds * 5
  const bare = setting.store === 'memory' ? undefined : bareLoading(path)
  return [figure(name, setting, 'ms', await sideBySide(rounds, bookLoading(settings), bare))]
}

async function appendMovements(book: Book, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += 1_000) {
    const length = Math.min(1_000, to - first)
    const events = Array.from({ length }, (_, index) => movementEvent(first + index))
    await book.append('account-42', events, { actor })
  }
}

/** Opening is not part of it; a new book each time, so that nothing is in memory. */
function bookLoading(settings: { readonly store: Store; readonly snapshots: SnapshotPolicy }): Side {
  return async () => {
    const book = await openBook({ ...settings, deciders: [account] })
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

/** All rows of the stream at once, parsed and folded by the same functions, on a connection just opened. */
function bareLoading(path: string): Side {
  const { evolve } = account.definition.fold
  return async () => {
    const database = openBare(path)
    const rows = arrays(database, 'SELECT type, data FROM event WHERE stream = ? ORDER BY version')
    let state = newAccount
    const ms = await timeMs(async () => {
      for (const [type, data] of rows.all('account-42') as unknown[] as string[][])
        state = evolve(state, { type, data: JSON.parse(data as string) } as Parameters<
          typeof evolve
        >[1]) as Account
    })
    check(state.movements === heldEvents, `the baseline folded ${state.movements} events, not ${heldEvents}`)
    database.close()
    return ms
  }
}
