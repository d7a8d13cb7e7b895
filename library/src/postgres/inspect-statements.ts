import { readSchemaOf } from './read-model-statements.ts'
import { literal, quoted, type Statement, statement } from './statements.ts'

/** What an administrator may run to end a process and its transaction. */
export function endProcess(pid: number): string {
  return `SELECT pg_terminate_backend(${pid})`
}

/** What ends a transaction that was prepared, with its name behind it. */
export const rollbackPrepared = 'ROLLBACK PREPARED'

/** Every SQL text of looking at a book and its server from outside; none of them changes anything. */
export interface InspectStatements {
  /** Bytes of the log with its indexes, its partitions, the number of the newest migration. */
  readonly readSize: Statement
  /** What the user is to the log: superuser, member of its owner, one who may append, member of the role of readers. */
  readonly readUser: Statement
  /** The settings with which appends are not durable, and where each was set. */
  readonly readUnsafe: Statement
  /** Connections in use, and how many the server allows to users without special rights. */
  readonly readConnections: Statement
  /** The transactions of the database that have been open longest, and for how long they have done nothing. */
  readonly readTransactions: Statement
  /** Dead and living rows of the tables that are updated, and when they were last vacuumed. */
  readonly readDerived: Statement
  /** What of the schema is missing or switched off: kind, table, name. */
  readonly readAltered: Statement
  /** Replicas that receive the log of the server, of whatever kind. */
  readonly countReplicas: Statement
  /** Tags of events beyond position $1 that `event_tag` lacks; from 0 on also the entries that it has in excess. */
  readonly countTagFaults: Statement
  /** The same of `event_index`. */
  readonly countIndexFaults: Statement
}

/** Texts for the book in a schema. */
export function inspectStatements(schema: string): InspectStatements {
  const inSchema = (table: string): string => `${quoted(schema)}.${table}`
  const event = inSchema('event')
  const beside = ['event_index', 'event_tag', 'idempotency_key'].map(inSchema)
  return {
    readSize: statement(`
      SELECT (SELECT sum(pg_total_relation_size(oid)) FROM (${tablesOf(event)}) AS log)
          + ${beside.map((table) => `pg_total_relation_size(${literal(table)})`).join(' + ')},
        (SELECT count(*) FROM pg_inherits WHERE inhparent = ${literal(event)}::regclass),
        (SELECT max(number) FROM ${inSchema('migration')})`),
    readUser: statement(`
      SELECT r.rolsuper, pg_has_role(c.relowner, 'USAGE'), has_table_privilege(c.oid, 'INSERT'),
        (SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = ${literal(`${schema}_reader`)})
      FROM pg_class AS c, pg_roles AS r WHERE c.oid = ${literal(event)}::regclass AND r.rolname = current_user`),
    readUnsafe: statement(`
      SELECT name, source FROM pg_settings
      WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes') AND setting = 'off' ORDER BY name`),
    readConnections: statement(`
      SELECT (SELECT sum(numbackends) FROM pg_stat_database),
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
          - coalesce(current_setting('reserved_connections', true)::int, 0)`),
    readTransactions: statement(`
      SELECT pid, application_name, usename, state,
        round(extract(epoch FROM clock_timestamp() - xact_start) * 1000),
        CASE WHEN state LIKE 'idle in transaction%'
          THEN round(extract(epoch FROM clock_timestamp() - state_change) * 1000) END
      FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
        AND backend_type = 'client backend'
      ORDER BY xact_start LIMIT 5`),
    readDerived: statement(`
      SELECT sum(n_dead_tup), sum(n_live_tup), max(greatest(last_vacuum, last_autovacuum))::timestamptz(0)
      FROM pg_stat_all_tables
      WHERE schemaname = ${literal(readSchemaOf(schema))}
        OR schemaname = ${literal(schema)} AND relname = ANY ('{${derivedTables.join()}}')`),
    readAltered: readAltered(schema),
    countReplicas: statement('SELECT count(*) FROM pg_stat_replication'),
    ...faults(event, inSchema('event_index'), inSchema('event_tag')),
  }
}

/** The table of the log and its partitions. */
function tablesOf(event: string): string {
  return `SELECT ${literal(event)}::regclass::oid AS oid
    UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = ${literal(event)}::regclass`
}

/** Those that are updated and deleted from. */
const derivedTables = ['checkpoint', 'snapshot', 'member', 'parked_event', 'seen_event', 'read_model']
const tables = ['event', 'event_index', 'event_tag', 'idempotency_key', 'book', ...derivedTables]
const protectedTables = ['event_index', 'event_tag', 'idempotency_key']

/**
 * Primary keys are looked for by table, since that of the log has another name once it is partitioned; triggers by the
 * function that they call. `tgtype` has the bits 4 for INSERT, 8 for DELETE, 16 for UPDATE and 32 for TRUNCATE; a
 * trigger that fires as it should is enabled as `O` (by default) or `A` (always).
 */
function readAltered(schema: string): Statement {
  const namespace = `${literal(quoted(schema))}::regnamespace`
  const functionOf = (name: string): string => `to_regproc(${literal(`${quoted(schema)}.${name}`)})`
  const list = (names: readonly string[]): string => names.map((name) => `(${literal(name)})`).join(', ')
  return statement(`
    WITH part AS (
      SELECT c.oid, c.relname FROM pg_class AS c JOIN (
        ${tablesOf(`${quoted(schema)}.event`)}
        UNION SELECT oid FROM pg_class WHERE relnamespace = ${namespace} AND relname = ANY ('{${protectedTables.join()}}')
      ) AS kept ON kept.oid = c.oid)
    SELECT 'primary key', wanted.name, NULL FROM (VALUES ${list(tables)}) AS wanted (name)
      WHERE NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_index AS i ON i.indrelid = c.oid
        WHERE c.relnamespace = ${namespace} AND c.relname = wanted.name AND i.indisprimary AND i.indisvalid)
    UNION ALL SELECT 'constraint', 'event_index', 'event_index_id_key' WHERE NOT EXISTS (
      SELECT FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid
      WHERE c.relnamespace = ${namespace} AND c.relname = 'event_index_id_key' AND i.indisunique AND i.indisvalid)
    UNION ALL SELECT 'trigger', 'event', 'event_recorded' WHERE NOT EXISTS (
      SELECT FROM pg_class AS c JOIN pg_trigger AS t ON t.tgrelid = c.oid
      WHERE c.relnamespace = ${namespace} AND c.relname = 'event' AND t.tgfoid = ${functionOf('event_recorded')}
        AND t.tgenabled IN ('O', 'A') AND t.tgtype & 4 = 4)
    UNION ALL SELECT 'trigger', part.relname, 'refuse_change' FROM part WHERE NOT EXISTS (
      SELECT FROM pg_trigger AS t WHERE t.tgrelid = part.oid AND t.tgfoid = ${functionOf('refuse_change')}
        AND t.tgenabled IN ('O', 'A') AND t.tgtype & 56 = 56)`)
}

function faults(
  event: string,
  eventIndex: string,
  eventTag: string,
): Pick<InspectStatements, 'countTagFaults' | 'countIndexFaults'> {
  const tagged = `${event} AS e, json_array_elements_text(e.tags) AS given (tag)`
  return {
    countTagFaults: statement(`
      SELECT (SELECT count(*) FROM ${tagged} WHERE e.position > $1 AND NOT EXISTS (
          SELECT FROM ${eventTag} AS t WHERE t.tag = given.tag COLLATE "C" AND t.position = e.position)),
        CASE WHEN $1 > 0 THEN 0 ELSE (SELECT count(*) FROM (SELECT tag, position FROM ${eventTag}
          EXCEPT SELECT given.tag COLLATE "C", e.position FROM ${tagged}) AS extra) END`),
    countIndexFaults: statement(`
      SELECT (SELECT count(*) FROM ${event} AS e WHERE e.position > $1 AND NOT EXISTS (
          SELECT FROM ${eventIndex} AS i WHERE i.stream = e.stream AND i.version = e.version
            AND i.id = e.id AND i.position = e.position)),
        CASE WHEN $1 > 0 THEN 0 ELSE (SELECT count(*) FROM ${eventIndex} AS i WHERE NOT EXISTS (
          SELECT FROM ${event} AS e WHERE e.position = i.position AND e.stream = i.stream
            AND e.version = i.version AND e.id = i.id)) END`),
  }
}

/**
 * Makes the server write 4 MB to a temporary file, since no user may ask how much room its disk has. Two statements in
 * one message are one transaction, so the setting is gone afterwards.
 */
export const writeTemporaryFile = `SET LOCAL work_mem = '64kB';
  SELECT max(length(filler)) FROM (
    SELECT place, repeat('x', 1000 + place % 7) AS filler FROM generate_series(1, 4000) AS place
    ORDER BY place DESC OFFSET 0) AS spilled`
