/** Ways to break the conversation with a server that the text of a single statement cannot express. */
import type { PostgresQuery, PostgresResult } from '../../../library/src/postgres/driver.ts'
import { type Alteration, plain, pretended, replaced, withText } from './altered-driver.ts'

const lockOfLog = /SELECT pg_advisory_xact_lock\(\(\d+::bigint << 32\) \| .*?::bigint\)\)/
const noLock = 'SELECT 1'

/** The lock of the log is not taken. */
export const withoutLock: Alteration = replaced(new RegExp(lockOfLog, 'g'), noLock)

/** The text that takes the lock, whatever else is sent with it, and the query without it. */
function lockTakenOut(query: PostgresQuery): readonly [string | undefined, PostgresQuery] {
  const [lock] = lockOfLog.exec(query.text) ?? []
  return [lock, lock === undefined ? query : withText(query, query.text.replace(lock, noLock))]
}

/** Long enough for others to get as far, on a slow machine, too. */
const pause = plain('SELECT pg_sleep(0.01)')

/** Sends what nobody waits for; whoever comes next on the connection meets its error. */
function aside(sending: Promise<PostgresResult>): void {
  sending.catch(() => undefined)
}

/** Keys, versions and matches are read before the lock is taken; only the head is read under it. */
export const factsBeforeLock: Alteration = (send, onAltered) => {
  let held: string | undefined
  return (given) => {
    const [lock, query] = lockTakenOut(given)
    held = lock ?? held
    if (held !== undefined && query.text.startsWith('SELECT position, recorded_at_ms')) {
      onAltered()
      aside(send(pause))
      aside(send(plain(held)))
      held = undefined
    }
    return send(query)
  }
}

/** The lock is taken by the statement that looks for matches: it sees the log as it was before it got the lock. */
export const lockWithinMatch: Alteration = (send, onAltered) => {
  let held: string | undefined
  return (given) => {
    const [lock, query] = lockTakenOut(given)
    held = lock ?? held
    if (held === undefined || !/^\s*SELECT [et]\.position\s+FROM/.test(query.text)) return send(query)
    onAltered()
    const text = `SELECT found.* FROM (${held}) AS held, LATERAL (${query.text}) AS found`
    held = undefined
    return send(withText(query, text))
  }
}

/** The store hears that its append is committed, which it is only when the connection is used again. */
export const answerBeforeCommit: Alteration = (send, onAltered) => {
  let isAppend = false
  let held: PostgresQuery | undefined
  return (query) => {
    if (held !== undefined) aside(send(held))
    held = undefined
    if (/INSERT INTO "\w+"\.event\s/.test(query.text)) isAppend = true
    if (query.text !== 'COMMIT' || !isAppend) return send(query)
    onAltered()
    isAppend = false
    held = query
    return Promise.resolve(pretended('COMMIT'))
  }
}

/** Whatever a COMMIT led to is taken for success: the server answers that of a failed transaction without an error. */
export const anyCommitIsSuccess: Alteration = (send, onAltered) => async (query) => {
  const result = await send(query)
  if (query.text !== 'COMMIT' || result.command === 'COMMIT') return result
  onAltered()
  return { ...result, command: 'COMMIT' }
}

/** A statement is not sent at all, and taken for done. */
export function dropped(pattern: RegExp): Alteration {
  return (send, onAltered) => (query) => {
    if (!pattern.test(query.text)) return send(query)
    onAltered()
    return Promise.resolve(pretended('SELECT'))
  }
}

/** A statement is sent after those that are sent at the same time, with a pause before it. */
export function sentLast(pattern: RegExp): Alteration {
  return (send, onAltered) => async (query) => {
    if (!pattern.test(query.text)) return send(query)
    onAltered()
    await new Promise((resolve) => setImmediate(resolve))
    aside(send(pause))
    return send(query)
  }
}

/** The server numbers the rows itself, by a sequence; nobody waits for a lock, and gaps are let through. */
export const positionsBySequence: readonly Alteration[] = [
  withoutLock,
  replaced('CREATE TABLE event (', 'CREATE SEQUENCE place; CREATE TABLE event ('),
  replaced(/IF highest - lowest \+ 1 <> events.*?END IF;/gs, ''),
  replaced(
    /INSERT INTO (\S+)\.event (\(.*?\))\s+SELECT \* FROM (unnest\(.*?\[\]\))$/gs,
    `INSERT INTO $1.event $2 SELECT nextval('$1.place'), c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12
      FROM $3 AS given (c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12)`,
  ),
]
