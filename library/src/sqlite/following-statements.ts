import type { ParkedFilter } from '../core/ports/following.ts'

/** Every SQL text of leases, members of groups, parked events, the inbox and the copies of read models. */

/**
 * ?1 subscription, ?2 owner, ?3 now, ?4 until. Who has it already may take it again, and is told once more whether it
 * was taken over: the answer may have been lost.
 */
export const acquireLease = `
  UPDATE checkpoint SET owner = ?2, token = token + 1, renewed_at_ms = ?3, leased_until_ms = ?4,
    is_taken_over = CASE WHEN owner = ?2 THEN is_taken_over ELSE owner IS NOT NULL END
  WHERE subscription = ?1 AND is_paused = 0 AND (owner IS NULL OR owner = ?2 OR leased_until_ms <= ?3)
  RETURNING token, is_taken_over, trial_position, trial_attempts`
const ofLease = 'subscription = ?1 AND owner = ?2 AND token = ?3'
export const renewLease: string = `
  UPDATE checkpoint SET renewed_at_ms = ?4, leased_until_ms = ?5 WHERE ${ofLease} AND is_paused = 0`
export const releaseLease: string = `
  UPDATE checkpoint SET owner = NULL, leased_until_ms = 0, is_taken_over = 0 WHERE ${ofLease}`
export const noteTrial: string = `
  UPDATE checkpoint SET trial_position = ?4, trial_attempts = ?5 WHERE ${ofLease}`
export const holdsLease: string = `SELECT 1 FROM checkpoint WHERE ${ofLease}`
export const pauseLease = 'UPDATE checkpoint SET is_paused = ?2 WHERE subscription = ?1'
export const readLeases = `
  SELECT subscription, owner, token, renewed_at_ms, leased_until_ms, is_paused, trial_position, trial_attempts
  FROM checkpoint ORDER BY subscription`

export const joinGroup = 'INSERT OR REPLACE INTO member (group_name, owner, until_ms) VALUES (?, ?, ?)'
export const dropLateMembers = 'DELETE FROM member WHERE group_name = ? AND until_ms <= ?'
export const readMembers = 'SELECT owner FROM member WHERE group_name = ? ORDER BY owner'
export const leaveGroup = 'DELETE FROM member WHERE group_name = ? AND owner = ?'

const parkedColumns = `subscription, position, event_id, stream, type, status, attempts, error, next_at_ms,
  failed_at_ms, changed_at_ms, reason, actor`
export const putParked: string = `
  INSERT OR REPLACE INTO parked_event (${parkedColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
export const dropParked = 'DELETE FROM parked_event WHERE subscription = ? AND position = ?'
export const countParked = `
  SELECT subscription, status, count(*) FROM parked_event
  GROUP BY subscription, status ORDER BY subscription, status`
/** Reads the log anew: what a person decided stays. */
export const dropUndecided = `DELETE FROM parked_event WHERE subscription = ? AND status <> 'skipped'`
export const dropAllParked = 'DELETE FROM parked_event WHERE subscription = ?'

/** A text with the values of its parameters. */
export interface BoundText {
  readonly text: string
  readonly values: readonly (string | number)[]
}

/** Selects parked events; a condition that is not asked for is left out, so that an index serves the others. */
export function selectParked(filter: ParkedFilter): BoundText {
  const { subscription, statuses, stream, position, dueAtMs, afterPosition } = filter
  const conditions: readonly (readonly [string, string | number | undefined])[] = [
    ['subscription = ?', subscription],
    ['status IN (SELECT value FROM json_each(?))', statuses && JSON.stringify(statuses)],
    ['stream = ?', stream],
    ['position = ?', position],
    ['position > ?', afterPosition],
    ['next_at_ms <= ?', dueAtMs],
  ]
  const asked = conditions.flatMap(([text, value]) => (value === undefined ? [] : [{ text, value }]))
  const where = asked.length === 0 ? '' : `WHERE ${asked.map(({ text }) => text).join(' AND ')}`
  return {
    text: `SELECT ${parkedColumns} FROM parked_event ${where} ORDER BY subscription, position LIMIT ?`,
    values: [...asked.map(({ value }) => value), filter.limit],
  }
}

export const readSeen = `
  SELECT event_id FROM seen_event
  WHERE subscription = ? AND event_id IN (SELECT value FROM json_each(?))`
export const rememberSeen = `
  INSERT OR REPLACE INTO seen_event (subscription, event_id, position) VALUES (?, ?, ?)`
export const forgetSeen = 'DELETE FROM seen_event WHERE subscription = ? AND position <= ?'
export const dropAllSeen = 'DELETE FROM seen_event WHERE subscription = ?'

const copyColumns = `name, serving_version, serving_generation, previous_version, previous_generation,
  next_version, next_generation, changed_at_ms`
export const readReadModel: string = `SELECT ${copyColumns} FROM read_model WHERE name = ?`
export const readReadModels: string = `SELECT ${copyColumns} FROM read_model ORDER BY name`
export const putReadModel: string = `
  INSERT OR REPLACE INTO read_model (${copyColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
