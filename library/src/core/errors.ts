/**
 * Every error Daybook raises on purpose, by its stable code: what it means and what a person can do about it.
 * `docs/reference/errors.md` is compared with this table by a test. Codes never change their meaning.
 */
export const errorRegistry = {
  CONCURRENCY_CONFLICT: {
    meaning: 'The stream is not at the version the append expected: somebody else appended first.',
    hint: 'Load the stream again, decide again and append with the new version; book.execute does this for you.',
  },
  CONDITION_FAILED: {
    meaning:
      'An event that the append said must not exist was appended after the position it had read up to.',
    hint: 'Read the query again from that position, decide again and append with the new position.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    meaning: 'The idempotency key was used before, with other content.',
    hint: 'Use a new key for a new intent; repeat a key only with exactly the same content.',
  },
  DUPLICATE_EVENT_ID: {
    meaning: 'An event with this id is in the log already.',
    hint: 'Leave the id out and Daybook makes one, or use an idempotency key to make a repeat harmless.',
  },
  EVENT_CAPACITY_REACHED: {
    meaning: 'The log or a stream has reached the largest number of events it can count.',
    hint: 'Continue in a new book or a new stream.',
  },
  ILLEGAL_DATA: {
    meaning: 'A value cannot be stored as JSON and read back unchanged.',
    hint: 'Store strings, finite numbers, booleans, null, arrays and plain objects; write dates as ISO strings and large integers as strings.',
  },
  ILLEGAL_NAME: {
    meaning: 'A stream, type, tag, key or other name breaks the rules for names.',
    hint: 'See the limits reference: names are well-formed text of 1 to 255 bytes without control characters; a stream is category-id.',
  },
  ILLEGAL_ARGUMENT: {
    meaning: 'An argument has the wrong type or lies outside its bounds.',
    hint: 'The message names the argument and its bounds.',
  },
  ILLEGAL_QUERY: {
    meaning: 'A query is malformed: it has no items, an item names nothing, or a field is unknown.',
    hint: 'Of a read model, compare declared columns with values of their type; of the log, give at least one item, each naming types, categories or tags.',
  },
  CURSOR_INVALID: {
    meaning:
      'A cursor is not one of this query: of another read model, other conditions or another order, or no cursor.',
    hint: 'Ask for the first page again, without `after`; go on with `next` of its answer and the same where and orderBy.',
  },
  LIMIT_EXCEEDED: {
    meaning: 'An event or an append is larger than the limits of this book.',
    hint: 'Split the append, or store the large part elsewhere and keep its reference and hash in the event.',
  },
  EVENT_INVALID: {
    meaning: "An event's data does not satisfy the schema of its type.",
    hint: 'Correct the data at the paths named in the message; nothing was appended.',
  },
  SCHEMA_ASYNC: {
    meaning: 'A schema validates asynchronously; deciding must not wait.',
    hint: 'Use a schema that validates synchronously and do look-ups before the command.',
  },
  DEFINITION_INVALID: {
    meaning:
      'A definition of events, a decider, a projection or a book contradicts itself or uses a reserved name.',
    hint: 'The message names the definition and the contradiction.',
  },
  NOT_REGISTERED: {
    meaning: 'The book was opened without this decider, projection or reaction.',
    hint: 'Add it to the lists given to openBook or defineBook.',
  },
  COMMAND_REFUSED: {
    meaning:
      'A command was refused by its decider, and the caller asked for an exception instead of a result.',
    hint: 'Read `refusal.reason` and `refusal.facts`, or inspect `refused` on the result instead of calling accepted().',
  },
  COMMAND_UNKNOWN: {
    meaning: 'The decider has no command of this name.',
    hint: 'The message lists the commands there are.',
  },
  EVOLVE_FAILED: {
    meaning: 'An evolve function threw while folding an event; state cannot be derived.',
    hint: 'Evolve must accept every recorded event: move rules into commands and repair the function named in the message.',
  },
  READ_MODEL_TIMEOUT: {
    meaning: 'A read model did not reach the position asked for in time.',
    hint: 'Raise timeoutMs, or see in the message how far the projection is behind and whether it has stopped.',
  },
  LEASE_LOST: {
    meaning:
      'This process does not run the subscription any more: it was paused, or another process took it over.',
    hint: 'Nothing is lost: whoever holds the lease goes on at the checkpoint. If it happens often, the process is held up for longer than `lease.ttlMs`.',
  },
  HANDLER_TIMEOUT: {
    meaning:
      'The function of a subscription or reaction did not end within its timeoutMs; the attempt counts as failed.',
    hint: 'Pass `signal` on to what it waits for, so that it ends in time, or raise timeoutMs.',
  },
  NOT_PARKED: {
    meaning:
      'The subscription has no such event aside: it was handled, retried or skipped meanwhile, or never failed.',
    hint: 'List what there is: `book.subscriptions.parked()`, or `daybook parked`.',
  },
  PROJECTION_FAILED: {
    meaning: 'A projection threw while folding an event, or produced something that cannot be stored.',
    hint: 'Repair the function named in the message; the read model stays at the last good position.',
  },
  PROJECTION_CHANGED: {
    meaning:
      'The projection was changed without raising its version, so its stored read model belongs to other code.',
    hint: 'Raise `version` in the projection: the new version is filled from the log beside the old one.',
  },
  PROJECTION_FILLING: {
    meaning:
      'The copy of the read model that serves is of another version and lacks what was asked for; the copy of this version is not filled yet.',
    hint: 'Wait until it is: `daybook projections` shows how far it has come. Until then, ask only for what the version before has.',
  },
  REBUILD_REFUSED: {
    meaning: 'A read model cannot be rebuilt, compared, swapped or taken back as it stands now.',
    hint: 'The message says why, and `book.rebuilds.status()` or `daybook projections show` what copies there are.',
  },
  PROCESS_FAILED: {
    meaning: 'A function of a process manager threw, so that nothing could be decided.',
    hint: 'Repair the function named in the message. The event is parked meanwhile: have it tried again with book.subscriptions.retry.',
  },
  CHECKPOINT_BEYOND_HEAD: {
    meaning: 'A checkpoint is of another book or epoch, or lies beyond the end of the log.',
    hint: 'The log was restored or replaced: rebuild the read model, give the subscription a new version, or restore both from the same backup.',
  },
  TRANSACTION_INVALID: {
    meaning: 'The transaction given is not an open transaction on the database of this book.',
    hint: 'Pass the connection on which you have begun a transaction, opened on the same database.',
  },
  UNSUPPORTED: {
    meaning: 'This store cannot do what was asked.',
    hint: 'The message names the stores that can.',
  },
  BOOK_CLOSED: {
    meaning: 'The book was used after it was closed.',
    hint: 'Keep the book open as long as it is used; close it last.',
  },
  STORE_BUSY: {
    meaning: 'Another process or transaction held the write lock longer than the lock time-out.',
    hint: 'Find the transaction that is left open (`daybook doctor` names it on PostgreSQL), or raise lockTimeoutMs or timeoutMs. Nothing was written.',
  },
  STORE_FULL: {
    meaning: 'The disk or the database has no room left; the append was refused and nothing was written.',
    hint: 'Free space; the book goes on by itself as soon as there is room. Reads work meanwhile.',
  },
  STORE_IO_FAILED: {
    meaning: 'The operating system reported a failed read, write or flush.',
    hint: 'Treat the append as not acknowledged: repeat it with the same idempotency key. Check the disk and its logs.',
  },
  STORE_READ_ONLY: {
    meaning:
      'The database cannot be written: a file or folder without permission, a server that is a replica or set to be read-only.',
    hint: 'A file: give the process write permission on it and its folder, which reading needs too, for the -shm file. A server: connect to the primary. To read alone, open with readOnly: true.',
  },
  STORE_CANNOT_OPEN: {
    meaning: 'The database could not be opened or created.',
    hint: 'A file: check that its folder exists and that the process may read and write it. A server: check the name of the database, create it if there is none, with the encoding UTF8.',
  },
  STORE_CORRUPT: {
    meaning: 'The database is damaged, or could not be read.',
    hint: 'Check the disk and its logs first: a failed read looks the same. If it stays, keep a copy of the file or of the data folder, and restore the newest backup that verifies.',
  },
  STORE_FOREIGN: {
    meaning: 'The file or database holds something other than a Daybook book.',
    hint: 'Check the path, or the database and its schema. To begin a new book, name a file that does not exist, or a schema without tables (?schema=bank in the address).',
  },
  STORE_NEWER: {
    meaning: 'The book was written by a newer version of Daybook, whose schema this version does not know.',
    hint: 'Upgrade Daybook to at least the version that wrote the book.',
  },
  STORE_UNSAFE: {
    meaning: 'The database is configured so that an acknowledged append could be lost.',
    hint: 'Remove the setting named in the message, or open with unsafeDurability: true if losing events is acceptable.',
  },
  STORE_TOO_OLD: {
    meaning: 'The database engine is older than the oldest version known to be safe.',
    hint: 'Upgrade to the version named in the message.',
  },
  STORE_ALTERED: {
    meaning:
      'A table, index, constraint or trigger of the book is missing or switched off: somebody changed the schema by hand.',
    hint: 'Put back what the message names, as `daybook migrate --print` on an empty database shows it, and run `daybook doctor` again.',
  },
  STORE_UNPROTECTED: {
    meaning: 'The user that opens the book could switch off what keeps recorded events from being changed.',
    hint: 'Fine for trying out. In production let the application be a login that is granted <schema>_writer: `daybook migrate --roles` makes that role.',
  },
  STORE_HELD_UP: {
    meaning:
      'Something keeps appends waiting, or the database from cleaning up: a transaction that is left open, say.',
    hint: 'End what the message names where it runs, or on the server: SELECT pg_terminate_backend(pid).',
  },
  STORE_ACCESS_DENIED: {
    meaning: 'The database server does not accept the user, or the user may not do this.',
    hint: 'Check the user and the password; grant the role <schema>_writer to append, <schema>_reader to read, <schema>_owner to migrate.',
  },
  STORE_UNREACHABLE: {
    meaning:
      'The database server could not be reached, or the connection was lost and did not come back in time.',
    hint: 'Check address, network and server. Nothing was appended; the book goes on by itself when the server is back.',
  },
  STORE_CANCELLED: {
    meaning:
      'The database server cancelled a statement: its statement_timeout ran out, or an administrator did it.',
    hint: 'Nothing was appended. Raise statement_timeout for this user if it happens under ordinary load.',
  },
  STORE_NOT_MIGRATED: {
    meaning: 'The database has no book in this schema, or one whose schema is older than this version needs.',
    hint: 'Run `daybook migrate` as the owner of the schema, or open the store with migrate: true. A SQLite file is brought up to date by opening it without readOnly.',
  },
  STORE_POOLED: {
    meaning: 'A pooler between here and the database server lost a prepared statement.',
    hint: 'Open the store with preparedStatements: false, or use PgBouncer 1.21 or newer with max_prepared_statements above 0.',
  },
  STORE_RESTORED: {
    meaning: 'The book is not where it was written: it was restored from a dump, copied, or moved.',
    hint: 'Run `daybook migrate --restored` to begin a new epoch, so that nobody resumes against events that are gone; `--moved` if every event came along and the old place is given up.',
  },
  TRANSACTION_ABORTED: {
    meaning:
      'The database ended the transaction: to break a deadlock, to keep it serializable, or after an error.',
    hint: 'Roll it back and run it again as a whole. Nothing of it was written.',
  },
  APPEND_IN_DOUBT: {
    meaning:
      'The connection was lost while an append was being committed, and the server could not be asked in time whether it was.',
    hint: 'Repeat it with the same idempotency key, or look for the event ids named in the error. Without either, a repeat may append twice.',
  },
  DRIVER_MISSING: {
    meaning: 'The database driver, a package that Daybook does not bring along, is not installed.',
    hint: 'Install it beside daybook: npm install pg. Or give it: postgres(address, { driver: pg }).',
  },
  STORE_FAILED: {
    meaning: 'The database refused a statement for a reason Daybook does not know.',
    hint: 'The cause carries the error of the driver.',
  },
  CONFIG_INVALID: {
    meaning: 'The configuration file is missing, does not load, or does not export a book.',
    hint: 'Export `default defineBook({...})` from daybook.config.ts, or run `daybook init`.',
  },
} as const

/** A stable name of an error; see `errorRegistry`. */
export type ErrorCode = keyof typeof errorRegistry

/** What an error knows besides its words; the fields depend on the code. */
export interface ErrorFacts {
  readonly [fact: string]: unknown
}

/** What every deliberate error of Daybook is: a code that never changes, facts as fields, and a hint for a person. */
export class DaybookError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly facts: ErrorFacts

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
    this.hint = errorRegistry[code].hint
    this.facts = facts
  }
}

/** The stream was not at the expected version. Exactly one of two appends at one version gets this. */
export class ConcurrencyError extends DaybookError {
  readonly stream: string
  readonly expected: number | 'none' | 'exists'
  readonly actual: number

  constructor(stream: string, expected: number | 'none' | 'exists', actual: number) {
    super(
      'CONCURRENCY_CONFLICT',
      `stream "${stream}" is at version ${actual}, the append expected ${describeExpected(expected)}`,
      { stream, expected, actual },
    )
    this.stream = stream
    this.expected = expected
    this.actual = actual
  }
}

/** An event matching the append's condition exists after the position it had read up to. */
export class ConditionError extends DaybookError {
  readonly afterPosition: number
  readonly matchedPosition: number

  constructor(afterPosition: number, matchedPosition: number) {
    super(
      'CONDITION_FAILED',
      `the event at position ${matchedPosition} matches the append's condition, which allowed none after position ${afterPosition}`,
      { afterPosition, matchedPosition },
    )
    this.afterPosition = afterPosition
    this.matchedPosition = matchedPosition
  }
}

/** Narrows an unknown error to one of Daybook's, optionally of one code. */
export function isDaybookError(error: unknown, code?: ErrorCode): error is DaybookError {
  return error instanceof DaybookError && (code === undefined || error.code === code)
}

/** True for the two errors that mean "decide again on newer events". */
export function isConflict(error: unknown): error is ConcurrencyError | ConditionError {
  return error instanceof ConcurrencyError || error instanceof ConditionError
}

/** What a thrown value says, whatever it is. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message
  return typeof error === 'string' ? error : `a thrown ${typeof error}`
}

function describeExpected(expected: number | 'none' | 'exists'): string {
  if (expected === 'none' || expected === 0) return 'a stream without events'
  if (expected === 'exists') return 'a stream with events'
  return `version ${expected}`
}
