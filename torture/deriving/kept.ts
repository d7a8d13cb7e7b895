/** What several processes keep up to date for a book, and the same folds written by hand. */
import {
  defineEvents,
  projection,
  type SqlProjection,
  type SqlTransaction,
  type Subscription,
  type SubscriptionContext,
  sqlProjection,
  subscription,
} from 'daybook'
import { anything } from '../accounts.ts'
import type { BookAddress } from '../stores/address.ts'

export interface Moved {
  readonly cents: number
}

export const keptEvents = defineEvents({ Deposited: anything<Moved>(), Withdrawn: anything<Moved>() })

/** What a stream has seen, such that an event left out, doubled or out of order shows for ever. */
export interface Tally {
  readonly count: number
  readonly last: number
  readonly digest: number
}

const modulus = 2_147_483_647
const noTally: Tally = { count: 0, last: 0, digest: 0 }

function tallied({ count, digest }: Tally, position: number): Tally {
  return { count: count + 1, last: position, digest: (digest * 31 + position) % modulus }
}

const evolve = (tally: Tally, _data: unknown, { position }: { readonly position: number }): Tally =>
  tallied(tally, position)

/** Documents. */
export const tallies = projection('tallies', {
  from: keptEvents,
  key: ({ stream }) => stream,
  initial: noTally,
  evolve: { Deposited: evolve, Withdrawn: evolve },
})

export function tableOf(address: BookAddress): string {
  return address.store === 'sqlite' ? 'ledger' : `ledger_${address.schema}`
}

/** A table of the application's own. */
export function ledger(address: BookAddress): SqlProjection {
  const table = tableOf(address)
  const made = [
    `CREATE TABLE ${table} (stream text PRIMARY KEY, count bigint NOT NULL, last bigint NOT NULL, digest bigint NOT NULL)`,
  ]
  const cleared = [`DROP TABLE ${table}`]
  const textFor = (stream: string, position: string): string => `
    INSERT INTO ${table} VALUES (${stream}, 1, ${position}, ${position})
    ON CONFLICT (stream) DO UPDATE SET count = ${table}.count + 1, last = excluded.last,
      digest = (${table}.digest * 31 + excluded.last) % ${modulus}`
  const texts = { sqlite: textFor('?1', '?2'), postgres: textFor('$1', '$2::bigint') }
  const keep = (
    sql: SqlTransaction,
    _data: Moved,
    { stream, position }: { readonly stream: string; readonly position: number },
  ): unknown => sql.query(texts[sql.dialect], [stream, position])
  return sqlProjection('ledger', {
    from: keptEvents,
    tables: { sqlite: made, postgres: made },
    clear: { sqlite: cleared, postgres: cleared },
    evolve: { Deposited: keep, Withdrawn: keep },
  })
}

/** How many shards the withdrawals are told in. */
export const shards = 3

/** Tells the world of every withdrawal; what died before it knew that it had told is told as a repeat. */
export function effects(
  run: (
    event: { readonly position: number; readonly stream: string },
    context: SubscriptionContext,
  ) => unknown,
): Subscription {
  return subscription('effects', {
    from: keptEvents,
    types: ['Withdrawn'],
    shards,
    inbox: true,
    // Nothing here is the fault of an event.
    retry: { maxAttempts: 1_000, maxDelayMs: 100 },
    run,
  })
}

/** A row of the log as far as these folds go. */
export interface FoldedRow {
  readonly position: number
  readonly stream: string
  readonly type: string
}

/** The fold of `tallies` and of `ledger`, knowing nothing of projections. */
export function referenceTallies(rows: readonly FoldedRow[]): Map<string, Tally> {
  const byStream = new Map<string, Tally>()
  for (const { stream, position } of rows)
    byStream.set(stream, tallied(byStream.get(stream) ?? noTally, position))
  return byStream
}
