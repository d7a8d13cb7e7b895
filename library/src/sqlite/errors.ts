import { DaybookError, type ErrorCode } from '../core/errors.ts'

/** What node:sqlite throws: SQLite's extended result code and its words. */
interface SqliteError extends Error {
  readonly code: 'ERR_SQLITE_ERROR'
  readonly errcode: number
  readonly errstr: string
}

// Primary result codes, https://www.sqlite.org/rescode.html
const codes: { readonly [primary: number]: readonly [ErrorCode, string] } = {
  5: ['STORE_BUSY', 'another connection holds the write lock'],
  6: ['STORE_BUSY', 'a table is locked'],
  8: ['STORE_READ_ONLY', 'the database cannot be written'],
  10: ['STORE_IO_FAILED', 'the operating system reported a failed read, write or flush'],
  11: ['STORE_CORRUPT', 'the database file is damaged'],
  13: ['STORE_FULL', 'no room left on the disk'],
  14: ['STORE_CANNOT_OPEN', 'the database file cannot be opened'],
  18: ['LIMIT_EXCEEDED', 'a value is larger than SQLite can hold'],
  26: ['STORE_FOREIGN', 'the file is not a SQLite database'],
}

/** Translates what SQLite reports into Daybook's errors, by result code, never by words. Others pass unchanged. */
export function translated(error: unknown, name: string): unknown {
  if (!isSqliteError(error)) return error
  const [code, problem] = codes[error.errcode & 0xff] ?? ['STORE_FAILED', error.errstr]
  return new DaybookError(code, `${name}: ${problem}`, { store: name, errcode: error.errcode }, error)
}

/** True when the write lock is taken by somebody else. */
export function isBusy(error: unknown): boolean {
  if (error instanceof DaybookError) return error.code === 'STORE_BUSY'
  return isSqliteError(error) && (error.errcode & 0xff) === 5
}

/**
 * True after a failed read, write or flush: the connection's own memory of the file is not to be trusted. A read that
 * fails may also show as damage (11).
 */
export function isIoFailure(error: unknown): boolean {
  return isSqliteError(error) && [10, 11].includes(error.errcode & 0xff)
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
}
