import { DaybookError, type ErrorCode } from '../core/errors.ts'
import type { PostgresNotice } from './driver.ts'

/** An error of the server, as `pg` gives it: https://www.postgresql.org/docs/current/errcodes-appendix.html */
interface ServerError extends Error {
  readonly code: string
  readonly severity: string
  readonly constraint?: string
  readonly table?: string
}

const codes: { readonly [state: string]: readonly [ErrorCode, string] } = {
  '08P01': ['STORE_UNREACHABLE', 'the server or a pooler in between broke off the conversation'],
  '21000': ['STORE_FAILED', 'a statement met more rows than it may'],
  '22021': ['ILLEGAL_DATA', 'a text cannot be stored in the encoding of the database'],
  '22P05': ['ILLEGAL_DATA', 'a text cannot be stored in the encoding of the database'],
  '25006': ['STORE_READ_ONLY', 'the server accepts no writes: it is a replica, or set to be read-only'],
  '25P01': ['TRANSACTION_INVALID', 'there is no open transaction on the connection'],
  '25P02': ['TRANSACTION_ABORTED', 'the transaction failed before and must be rolled back'],
  '25P03': ['STORE_UNREACHABLE', 'the server ended a transaction that nobody went on with'],
  '25P04': [
    'STORE_UNREACHABLE',
    'the server ended a transaction that took longer than its transaction_timeout',
  ],
  '26000': ['STORE_POOLED', 'a prepared statement is gone'],
  '28000': ['STORE_ACCESS_DENIED', 'the server does not accept the user'],
  '28P01': ['STORE_ACCESS_DENIED', 'the password is wrong or missing'],
  '3D000': ['STORE_CANNOT_OPEN', 'there is no such database'],
  '3F000': ['STORE_NOT_MIGRATED', 'there is no such schema'],
  '40001': ['TRANSACTION_ABORTED', 'the transaction could not be serialized with another one'],
  '40P01': ['TRANSACTION_ABORTED', 'the transaction was ended to break a deadlock'],
  '42501': ['STORE_ACCESS_DENIED', 'the user may not do this'],
  '42P01': ['STORE_NOT_MIGRATED', 'a table of the book is missing'],
  '42883': ['STORE_NOT_MIGRATED', 'a function of the book is missing'],
  '42P05': ['STORE_POOLED', 'a prepared statement is there already'],
  '53100': ['STORE_FULL', 'no room left on the disk of the server'],
  '53300': ['STORE_BUSY', 'the server has no connection left'],
  '54000': ['LIMIT_EXCEEDED', 'a value is larger than PostgreSQL can hold'],
  '54001': ['LIMIT_EXCEEDED', 'a value is nested deeper than the max_stack_depth of the server allows'],
  '55P03': ['STORE_BUSY', 'another transaction holds the lock'],
  '57014': ['STORE_CANCELLED', 'the server cancelled the statement: its time-out, or an administrator'],
  '58030': ['STORE_IO_FAILED', 'the server reported a failed read, write or flush'],
  '58P01': ['STORE_IO_FAILED', 'a file of the server is missing'],
  XX001: ['STORE_CORRUPT', 'the server found damaged data'],
  XX002: ['STORE_CORRUPT', 'the server found a damaged index'],
}

/** Whole classes, where the single states make no difference. */
const classes: { readonly [first: string]: readonly [ErrorCode, string] } = {
  '08': ['STORE_UNREACHABLE', 'the connection is lost'],
  '57': ['STORE_UNREACHABLE', 'the server is shutting down, starting up, or ended the connection'],
}

/** Translates what the driver throws into Daybook's errors, by SQLSTATE, never by words. Others pass unchanged. */
export function translated(error: unknown, name: string): unknown {
  if (error instanceof DaybookError) return error
  if (isServerError(error)) {
    const { code: sqlState } = error
    const [code, problem] = codes[sqlState] ??
      classes[sqlState.slice(0, 2)] ?? ['STORE_FAILED', error.message]
    // Only the server knows what it was that the user may not do; these words name no data.
    const words = sqlState === '42501' ? `${problem} (${error.message})` : problem
    return new DaybookError(code, `${name}: ${words}`, { store: name, sqlState }, error)
  }
  if (isConnectionLoss(error)) {
    const reason = reasonOf(error)
    return new DaybookError(
      'STORE_UNREACHABLE',
      `${name}: ${reasons[reason] ?? 'the server cannot be reached, or the connection was lost'}`,
      { store: name, ...(reason === '' ? {} : { reason }) },
      error,
    )
  }
  return error
}

/** What the operating system says of a connection, in words. */
const reasons: { readonly [code: string]: string } = {
  ECONNREFUSED: 'no server listens at that address',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  ENOENT: 'there is no socket of a server in that folder',
  ETIMEDOUT: 'the server does not answer',
  EHOSTUNREACH: 'the network does not reach the host',
  ECONNRESET: 'the server, or something in between, broke off the connection',
}

/** The operating system's code for what ended a connection, or nothing. */
function reasonOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return ''
}

/**
 * What a failed attempt to connect means. A server that asks for a password where the driver has none is refused by the
 * driver itself; only by its words, or by where it stands in the conversation, does that differ from a lost connection.
 */
export function connectionFailure(error: unknown, client: object, name: string): unknown {
  if (isServerError(error) || error instanceof DaybookError) return error
  const hasNoPassword = 'password' in client && (client.password ?? '') === ''
  const isAsked = 'saslSession' in client && (client.saslSession ?? null) !== null
  if (!hasNoPassword || !isAsked) return new ConnectionLost(error)
  return new DaybookError(
    'STORE_ACCESS_DENIED',
    `${name}: the server asks for a password, and none was given`,
    { store: name },
    error,
  )
}

/** True when the server answered, and its answer was an error. */
export function isServerError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    'severity' in error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.length === 5
  )
}

/**
 * True when the conversation with the server broke off: whether it did what it was asked is unknown. What `pg` throws
 * without the server having said it, it throws about its connection.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof DaybookError) return error.code === 'STORE_UNREACHABLE'
  if (isServerError(error)) {
    const { code } = error
    return (
      code.startsWith('08') ||
      (code.startsWith('57P') && code !== '57P04') ||
      code === '25P03' ||
      code === '25P04'
    )
  }
  return error instanceof ConnectionLost
}

/** The server did certainly not do it, and may do it when asked again: a deadlock, a serialization failure. */
export function isWorthRepeating(error: unknown): boolean {
  return isServerError(error) && ['40001', '40P01'].includes(error.code)
}

/** True for a row that somebody else wrote who did not take the lock. Partitions have keys of their own: `event_1_pkey`. */
export function isOvertaken(error: unknown): boolean {
  const keys = /^(event(_[0-9]+)?_pkey|event_index_pkey|event_index_id_key|idempotency_key_pkey)$/
  return isServerError(error) && keys.test(error.constraint ?? '')
}

/** True when a stream has the version already that was to be its next. */
export function isVersionTaken(error: unknown): boolean {
  return isServerError(error) && error.constraint === 'event_index_pkey'
}

/** True when what a prepared statement returns is not what it returned when it was prepared: a table was altered. */
export function isResultChanged(error: unknown): boolean {
  return isServerError(error) && error.code === '0A000'
}

/** True when a statement was refused because another one of its transaction had failed before. */
export function isFailedTransaction(error: unknown): boolean {
  return isServerError(error) && error.code === '25P02'
}

/** True when a lock was not to be had within the time given for it. */
export function isLockTimeout(error: unknown): boolean {
  return isServerError(error) && error.code === '55P03'
}

/** True when there is no partition for an event, or when it lies beyond the first one of a log that is to be divided. */
export function isOutOfPartitions(error: unknown): boolean {
  if (!isServerError(error) || error.code !== '23514') return false
  return error.constraint === 'event_bound' || (error.table === 'event' && error.constraint === undefined)
}

/** Numbers of transactions run out, and every transaction is told so; it does what it was asked all the same. */
const otherWarnings: readonly (string | undefined)[] = ['GetNewTransactionId', 'GetNewMultiXactId']

/**
 * True for the warning that a wait for synchronous replicas was cancelled (SyncRepWaitForLSN in
 * src/backend/replication/syncrep.c), and for any other that is not known to be harmless.
 */
export function isCancelledWait({ code, routine }: PostgresNotice): boolean {
  return (code ?? '').startsWith('01') && !otherWarnings.includes(routine)
}

/** The answer of a store that was opened for reading alone to whatever writes. */
export function openedReadOnly(name: string): DaybookError {
  return new DaybookError('STORE_READ_ONLY', `${name} was opened with readOnly: true`, { store: name })
}

/** What `pg` threw that no server said: a socket's error, a time-out, a connection that ended. */
export class ConnectionLost extends Error {
  constructor(cause: unknown) {
    super('the connection was lost', { cause })
  }
}
