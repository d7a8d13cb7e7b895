import { Client } from 'pg'
import type { BareModel } from '../cases/projecting.ts'

const createTables = `
  DROP TABLE IF EXISTS balances, bare_checkpoint;
  CREATE TABLE balances (key text PRIMARY KEY, cents bigint NOT NULL, movements bigint NOT NULL);
  CREATE INDEX balances_cents ON balances (cents, key);
  CREATE TABLE bare_checkpoint (position bigint NOT NULL);
  INSERT INTO bare_checkpoint VALUES (0)`
const readPage = `
  SELECT position, stream, type, data FROM daybook.event WHERE position > $1 ORDER BY position LIMIT 1000`
const upsert = `
  INSERT INTO balances VALUES ($1, $2, 1)
  ON CONFLICT (key) DO UPDATE SET cents = balances.cents + excluded.cents, movements = balances.movements + 1`
const move = 'UPDATE bare_checkpoint SET position = $1'

/**
 * A read model kept by hand in the database of the log: one upsert for each event, one statement after the other as
 * most code sends them, and the checkpoint in the same transaction.
 */
export async function openModelOnServer(address: string, eventsPerTransaction: number): Promise<BareModel> {
  const client = new Client({ connectionString: address })
  await client.connect()
  // As the product's read models, which are not flushed at every commit either.
  await client.query('SET synchronous_commit = off')
  const run = (name: string, text: string, values: unknown[]) => client.query({ name, text, values })
  const fold = async (position: number, stream: string, type: string, cents: number | undefined) => {
    if ((position - 1) % eventsPerTransaction === 0) await client.query('BEGIN')
    const key = stream.slice(stream.indexOf('-') + 1)
    if (cents !== undefined) await run('upsert', upsert, [key, type === 'MoneyDeposited' ? cents : -cents])
    if (position % eventsPerTransaction !== 0) return
    await run('move', move, [position])
    await client.query('COMMIT')
  }
  return {
    rebuild: async (events) => {
      await client.query(createTables)
      for (let after = 0; after < events; ) {
        const { rows } = await run('page', readPage, [after])
        for (const { position, stream, type, data } of rows) {
          await fold(Number(position), stream, type, data.cents)
          after = Number(position)
        }
      }
    },
    count: async () => Number((await client.query('SELECT count(*) FROM balances')).rows[0]?.count),
    close: () => client.end(),
  }
}

/** How many rows a table has. */
export async function countOnServer(address: string, table: string): Promise<number> {
  const client = new Client({ connectionString: address })
  await client.connect()
  try {
    return Number((await client.query(`SELECT count(*) FROM ${table}`)).rows[0]?.count)
  } finally {
    await client.end()
  }
}
