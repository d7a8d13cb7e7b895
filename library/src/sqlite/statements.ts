import type { ColumnCondition, DocumentQuery } from '../core/document-query.ts'
import { briefColumns, packedSelection } from '../core/packed-rows.ts'
import type { ColumnType, ReadModelShape } from '../core/ports/read-models.ts'

/** Every SQL text of this store, by name. Nothing else in this room writes SQL. */

export const begin = 'BEGIN IMMEDIATE'
export const commit = 'COMMIT'
export const rollback = 'ROLLBACK'

export const savepoint = 'SAVEPOINT daybook_append'
export const releaseSavepoint = 'RELEASE daybook_append'
export const rollbackToSavepoint = 'ROLLBACK TO daybook_append; RELEASE daybook_append'

/** Settings of a connection; see `connection.ts` for why. */
export const settings = `
  PRAGMA temp_store = MEMORY;
  PRAGMA mmap_size = 0;
  PRAGMA secure_delete = ON;
  PRAGMA cache_size = -65536;
  PRAGMA trusted_schema = OFF;
  PRAGMA fullfsync = ON;
  PRAGMA checkpoint_fullfsync = ON;
  PRAGMA journal_size_limit = 67108864;`
/** For who reads the log once, from end to end: filling a larger cache takes longer than reading what is in it. */
export const smallCache = 'PRAGMA cache_size = -2048'
export const useWal = 'PRAGMA journal_mode = WAL'
export const syncOnCommit = 'PRAGMA synchronous = FULL'
export const syncOnCheckpoint = 'PRAGMA synchronous = NORMAL'
export const syncNever = 'PRAGMA synchronous = OFF'
export const readSynchronous = 'PRAGMA synchronous'
/** What `PRAGMA synchronous` says for FULL. */
export const fullSynchronous = 2
export const readJournalMode = 'PRAGMA journal_mode'
export const readSchemaVersion = 'PRAGMA user_version'
export const readDataVersion = 'PRAGMA data_version'
/** Tags of events that the tag index lacks, and entries of the index that no event has. */
export const countTagFaults = `
  SELECT (SELECT count(*) FROM (
      SELECT value, position FROM event, json_each(event.tags) EXCEPT SELECT tag, position FROM event_tag)),
    (SELECT count(*) FROM (
      SELECT tag, position FROM event_tag EXCEPT SELECT value, position FROM event, json_each(event.tags)))`
export const quickCheck = 'PRAGMA quick_check(1)'
/** In one statement: another process may make the file a book between two. */
export const readSchema = `
  SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
  FROM pragma_application_id, pragma_user_version`
/** "Dybk" in ASCII: marks the file as a book. */
export const applicationId = 0x4479626b
export const markAsBook: string = `PRAGMA application_id = ${applicationId}`
export const setSchemaVersion = (version: number): string => `PRAGMA user_version = ${Math.trunc(version)}`

export const insertBook = 'INSERT INTO book VALUES (1, ?, 1, ?, 0)'
export const readBook = 'SELECT book_id, epoch FROM book'
export const readLargestEvent = 'SELECT largest_event_bytes FROM book'
export const raiseLargestEvent = 'UPDATE book SET largest_event_bytes = ?1 WHERE largest_event_bytes < ?1'

export const readHead =
  'SELECT position, recorded_at_ms, chain_hash FROM event ORDER BY position DESC LIMIT 1'
export const readHashes =
  'SELECT leaf_hash, chain_hash FROM event WHERE position > ? ORDER BY position LIMIT ?'
/** One statement for all streams of a batch: a seek into (stream, version) for each. */
export const readVersions = `
  SELECT value, (SELECT max(version) FROM event WHERE stream = value) FROM json_each(?)`
export const readKeys = `
  SELECT key, fingerprint, first_position, event_count FROM idempotency_key
  WHERE key IN (SELECT value FROM json_each(?))`
export const readIds = 'SELECT id FROM event WHERE id IN (SELECT value FROM json_each(?))'

export const insertEvent = 'INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
export const insertTag = 'INSERT INTO event_tag VALUES (?, ?)'
export const insertKey = 'INSERT INTO idempotency_key VALUES (?, ?, ?, ?)'

const eventColumns =
  'position, stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms'

const ofStream = `
  SELECT ${eventColumns} FROM event
  WHERE stream = ?1 AND version BETWEEN ?2 AND ?3
    AND (?4 IS NULL OR type IN (SELECT value FROM json_each(?4)))`
export const readStreamForwards: string = `${ofStream} ORDER BY version LIMIT ?5`
export const readStreamBackwards: string = `${ofStream} ORDER BY version DESC LIMIT ?5`

/** ?3 types, ?4 categories, each a JSON array or null. The category is what stands before the first hyphen. */
const matchesItem = `
    (?3 IS NULL OR type IN (SELECT value FROM json_each(?3)))
    AND (?4 IS NULL OR substr(stream, 1, instr(stream, '-') - 1) IN (SELECT value FROM json_each(?4)))`
const byTypeAndCategory = `FROM event WHERE position > ?1 AND position <= ?2 AND ${matchesItem}`
/** ?5 the first tag, ?6 the others as a JSON array. CROSS JOIN keeps the tag index as the outer loop. */
const byTags = `
  FROM event_tag AS first CROSS JOIN event USING (position)
  WHERE first.tag = ?5 AND first.position > ?1 AND first.position <= ?2 AND ${matchesItem}
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?6) AS other
      WHERE NOT EXISTS (SELECT 1 FROM event_tag WHERE tag = other.value AND position = first.position))`
/** Reading the log in the columns given: all of it, or what matches an item. */
export interface LogReading {
  readonly all: string
  readonly byTypeAndCategory: string
  readonly byTags: string
}
export const readLog: LogReading = logReading(eventColumns)
export const readLogBriefly: LogReading = logReading(briefColumns.join(', '))
/** A brief page in one row: how many rows, the last position, each column as a JSON array. See `core/packed-rows.ts`. */
export const readLogPacked: LogReading = {
  all: packed(readLogBriefly.all),
  byTypeAndCategory: packed(readLogBriefly.byTypeAndCategory),
  byTags: packed(readLogBriefly.byTags),
}

function logReading(columns: string): LogReading {
  return {
    all: `SELECT ${columns} FROM event WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3`,
    byTypeAndCategory: `SELECT ${columns} ${byTypeAndCategory} ORDER BY position LIMIT ?5`,
    byTags: `SELECT ${columns} ${byTags} ORDER BY first.position LIMIT ?7`,
  }
}

function packed(brief: string): string {
  const columns = packedSelection(
    briefColumns,
    (column) => `json_group_array(${column})`,
    (column) => `group_concat(${column}, ',')`,
  )
  return `SELECT count(*), max(position), ${columns} FROM (${brief})`
}

export const matchByTypeAndCategory: string = `SELECT position ${byTypeAndCategory} ORDER BY position LIMIT 1`
export const matchByTags: string = `SELECT first.position ${byTags} ORDER BY first.position LIMIT 1`

export const readSnapshot = `
  SELECT stream, fold, fingerprint, version, position, event_id, state, checksum FROM snapshot
  WHERE stream = ? AND fold = ?`
export const saveSnapshot = `
  INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (stream, fold) DO UPDATE SET
    fingerprint = excluded.fingerprint, version = excluded.version, position = excluded.position,
    event_id = excluded.event_id, state = excluded.state, checksum = excluded.checksum
  WHERE excluded.fingerprint <> fingerprint OR excluded.version >= version`
export const clearSnapshots = 'DELETE FROM snapshot WHERE ?1 IS NULL OR fold = ?1'
export const countSnapshots = 'SELECT count(*) FROM snapshot'

export const readCheckpoint = `
  SELECT position, epoch, fingerprint, updated_at_ms FROM checkpoint WHERE subscription = ?`
export const readCheckpoints = `
  SELECT subscription, position, epoch, fingerprint, updated_at_ms FROM checkpoint ORDER BY subscription`
const insertCheckpoint = `
  INSERT INTO checkpoint (subscription, position, epoch, fingerprint, updated_at_ms) VALUES (?, ?, ?, ?, ?)`
export const startCheckpoint: string = `${insertCheckpoint} ON CONFLICT DO NOTHING`
/** ?7 owner and ?8 token of the lease that must be held, null for none: compared where the checkpoint is moved. */
export const moveCheckpoint = `
  UPDATE checkpoint SET position = ?3, epoch = ?4, fingerprint = ?5, updated_at_ms = ?6
  WHERE subscription = ?1 AND position = ?2 AND (?7 IS NULL OR owner = ?7 AND token = ?8)`
export const resetCheckpoint: string = `${insertCheckpoint}
  ON CONFLICT DO UPDATE SET position = excluded.position, epoch = excluded.epoch,
    fingerprint = excluded.fingerprint, updated_at_ms = excluded.updated_at_ms`
export const dropCheckpoint = 'DELETE FROM checkpoint WHERE subscription = ?'

export const sqlTypes: { readonly [type in ColumnType]: string } = {
  integer: 'INTEGER',
  real: 'REAL',
  text: 'TEXT',
  boolean: 'INTEGER',
}
const sqlOperators: { readonly [operator in ColumnCondition['operator']]: string } = {
  eq: 'IS',
  ne: 'IS NOT',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
  in: 'IN',
}

/** The statements of one read model. Its names were checked when the projection was defined, and are quoted here. */
export function readModelStatements(shape: ReadModelShape): ReadModelStatements {
  const name = tableOf(shape)
  const table = quoted(name)
  const columns = Object.entries(shape.columns)
  const names = columns.map(([column]) => quoted(column))
  const assignments = ['document', ...names].map((column) => `${column} = excluded.${column}`)
  return {
    create: `CREATE TABLE IF NOT EXISTS ${table} (
        ${['key TEXT NOT NULL PRIMARY KEY', 'document TEXT NOT NULL', ...columns.map(([column, type]) => `${quoted(column)} ${sqlTypes[type]}`)].join(', ')}
      ) STRICT`,
    createIndexes: columns.map(([column]) => {
      const index = quoted(`${name} ${column}`)
      return `CREATE INDEX IF NOT EXISTS ${index} ON ${table} (${quoted(column)}, key)`
    }),
    load: `SELECT key, document FROM ${table} WHERE key IN (SELECT value FROM json_each(?))`,
    loadFrom: `SELECT t.key, t.document, c.position FROM checkpoint AS c
      LEFT JOIN ${table} AS t ON t.key IN (SELECT value FROM json_each(?1)) WHERE c.subscription = ?2`,
    columns: `SELECT name, type FROM pragma_table_info('${name}')`,
    upsert: `INSERT INTO ${table} (${['key', 'document', ...names].join(', ')}) VALUES (${['?', '?', ...names.map(() => '?')].join(', ')})
      ON CONFLICT (key) DO UPDATE SET ${assignments.join(', ')}`,
    delete: `DELETE FROM ${table} WHERE key = ?`,
    clear: `DELETE FROM ${table}`,
    drop: `DROP TABLE IF EXISTS ${table}`,
  }
}

/** `read:balances@2`; that of a copy filled anew is `read:balances@2.3`. */
function tableOf({ name, version, generation = 1 }: ReadModelShape): string {
  return generation === 1 ? `read:${name}@${version}` : `read:${name}@${version}.${generation}`
}

export interface ReadModelStatements {
  readonly create: string
  readonly createIndexes: readonly string[]
  /** Name and type of the columns the table has. */
  readonly columns: string
  readonly load: string
  /** The documents with the position of the checkpoint: a row at least, where there is a checkpoint. */
  readonly loadFrom: string
  readonly upsert: string
  readonly delete: string
  readonly clear: string
  readonly drop: string
}

/** Selects documents, or counts them; the parameters are the conditions' values, then the limit. */
export function findDocuments(shape: ReadModelShape, query: DocumentQuery): string {
  const order = [...query.orderBy, { column: 'key', direction: 'asc' as const }]
  const terms = order.map(
    ({ column, direction }) => `${quoted(column)} ${direction === 'asc' ? 'ASC' : 'DESC'}`,
  )
  return `SELECT key, document ${fromWhere(shape, query)} ORDER BY ${terms.join(', ')} LIMIT ?`
}

export function countDocuments(shape: ReadModelShape, query: DocumentQuery): string {
  return `SELECT count(*) ${fromWhere(shape, query)}`
}

function fromWhere(shape: ReadModelShape, query: DocumentQuery): string {
  const conditions = query.where.map(({ column, operator }) => {
    const value = operator === 'in' ? '(SELECT value FROM json_each(?))' : '?'
    return `${quoted(column)} ${sqlOperators[operator]} ${value}`
  })
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  return `FROM ${quoted(tableOf(shape))} ${where}`
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}
