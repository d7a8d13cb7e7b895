import { defineEvents, type SqlProjection, sqlProjection } from 'daybook'
import { z } from 'zod'

export const depositEvents = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const made = [
  'CREATE TABLE total (account text PRIMARY KEY, movements bigint NOT NULL, cents bigint NOT NULL)',
]
const cleared = ['DROP TABLE total']
const add = (account: string, cents: string) => `
  INSERT INTO total VALUES (${account}, 1, ${cents})
  ON CONFLICT (account) DO UPDATE SET movements = total.movements + 1, cents = total.cents + excluded.cents`
const texts = { sqlite: add('?', '?'), postgres: add('$1', '$2') }

/** Totals that show an event which is done twice, or never. */
export const totals: SqlProjection = sqlProjection('totals', {
  from: depositEvents,
  tables: { sqlite: made, postgres: made },
  clear: { sqlite: cleared, postgres: cleared },
  evolve: {
    Deposited: (sql, { cents }, { streamId }) => sql.query(texts[sql.dialect], [streamId, cents]),
  },
})
