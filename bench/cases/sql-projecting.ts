import { openBook, sqlProjection } from 'daybook'
import { accountEvents } from '../bank.ts'
import { openBare } from '../bare-log.ts'
import type { Benchmark } from '../benchmark.ts'
import { figure, perSecond, type Side, sideBySide } from '../measuring.ts'
import { countOnServer } from '../postgres/raw-projecting.ts'
import { check } from '../self-check.ts'
import { bareRebuilding } from './projecting.ts'

/** A table of the application's own filled by its own SQL, from the first event of a long log; against one transaction and one upsert for each event. */
export const sqlRebuild: Benchmark = {
  name: 'sql-rebuild',
  stores: ['sqlite', 'postgres'],
  async run(setting) {
    const log = await setting.bankLogs.of(setting.store)
    const product: Side = async () => {
      const projection = turnover(++lastVersion)
      const store = log.store
      const book = await openBook({ store, sqlProjections: [projection], follow: false })
      const rate = await perSecond(log.events, () => book.rebuild(projection))
      const [status] = await book.status()
      await book.close()
      check(status?.behind === 0, `the tables are ${status?.behind} events behind`)
      const count = await countIn(setting.store === 'postgres', log.address, lastVersion)
      check(count === 2_000, `the table has ${count} rows`)
      return rate
    }
    const bare = await bareRebuilding('sql-rebuild', setting, log, 1)
    return [figure('sql-rebuild', setting, 'events/s', await sideBySide(setting.rounds, product, bare))]
  },
}

let lastVersion = 0

function turnover(version: number) {
  const table = `turnover_${version}`
  const upsert = (key: string, cents: string) => `
    INSERT INTO ${table} VALUES (${key}, ${cents}, 1)
    ON CONFLICT (key) DO UPDATE SET cents = ${table}.cents + excluded.cents, movements = ${table}.movements + 1`
  const texts = { sqlite: upsert('?', '?'), postgres: upsert('$1', '$2') }
  const tables = [
    `CREATE TABLE ${table} (key text PRIMARY KEY, cents bigint NOT NULL, movements bigint NOT NULL)`,
    `CREATE INDEX ${table}_cents ON ${table} (cents, key)`,
  ]
  const clear = [`DROP TABLE ${table}`]
  return sqlProjection('turnover', {
    version,
    from: accountEvents,
    tables: { sqlite: tables, postgres: tables },
    clear: { sqlite: clear, postgres: clear },
    evolve: {
      MoneyDeposited: (sql, { cents }, { streamId }) => sql.query(texts[sql.dialect], [streamId, cents]),
      MoneyWithdrawn: (sql, { cents }, { streamId }) => sql.query(texts[sql.dialect], [streamId, -cents]),
    },
  })
}

async function countIn(isOnServer: boolean, address: string, version: number): Promise<number> {
  const table = `turnover_${version}`
  if (isOnServer) return countOnServer(address, table)
  const database = openBare(address)
  const count = Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count)
  database.close()
  return count
}
