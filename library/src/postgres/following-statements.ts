import type { ParkedFilter } from '../core/ports/following.ts'
import type { BoundText } from './read-model-statements.ts'
import { literal, quoted, type Statement, statement } from './statements.ts'

/** Statements on leases, members of groups, parked events, the inbox and the copies of read models. */
export interface FollowingStatements {
  readonly readNow: Statement
  /** Waits for whoever changes the row, so that the clock of what follows is read after the wait. */
  readonly lockLease: Statement
  readonly acquireLease: Statement
  readonly renewLease: Statement
  readonly releaseLease: Statement
  readonly noteTrial: Statement
  readonly holdsLease: Statement
  readonly pauseLease: Statement
  readonly readLeases: Statement
  readonly joinGroup: Statement
  readonly dropLateMembers: Statement
  readonly readMembers: Statement
  readonly leaveGroup: Statement
  readonly putParked: Statement
  readonly dropParked: Statement
  readonly countParked: Statement
  /** Reads the log anew: what a person decided stays. */
  readonly dropUndecided: Statement
  readonly dropAllParked: Statement
  readonly readSeen: Statement
  readonly rememberSeen: Statement
  readonly forgetSeen: Statement
  readonly dropAllSeen: Statement
  /** Waits for whoever else reads or writes the copies of a name in a transaction, also when there are none yet. */
  readonly lockReadModel: Statement
  readonly readReadModel: Statement
  readonly readReadModels: Statement
  readonly putReadModel: Statement
}

/** The server's clock as it is now: `now()` would be that of the transaction's begin. */
const nowMs = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** Texts for the book in a schema. */
export function followingStatements(schema: string): FollowingStatements {
  const inSchema = (table: string): string => `${quoted(schema)}.${table}`
  return {
    readNow: statement(`SELECT ${nowMs}`),
    ...leaseStatements(inSchema('checkpoint')),
    ...memberStatements(inSchema('member')),
    ...parkedStatements(inSchema('parked_event')),
    ...seenStatements(inSchema('seen_event')),
    ...readModelStatements(inSchema('read_model')),
  }
}

type LeaseStatement =
  | 'lockLease'
  | 'acquireLease'
  | 'renewLease'
  | 'releaseLease'
  | 'noteTrial'
  | 'holdsLease'
  | 'pauseLease'
  | 'readLeases'

/** $1 subscription, $2 owner, then the token where there is one. One reading of the clock serves a whole statement. */
function leaseStatements(checkpoint: string): Pick<FollowingStatements, LeaseStatement> {
  const clock = `(SELECT ${nowMs} AS now_ms) AS clock`
  const ofLease = 'subscription = $1 AND owner = $2 AND token = $3'
  return {
    lockLease: statement(`SELECT FROM ${checkpoint} WHERE subscription = $1 FOR NO KEY UPDATE`),
    // Who has it already may take it again, and is told once more whether it was taken over: the answer may have been lost.
    acquireLease: statement(`
      UPDATE ${checkpoint} SET owner = $2, token = token + 1,
        renewed_at_ms = now_ms, leased_until_ms = now_ms + $3::bigint,
        is_taken_over = CASE WHEN owner = $2 THEN is_taken_over ELSE owner IS NOT NULL END
      FROM ${clock}
      WHERE subscription = $1 AND NOT is_paused AND (owner IS NULL OR owner = $2 OR leased_until_ms <= now_ms)
      RETURNING token, is_taken_over, trial_position, trial_attempts`),
    renewLease: statement(`
      UPDATE ${checkpoint} SET renewed_at_ms = now_ms, leased_until_ms = now_ms + $4::bigint
      FROM ${clock} WHERE ${ofLease} AND NOT is_paused RETURNING 1`),
    releaseLease: statement(`
      UPDATE ${checkpoint} SET owner = NULL, leased_until_ms = 0, is_taken_over = false WHERE ${ofLease}`),
    noteTrial: statement(`
      UPDATE ${checkpoint} SET trial_position = $4, trial_attempts = $5 WHERE ${ofLease} RETURNING 1`),
    holdsLease: statement(`SELECT 1 FROM ${checkpoint} WHERE ${ofLease} FOR NO KEY UPDATE`),
    pauseLease: statement(`UPDATE ${checkpoint} SET is_paused = $2 WHERE subscription = $1`),
    readLeases: statement(`
      SELECT subscription, owner, token, renewed_at_ms, leased_until_ms, is_paused, trial_position, trial_attempts
      FROM ${checkpoint} ORDER BY subscription`),
  }
}

type MemberStatement = 'joinGroup' | 'dropLateMembers' | 'readMembers' | 'leaveGroup'

function memberStatements(member: string): Pick<FollowingStatements, MemberStatement> {
  return {
    joinGroup: statement(`
      INSERT INTO ${member} (group_name, owner, until_ms) VALUES ($1, $2, ${nowMs} + $3::bigint)
      ON CONFLICT (group_name, owner) DO UPDATE SET until_ms = excluded.until_ms`),
    // Who is late and joins again at this moment stays; waiting for them could be waiting for each other.
    dropLateMembers: statement(`
      DELETE FROM ${member} WHERE group_name = $1 AND owner IN (
        SELECT owner FROM ${member} WHERE group_name = $1 AND until_ms <= ${nowMs} FOR UPDATE SKIP LOCKED)`),
    readMembers: statement(`
      SELECT owner FROM ${member} WHERE group_name = $1 AND until_ms > ${nowMs} ORDER BY owner`),
    leaveGroup: statement(`DELETE FROM ${member} WHERE group_name = $1 AND owner = $2`),
  }
}

const parkedColumns = `subscription, position, event_id, stream, type, status, attempts, error, next_at_ms,
  failed_at_ms, changed_at_ms, reason, actor`

type ParkedStatement = 'putParked' | 'dropParked' | 'countParked' | 'dropUndecided' | 'dropAllParked'

function parkedStatements(parked: string): Pick<FollowingStatements, ParkedStatement> {
  const changed = parkedColumns.split(/,\s*/).slice(2)
  return {
    putParked: statement(`
      INSERT INTO ${parked} (${parkedColumns})
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
      ON CONFLICT (subscription, position) DO UPDATE SET
        ${changed.map((column) => `${column} = excluded.${column}`).join(', ')}`),
    dropParked: statement(`DELETE FROM ${parked} WHERE subscription = $1 AND position = $2`),
    countParked: statement(`
      SELECT subscription, status, count(*) FROM ${parked}
      GROUP BY subscription, status ORDER BY subscription, status`),
    dropUndecided: statement(`DELETE FROM ${parked} WHERE subscription = $1 AND status <> 'skipped'`),
    dropAllParked: statement(`DELETE FROM ${parked} WHERE subscription = $1`),
  }
}

/** Selects parked events; a condition that is not asked for is left out, so that an index serves the others. */
export function selectParked(schema: string, filter: ParkedFilter, isLocking: boolean): BoundText {
  const { subscription, statuses, stream, position, dueAtMs, afterPosition } = filter
  const conditions: readonly (readonly [(place: string) => string, unknown])[] = [
    [(place) => `subscription = ${place}`, subscription],
    [(place) => `status = ANY (${place}::text[])`, statuses],
    [(place) => `stream = ${place}`, stream],
    [(place) => `position = ${place}`, position],
    [(place) => `position > ${place}`, afterPosition],
    [(place) => `next_at_ms <= ${place}`, dueAtMs],
  ]
  const asked = conditions.filter(([, value]) => value !== undefined)
  const where = asked.map(([condition], index) => condition(`$${index + 1}`)).join(' AND ')
  return {
    text: `SELECT ${parkedColumns} FROM ${quoted(schema)}.parked_event ${where === '' ? '' : `WHERE ${where}`}
      ORDER BY subscription, position LIMIT $${asked.length + 1} ${isLocking ? 'FOR UPDATE' : ''}`,
    values: [...asked.map(([, value]) => value), filter.limit],
  }
}

type SeenStatement = 'readSeen' | 'rememberSeen' | 'forgetSeen' | 'dropAllSeen'

function seenStatements(seen: string): Pick<FollowingStatements, SeenStatement> {
  return {
    readSeen: statement(
      `SELECT event_id FROM ${seen} WHERE subscription = $1 AND event_id = ANY ($2::text[])`,
    ),
    rememberSeen: statement(`
      INSERT INTO ${seen} (subscription, event_id, position)
      SELECT $1, event_id, max(position) FROM unnest($2::text[], $3::int8[]) AS given (event_id, position)
      GROUP BY event_id
      ON CONFLICT (subscription, event_id) DO UPDATE SET position = excluded.position`),
    forgetSeen: statement(`DELETE FROM ${seen} WHERE subscription = $1 AND position <= $2`),
    dropAllSeen: statement(`DELETE FROM ${seen} WHERE subscription = $1`),
  }
}

const copyColumns = `name, serving_version, serving_generation, previous_version, previous_generation,
  next_version, next_generation, changed_at_ms`

type CopyStatement = 'lockReadModel' | 'readReadModel' | 'readReadModels' | 'putReadModel'

function readModelStatements(readModel: string): Pick<FollowingStatements, CopyStatement> {
  const changed = copyColumns.split(/,\s*/).slice(1)
  return {
    lockReadModel: statement(
      `SELECT pg_advisory_xact_lock(${0x6479626b}, hashtext(${literal(`${readModel} `)} || $1))`,
    ),
    readReadModel: statement(`SELECT ${copyColumns} FROM ${readModel} WHERE name = $1`),
    readReadModels: statement(`SELECT ${copyColumns} FROM ${readModel} ORDER BY name`),
    putReadModel: statement(`
      INSERT INTO ${readModel} (${copyColumns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (name) DO UPDATE SET ${changed.map((column) => `${column} = excluded.${column}`).join(', ')}`),
  }
}
