import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { openBook } from 'daybook'
import { balances } from '../bank.ts'
import type { BankLog } from '../bank-log.ts'
import { arrays, openBare } from '../bare-log.ts'
import { type Benchmark, everyStore, type Setting } from '../benchmark.ts'
import { figure, perSecond, type Side, sideBySide } from '../measuring.ts'
import { openModelOnServer } from '../postgres/raw-projecting.ts'
import { check } from '../self-check.ts'

/** A read model filled beside the one that serves, from the first event of a long log until it serves; against one transaction and one upsert for each event. */
export const rebuild: Benchmark = {
  name: 'rebuild',
  stores: everyStore,
  run: (setting) => rebuilding('rebuild', setting, 1),
}

/** As above, against one upsert for each event in transactions of 1,000. */
export const rebuildVersusBatches: Benchmark = {
  name: 'rebuild-vs-batched-upsert',
  stores: ['sqlite', 'postgres'],
  run: (setting) => rebuilding('rebuild-vs-batched-upsert', setting, 1_000),
}

let lastVersion = 0

async function rebuilding(name: string, setting: Setting, eventsPerTransaction: number) {
  const log = await setting.bankLogs.of(setting.store)
  const product: Side = async () => {
    const projection = balances(++lastVersion)
    const book = await openBook({ store: log.store, projections: [projection], follow: false })
    const read = book.read(projection)
    const rate = await perSecond(log.events, async () => {
      const { outcome } = await book.rebuilds.start(projection)
      check(outcome === 'swapped', `the rebuild ended as ${outcome}`)
      const document = await read.get('1999', { notBefore: log.events, timeoutMs: 600_000 })
      const expected = log.events / 2_000 - 1
      check(
        document?.movements === expected,
        `a document has ${document?.movements} movements, not ${expected}`,
      )
    })
    const count = await read.count()
    await book.close()
    check(count === 2_000, `the read model has ${count} documents`)
    return rate
  }
  const bare = await bareRebuilding(name, setting, log, eventsPerTransaction)
  return [figure(name, setting, 'events/s', await sideBySide(setting.rounds, product, bare))]
}

/** A read model kept by hand. */
export interface BareModel {
  /** Makes it empty, then folds the events up to a position into it. */
  rebuild(events: number): Promise<void>
  count(): Promise<number>
  close(): Promise<void>
}

/**
 * The row changed by SQL, with the checkpoint, so many events to a transaction. Of a part of the log where all of it
 * would take minutes. Not flushed at every commit, as the product's are not.
 */
export async function bareRebuilding(
  name: string,
  setting: Setting,
  log: BankLog,
  eventsPerTransaction: number,
): Promise<Side | undefined> {
  if (setting.store === 'memory') return undefined
  const isOnServer = setting.store === 'postgres'
  const isSingle = eventsPerTransaction === 1
  const most = isOnServer ? (isSingle ? 10_000 : 50_000) : log.events / (isSingle ? 10 : 1)
  const events = Math.min(most, log.events)
  return async () => {
    const model = isOnServer
      ? await openModelOnServer(log.address, eventsPerTransaction)
      : openModelInFile(log.address, join(setting.folder, `${name}-bare.db`), eventsPerTransaction)
    const rate = await perSecond(events, () => model.rebuild(events))
    const count = await model.count()
    await model.close()
    check(count === 2_000, `the baseline's read model has ${count} documents`)
    return rate
  }
}

type BareCells = readonly [number, string, string, string]

function openModelInFile(logPath: string, path: string, eventsPerTransaction: number): BareModel {
  const source = openBare(logPath)
  const model = openBare(path)
  const project = rowByRow(source, model, eventsPerTransaction)
  return {
    rebuild: async (events) => project(events),
    count: async () => Number(model.prepare('SELECT count(*) AS count FROM balances').get()?.count),
    close: async () => {
      source.close()
      model.close()
    },
  }
}

function rowByRow(source: DatabaseSync, model: DatabaseSync, eventsPerTransaction: number) {
  model.exec(`
    PRAGMA synchronous = NORMAL;
    DROP TABLE IF EXISTS balances;
    DROP TABLE IF EXISTS checkpoint;
    CREATE TABLE balances (key TEXT NOT NULL PRIMARY KEY, cents INTEGER NOT NULL, movements INTEGER NOT NULL) STRICT;
    CREATE INDEX balances_cents ON balances (cents, key);
    CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT;
    INSERT INTO checkpoint VALUES (0)`)
  const begin = model.prepare('BEGIN IMMEDIATE')
  const commit = model.prepare('COMMIT')
  const move = model.prepare('UPDATE checkpoint SET position = ?')
  const upsert = model.prepare(`
    INSERT INTO balances VALUES (?, ?, 1)
    ON CONFLICT (key) DO UPDATE SET cents = cents + excluded.cents, movements = movements + 1`)
  const page = arrays(
    source,
    `SELECT position, stream, type, data FROM event WHERE position > ? ORDER BY position LIMIT 1000`,
  )
  return (events: number): void => {
    for (let after = 0; after < events; ) {
      const rows = page.all(after) as unknown[] as BareCells[]
      for (const [position, stream, type, data] of rows) {
        if ((position - 1) % eventsPerTransaction === 0) begin.run()
        const key = stream.slice(stream.indexOf('-') + 1)
        const { cents } = JSON.parse(data) as { readonly cents: number }
        if (type === 'MoneyDeposited') upsert.run(key, cents)
        else if (type === 'MoneyWithdrawn') upsert.run(key, -cents)
        after = position
        if (position % eventsPerTransaction !== 0) continue
        move.run(position)
        commit.run()
      }
    }
  }
}
