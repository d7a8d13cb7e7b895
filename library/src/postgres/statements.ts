import { createHash } from 'node:crypto'
import { briefColumns, packedSelection, wholeColumns } from '../core/packed-rows.ts'

/** Every SQL text of the log, by name. Read models have theirs in `read-model-statements.ts`; nothing else writes SQL. */

/** A text, and the name it is prepared under: made of the text itself, so that one name never means two texts. */
export interface Statement {
  readonly text: string
  readonly name: string
}

/** A statement to be prepared once per connection. */
export function statement(text: string): Statement {
  return { text, name: `daybook_${createHash('sha256').update(text).digest('hex').slice(0, 24)}` }
}

/** A name as an identifier of SQL, whatever it contains. */
export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

/** A text as a literal of SQL, for statements that take no parameters. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

export const commit = 'COMMIT'
export const rollback = 'ROLLBACK'
export const savepoint = 'SAVEPOINT daybook_append'
export const releaseSavepoint = 'RELEASE SAVEPOINT daybook_append'
export const rollbackToSavepoint = 'ROLLBACK TO SAVEPOINT daybook_append'

/** Gives a transaction that may write something to flush when it commits; see `flushing.ts`. */
export const flushAtCommit: Statement = statement(`
  SELECT CASE WHEN current_setting('transaction_read_only') = 'off'
    THEN pg_logical_emit_message(true, 'daybook', '') END`)

/** Names in byte order, times as numbers: what a book needs to know of the server it is on. */
export const readServer: Statement = statement(`
  SELECT current_setting('server_version_num')::int, current_setting('server_version'),
    current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('server_encoding'), pg_is_in_recovery(), current_setting('default_transaction_read_only'),
    current_user, current_database(), current_setting('synchronous_standby_names')`)

/** What a caller's own transaction must be: see `joined-log.ts`. */
export const readTransaction: Statement = statement(
  "SELECT current_setting('transaction_isolation'), current_setting('synchronous_commit'), current_setting('lock_timeout')",
)

/**
 * Begins a transaction of the log. READ COMMITTED, whatever the default: each statement after the lock must see what
 * was committed before the lock was got. Not READ WRITE: a database that is set to be read-only is left alone.
 */
export const beginReadCommitted = 'BEGIN ISOLATION LEVEL READ COMMITTED'

/** Begins as `beginReadCommitted`, with a bound on waits for locks. A client that vanishes in the middle is thrown out, so that its lock is free. */
export function begin(lockTimeoutMs: number, flushesAtCommit: boolean): string {
  return `${beginReadCommitted};
    ${flushesAtCommit ? '' : `${flushLater};`}
    SET LOCAL lock_timeout = ${Math.trunc(lockTimeoutMs)};
    SET LOCAL idle_in_transaction_session_timeout = ${Math.trunc(lockTimeoutMs)}`
}

/** Takes a lock with a bound on the wait, in ms, in a transaction whose own setting is none. */
export function boundLock(lock: string, timeoutMs: number): string {
  return `SET LOCAL lock_timeout = ${Math.trunc(timeoutMs)}; ${lock}; SET LOCAL lock_timeout = 0`
}

/** The commit of this transaction does not wait for the disk. */
export const flushLater = 'SET LOCAL synchronous_commit = off'

const eventColumns =
  'position, stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms'

/** Reading the log in some of the columns: all of it, or what matches an item. */
export interface LogReading {
  readonly all: Statement
  readonly byTypeAndCategory: Statement
  readonly byTags: Statement
}

/** The statements of one book. */
export interface LogStatements {
  /** Takes the lock of the log until the transaction ends, and notes that for `insertBehind`. */
  readonly lock: Statement
  /**
   * As `lock`, in a transaction that has only begun: one statement sets what `begin` sets by several. Bounds the waits for locks
   * and for a client that has vanished, in ms. Warnings are sent, whatever the default: one of them says that a commit has not
   * waited for the replicas.
   */
  readonly lockBound: Statement
  /** As `lockBound`; and the commit does not wait for the disk. */
  readonly lockFlushingLater: Statement
  readonly readBook: Statement
  readonly readMissingRights: Statement
  /** The head, if it is not before a position, and the chain hash at that position. */
  readonly readHead: Statement
  /** Writes a small record, whose commit flushes all before it, and reads what is flushed by that; see `flushing.ts`. */
  readonly flush: Statement
  /** As `flush`, for the event at one position: a plan for any number of them would be made anew each time. */
  readonly flushOne: Statement
  readonly readVersions: Statement
  readonly readKeys: Statement
  readonly readIds: Statement
  readonly insertEvents: Statement
  /** As `insertEvents`, if the lock is held and the chain hash $14 is that of the head; $13 is its position. */
  readonly insertBehind: Statement
  readonly insertKeys: Statement
  readonly readHashes: Statement
  readonly readBounds: Statement
  readonly readStreamForwards: Statement
  readonly readStreamBackwards: Statement
  readonly readLog: LogReading
  /** The log without ids, metadata and tags. */
  readonly readLogBriefly: LogReading
  readonly matchByTypeAndCategory: Statement
  readonly matchByTags: Statement
  readonly notify: Statement
  readonly listen: string
  readonly readSnapshot: Statement
  readonly saveSnapshot: Statement
  readonly clearSnapshots: Statement
  readonly countSnapshots: Statement
}

/** Texts for the book in a schema. */
export function logStatements(schema: string): LogStatements {
  const lock = `SELECT pg_advisory_xact_lock(${lockKey(schema)}), set_config('daybook.holds', 'lock', true)`
  const inSchema = (table: string): string => `${quoted(schema)}.${table}`
  const [event, eventIndex, eventTag] = [inSchema('event'), inSchema('event_index'), inSchema('event_tag')]
  const channel = channelOf(schema)
  const ofStream = `
    SELECT ${qualified} FROM ${eventIndex} AS i JOIN ${event} AS e ON e.position = i.position
    WHERE i.stream = $1 AND i.version BETWEEN $2 AND $3 AND ($4::text[] IS NULL OR e.type = ANY ($4))`
  const byTypeAndCategory = `FROM ${event} AS e WHERE e.position > $1 AND e.position <= $2 AND ${matchesItem}`
  const byTags = `
    FROM ${eventTag} AS t JOIN ${event} AS e ON e.position = t.position
    WHERE t.tag = $5 AND t.position > $1 AND t.position <= $2 AND ${matchesItem}
      AND NOT EXISTS (SELECT FROM unnest($6::text[]) AS other
        WHERE NOT EXISTS (SELECT FROM ${eventTag} AS o WHERE o.tag = other COLLATE "C" AND o.position = t.position))`
  return {
    // A statement of its own: one that also read would see the log as it was before the lock was got. Prepared, for its
    // plan takes longer than the lock; the server makes it anew when a schema comes or goes, which the key depends on.
    lock: statement(lock),
    lockBound: statement(`${lock} ${boundBy('')}`),
    lockFlushingLater: statement(`${lock} ${boundBy(", set_config('synchronous_commit', 'off', true)")}`),
    readBook: statement(`SELECT book_id, epoch, home FROM ${inSchema('book')}`),
    readMissingRights: missingRights(inSchema),
    // The bound is a position known to exist: with a partitioned log it leaves out all older partitions.
    readHead: statement(
      `SELECT position, recorded_at_ms, encode(chain_hash, 'hex'), (SELECT encode(chain_hash, 'hex') FROM ${event} WHERE position = $1)
      FROM ${event} WHERE position >= $1 ORDER BY position DESC LIMIT 1`,
    ),
    flush: flushing(event, 'ANY ($1::int8[])'),
    flushOne: flushing(event, '$1'),
    readVersions: statement(`
      SELECT s.stream, i.version FROM unnest($1::text[], $2::int8[]) AS s (stream, least)
      CROSS JOIN LATERAL (SELECT version FROM ${eventIndex}
        WHERE stream = s.stream COLLATE "C" AND version >= s.least ORDER BY version DESC LIMIT 1) AS i`),
    readKeys: statement(`
      SELECT key, fingerprint, first_position, event_count FROM ${inSchema('idempotency_key')}
      WHERE key = ANY ($1)`),
    readIds: statement(`SELECT id FROM ${eventIndex} WHERE id = ANY ($1::uuid[])`),
    insertEvents: statement(insertion(inSchema('event'))),
    insertBehind: statement(`${insertion(inSchema('event'))}
      WHERE current_setting('daybook.holds', true) = 'lock'
        AND (SELECT chain_hash FROM ${event} WHERE position >= $13 ORDER BY position DESC LIMIT 1) = $14::bytea`),
    insertKeys: statement(`
      INSERT INTO ${inSchema('idempotency_key')} (key, fingerprint, first_position, event_count)
      SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[])`),
    readHashes: statement(`
      SELECT encode(leaf_hash, 'hex'), encode(chain_hash, 'hex') FROM ${event}
      WHERE position > $1 ORDER BY position LIMIT $2`),
    readBounds: statement(`
      SELECT b.largest_event_bytes, h.position, encode(h.chain_hash, 'hex') FROM ${inSchema('book')} AS b
      LEFT JOIN LATERAL (SELECT position, chain_hash FROM ${event} WHERE position >= $1
        ORDER BY position DESC LIMIT 1) AS h ON true`),
    readStreamForwards: statement(`${ofStream} ORDER BY i.version LIMIT $5`),
    readStreamBackwards: statement(`${ofStream} ORDER BY i.version DESC LIMIT $5`),
    readLog: logReading(eventColumns, event, byTypeAndCategory, byTags),
    readLogBriefly: logReading(briefColumns.join(', '), event, byTypeAndCategory, byTags),
    matchByTypeAndCategory: statement(`SELECT e.position ${byTypeAndCategory} ORDER BY e.position LIMIT 1`),
    matchByTags: statement(`SELECT t.position ${byTags} ORDER BY t.position LIMIT 1`),
    notify: statement(
      `SELECT set_config('synchronous_commit', 'off', true), pg_notify(${literal(channel)}, '')`,
    ),
    listen: `LISTEN ${quoted(channel)}`,
    ...snapshotStatements(inSchema('snapshot')),
  }
}

function logReading(columns: string, event: string, byTypeAndCategory: string, byTags: string): LogReading {
  const qualified = qualifiedBy(columns)
  return {
    all: statement(`
      SELECT ${qualified} FROM ${event} AS e WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3`),
    byTypeAndCategory: statement(`SELECT ${qualified} ${byTypeAndCategory} ORDER BY e.position LIMIT $5`),
    byTags: statement(`SELECT ${qualified} ${byTags} ORDER BY t.position LIMIT $7`),
  }
}

/** What comes before the lock. OFFSET 0 keeps the settings from being made part of what they come before. */
function boundBy(more: string): string {
  return `FROM (SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
    set_config('client_min_messages', 'warning', true)${more} OFFSET 0) AS settings`
}

// A replica shows only what is on the disk, its own and that of the server it follows. Of warnings see `lockBound`.
function flushing(event: string, positions: string): Statement {
  return statement(`
      SELECT flushed.message, e.position, e.id, encode(e.chain_hash, 'hex'),
        (SELECT position FROM ${event} WHERE position >= $2 ORDER BY position DESC LIMIT 1)
      FROM (SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_logical_emit_message(true, 'daybook', '') END AS message,
          set_config('client_min_messages', 'warning', true)
        OFFSET 0) AS flushed
      LEFT JOIN ${event} AS e ON e.position = ${positions}`)
}

function insertion(event: string): string {
  return `
      INSERT INTO ${event} (${eventColumns}, leaf_hash, chain_hash)
      SELECT * FROM unnest($1::int8[], $2::text[], $3::int8[], $4::text[], $5::int8[], $6::uuid[], $7::json[],
        $8::json[], $9::json[], $10::int8[], $11::bytea[], $12::bytea[])`
}

function qualifiedBy(columns: string): string {
  return columns.replaceAll(/(\w+)/g, 'e.$1')
}

const qualified: string = qualifiedBy(eventColumns)

/** What a user lacks who reads, and appends unless $1 is true, as `INSERT on event`. */
function missingRights(inSchema: (table: string) => string): Statement {
  const tables = (names: readonly string[]): string =>
    names.map((table) => `(${literal(table)}, ${literal(inSchema(table))})`).join(', ')
  const read = tables([
    'book',
    'event',
    'event_index',
    'event_tag',
    'idempotency_key',
    'checkpoint',
    'snapshot',
    'member',
    'parked_event',
    'seen_event',
    'read_model',
  ])
  return statement(`
    SELECT needed || ' on ' || named FROM (
      SELECT 'SELECT' AS needed, named, place FROM (VALUES ${read}) AS read (named, place)
      UNION ALL SELECT 'INSERT', named, place
        FROM (VALUES ${tables(['event', 'idempotency_key'])}) AS write (named, place) WHERE NOT $1::boolean
    ) AS right_needed WHERE NOT has_table_privilege(place, needed) ORDER BY 1`)
}

/** $3 types, $4 categories, or null. The category is what stands before the first hyphen. */
const matchesItem = `
    ($3::text[] IS NULL OR e.type = ANY ($3))
    AND ($4::text[] IS NULL OR split_part(e.stream, '-', 1) = ANY ($4))`

type SnapshotStatement = 'readSnapshot' | 'saveSnapshot' | 'clearSnapshots' | 'countSnapshots'

function snapshotStatements(snapshot: string): Pick<LogStatements, SnapshotStatement> {
  return {
    readSnapshot: statement(`
      SELECT fingerprint, version, position, event_id, state, checksum FROM ${snapshot}
      WHERE stream = $1 AND fold = $2`),
    saveSnapshot: statement(`
      INSERT INTO ${snapshot} AS held (stream, fold, fingerprint, version, position, event_id, state, checksum)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (stream, fold) DO UPDATE SET
        fingerprint = excluded.fingerprint, version = excluded.version, position = excluded.position,
        event_id = excluded.event_id, state = excluded.state, checksum = excluded.checksum
      WHERE excluded.fingerprint <> held.fingerprint OR excluded.version >= held.version`),
    clearSnapshots: statement(`
      WITH cleared AS (DELETE FROM ${snapshot} WHERE $1::text IS NULL OR fold = $1 RETURNING 1)
      SELECT count(*) FROM cleared`),
    countSnapshots: statement(`SELECT count(*) FROM ${snapshot}`),
  }
}

/** A page ends with the row that reaches this many bytes of data and metadata. */
export const pageBytes: number = 4 * 1_048_576

/** A function that makes a statement of another, made once for each. */
function derived<Rest extends readonly unknown[]>(
  make: (text: string, ...rest: Rest) => string,
): (from: Statement, ...rest: Rest) => Statement {
  const made = new Map<string, Statement>()
  return ({ text }, ...rest) => {
    let known = made.get(text)
    if (known === undefined) {
      known = statement(make(text, ...rest))
      made.set(text, known)
    }
    return known
  }
}

/** The rows of a page up to the bound of bytes. */
export const boundedByBytes: (from: Statement, isBrief: boolean) => Statement = derived(
  (text, isBrief: boolean) => {
    const bytes = `octet_length(data::text)${isBrief ? '' : ' + octet_length(metadata::text)'}`
    return `
    SELECT ${isBrief ? briefColumns.join(', ') : eventColumns} FROM (
      SELECT *, row_number() OVER () AS place, sum(${bytes}) OVER (ROWS UNBOUNDED PRECEDING) AS running
      FROM (${text}) AS page) AS counted
    WHERE running - (${bytes}) < ${pageBytes} ORDER BY place`
  },
)

/** The rows of a page in one row, each column as a JSON array: see `core/packed-rows.ts`. */
export const packed: (from: Statement, isBrief: boolean) => Statement = derived((text, isBrief: boolean) => {
  const columns = packedSelection(
    isBrief ? briefColumns : wholeColumns,
    (column) => `json_agg(${column})`,
    (column) => `string_agg(${column}::text, ',')`,
  )
  return `SELECT ${columns} FROM (${text}) AS page`
})

/**
 * Has the process of a connection keep the memory in which it packs pages. The allocator of glibc gives the end of its memory
 * back after each statement, which costs a hundred page faults for the next one, until it has once seen a piece as large as
 * this come back. Elsewhere it does nothing. To put it together from pieces of a thousand, and count bytes, takes a fifth of the time.
 */
export const keepMemory: Statement = statement("SELECT octet_length(repeat(repeat(' ', 1024), 1024))")

/** One lock for each schema of a database; "dybk" in ASCII keeps it apart from locks of others. */
function lockKey(schema: string): string {
  return `(${0x6479626b}::bigint << 32) | (${literal(quoted(schema))}::regnamespace::oid::bigint)`
}

/** Channels are known by name in a whole database; a schema has at most 48 characters. */
function channelOf(schema: string): string {
  return `daybook ${schema}`
}
