import { createHash } from 'node:crypto'
import type { ColumnCondition, DocumentQuery } from '../core/document-query.ts'
import type { ColumnType, ColumnValue, ReadModelShape } from '../core/ports/read-models.ts'
import { literal, quoted, type Statement, statement } from './statements.ts'

/** Every SQL text of read models and checkpoints. */

/** The schema of the read models beside that of the log: there the writer may create tables, and nowhere else. */
export function readSchemaOf(schema: string): string {
  return `${schema}_read`
}

/** Statements on checkpoints. */
export interface CheckpointStatements {
  readonly read: Statement
  readonly readAll: Statement
  readonly start: Statement
  readonly move: Statement
  readonly reset: Statement
  readonly drop: Statement
  /** Whoever makes tables waits for others who do. */
  readonly lockTables: string
}

/** Texts for the book in a schema. */
export function checkpointStatements(schema: string): CheckpointStatements {
  const checkpoint = `${quoted(schema)}.checkpoint`
  return {
    read: statement(
      `SELECT position, epoch, fingerprint, updated_at_ms FROM ${checkpoint} WHERE subscription = $1`,
    ),
    readAll: statement(
      `SELECT position, epoch, fingerprint, updated_at_ms, subscription FROM ${checkpoint} ORDER BY subscription`,
    ),
    start: statement(`
      INSERT INTO ${checkpoint} (subscription, position, epoch, fingerprint, updated_at_ms)
      VALUES ($1, $2, $3, $4, $5) ON CONFLICT (subscription) DO NOTHING`),
    move: statement(`
      UPDATE ${checkpoint} SET position = $3, epoch = $4, fingerprint = $5, updated_at_ms = $6
      WHERE subscription = $1 AND position = $2 AND ${isHeld} RETURNING 1`),
    reset: statement(`
      INSERT INTO ${checkpoint} (subscription, position, epoch, fingerprint, updated_at_ms)
      VALUES ($1, $2, $3, $4, $5) ON CONFLICT (subscription) DO UPDATE SET
        position = excluded.position, epoch = excluded.epoch, fingerprint = excluded.fingerprint,
        updated_at_ms = excluded.updated_at_ms`),
    drop: statement(`DELETE FROM ${checkpoint} WHERE subscription = $1`),
    lockTables: `SELECT pg_advisory_xact_lock(${0x6479626b}, hashtext(${literal(readSchemaOf(schema))}))`,
  }
}

/** $7 owner and $8 token of the lease that must be held, null for none: compared where the checkpoint is moved. */
const isHeld = '($7::text IS NULL OR owner = $7 AND token = $8::bigint)'

/** The types of declared columns. Text compares by bytes, as everywhere in a book. */
export const sqlTypes: { readonly [type in ColumnType]: string } = {
  integer: 'bigint',
  real: 'double precision',
  text: 'text',
  boolean: 'boolean',
}

/** The statements of one version of one read model. */
export interface ReadModelStatements {
  readonly create: string
  /** Each with its name. */
  readonly createIndexes: readonly { readonly name: string; readonly text: string }[]
  /** Names of those of its indexes that are there. */
  readonly readIndexes: Statement
  /** Whoever makes indexes of the table waits for others who do. */
  readonly lockIndexes: string
  /** Lets other members of the writing role write it, and the reading role read it, where there are such roles. */
  readonly share: string
  /** Name and type of the columns that the table has; none when there is no table. */
  readonly columns: Statement
  readonly load: Statement
  /** The documents with the position of the checkpoint: a row at least, where there is a checkpoint. */
  readonly loadFrom: Statement
  readonly change: Statement
  readonly clear: string
  readonly drop: string
}

/** Texts for one read model of the book in a schema. Its names are quoted: they may be words of SQL. */
export function readModelStatements(schema: string, shape: ReadModelShape): ReadModelStatements {
  const name = tableNameOf(shape)
  const table = `${quoted(readSchemaOf(schema))}.${quoted(name)}`
  const indexNames = Object.keys(shape.columns).map((_column, index) => identifier(`${name}_${index + 1}`))
  const columns = Object.entries(shape.columns)
  const declared = columns.map(([column, type]) => `${quoted(column)} ${sqlTypes[type]}${collation(type)}`)
  return {
    create: `CREATE TABLE ${table} (
      ${['key text COLLATE "C" NOT NULL PRIMARY KEY', 'document json NOT NULL', ...declared].join(', ')})`,
    createIndexes: columns.map(([column], index) => {
      const indexName = indexNames[index] ?? ''
      const text = `CREATE INDEX ${quoted(indexName)} ON ${table} (${quoted(column)} NULLS FIRST, key)`
      return { name: indexName, text }
    }),
    readIndexes: statement(`
      SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
      WHERE i.indrelid = to_regclass(${literal(table)})`),
    lockIndexes: `SELECT pg_advisory_xact_lock(${0x6479626b}, hashtext(${literal(table)}))`,
    share: shareWithRoles(schema, table),
    columns: statement(`
      SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
      WHERE attrelid = to_regclass(${literal(table)}) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`),
    load: statement(`SELECT key, document FROM ${table} WHERE key = ANY ($1)`),
    // One statement sees one state of both.
    loadFrom: statement(`
      SELECT t.key, t.document, c.position FROM ${quoted(schema)}.checkpoint AS c
      LEFT JOIN ${table} AS t ON t.key = ANY ($1) WHERE c.subscription = $2`),
    change: statement(changeText(schema, table, columns)),
    clear: `DELETE FROM ${table}`,
    drop: `DROP TABLE IF EXISTS ${table}`,
  }
}

/** `balances_v2`; that of a copy filled anew is `balances_v2_g3`. */
function tableNameOf({ name, version, generation = 1 }: ReadModelShape): string {
  return identifier(generation === 1 ? `${name}_v${version}` : `${name}_v${version}_g${generation}`)
}

/**
 * One statement, so one round trip: the checkpoint moves, and only if it did, documents are deleted and written.
 * $1 subscription, $2 from, $3 to, $4 epoch, $5 fingerprint, $6 time, $7 owner and $8 token of the lease, $9 keys to
 * delete, $10 keys, $11 documents, then an array for each column.
 */
function changeText(
  schema: string,
  table: string,
  columns: readonly (readonly [string, ColumnType])[],
): string {
  const names = ['key', 'document', ...columns.map(([column]) => quoted(column))]
  const arrays = [
    '$10::text[]',
    '$11::json[]',
    ...columns.map(([, type], index) => `$${12 + index}::${sqlTypes[type]}[]`),
  ]
  const assignments = names.slice(1).map((column) => `${column} = excluded.${column}`)
  return `
    WITH moved AS (
      UPDATE ${quoted(schema)}.checkpoint SET position = $3, epoch = $4, fingerprint = $5, updated_at_ms = $6
      WHERE subscription = $1 AND position = $2 AND ${isHeld} RETURNING 1
    ), deleted AS (
      DELETE FROM ${table} WHERE key = ANY ($9::text[]) AND EXISTS (SELECT FROM moved)
    ), written AS (
      INSERT INTO ${table} (${names.join(', ')})
      SELECT * FROM unnest(${arrays.join(', ')}) WHERE EXISTS (SELECT FROM moved)
      ON CONFLICT (key) DO UPDATE SET ${assignments.join(', ')}
    )
    SELECT count(*) FROM moved`
}

/** Whether the user may give a role what it owns. Since PostgreSQL 16 being a member may not be enough. */
export function mayBecome(role: string): string {
  return `pg_has_role(${role}, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END)`
}

function shareWithRoles(schema: string, table: string): string {
  const [owner, writer, reader] = [`${schema}_owner`, `${schema}_writer`, `${schema}_reader`]
  return `DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(reader)}) THEN
      GRANT SELECT ON ${table} TO ${quoted(reader)};
    END IF;
    -- Whoever makes the table need not be able to give it away.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(writer)}) THEN
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${quoted(writer)};
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(owner)}) THEN
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${quoted(owner)};
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(writer)} AND ${mayBecome('oid')}) THEN
      ALTER TABLE ${table} OWNER TO ${quoted(writer)};
    END IF;
  END $$`
}

/** PostgreSQL cuts names off after 63 bytes without a word: a longer one ends in its own hash. */
function identifier(name: string): string {
  if (name.length <= 63) return name
  return `${name.slice(0, 46)}_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
}

function collation(type: ColumnType): string {
  return type === 'text' ? ' COLLATE "C"' : ''
}

const operators: { readonly [operator in Exclude<ColumnCondition['operator'], 'in'>]: string } = {
  eq: '=',
  ne: 'IS DISTINCT FROM',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
}

/** A text with the values of its parameters. */
export interface BoundText {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Selects the documents of a query, in its order. */
export function findDocuments(schema: string, shape: ReadModelShape, query: DocumentQuery): BoundText {
  const { text, values } = fromWhere(schema, shape, query)
  // Nulls come first ascending, and last descending, as the indexes have them.
  const terms = query.orderBy.map(({ column, direction }) => {
    // Its index is of the plain order, and a key is never null.
    if (column === 'key') return direction === 'asc' ? 'key' : 'key DESC'
    return direction === 'asc' ? `${quoted(column)} ASC NULLS FIRST` : `${quoted(column)} DESC NULLS LAST`
  })
  const order = [...terms, 'key'].join(', ')
  return {
    text: `SELECT key, document ${text} ORDER BY ${order} LIMIT $${values.length + 1}`,
    values: [...values, query.limit],
  }
}

/** Counts the documents of a query. */
export function countDocuments(schema: string, shape: ReadModelShape, query: DocumentQuery): BoundText {
  const { text, values } = fromWhere(schema, shape, query)
  return { text: `SELECT count(*) ${text}`, values }
}

function fromWhere(schema: string, shape: ReadModelShape, query: DocumentQuery): BoundText {
  const values: unknown[] = []
  const conditions = query.where.map((condition) => conditionText(shape, condition, values))
  const table = `${quoted(readSchemaOf(schema))}.${quoted(tableNameOf(shape))}`
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  return { text: `FROM ${table} ${where}`, values }
}

/** One condition; adds its value to the parameters. `= NULL` would be neither true nor able to use an index. */
function conditionText(shape: ReadModelShape, condition: ColumnCondition, values: unknown[]): string {
  const { column, operator, value } = condition
  const type = sqlTypes[shape.columns[column] ?? 'text']
  if (operator === 'in') {
    values.push((value as readonly ColumnValue[]).filter((single) => single !== null))
    const among = `${quoted(column)} = ANY ($${values.length}::${type}[])`
    return (value as readonly ColumnValue[]).includes(null)
      ? `(${among} OR ${quoted(column)} IS NULL)`
      : among
  }
  if (operator === 'eq' && value === null) return `${quoted(column)} IS NULL`
  values.push(value)
  return `${quoted(column)} ${operators[operator]} $${values.length}::${type}`
}
