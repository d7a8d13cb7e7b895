import { literal, quoted, type Statement, statement } from './statements.ts'

/** Every SQL text of switching partitions on; what makes the next ones is in `migrations/002-partitions.sql`. */
export interface PartitionStatements {
  /**
   * Events in a partition, or null; the first position beyond the coming first partition, or null when that is not
   * prepared; whether it was validated; the head.
   */
  readonly readState: Statement
  /** Bounds the events of the coming first partition, and with `NOT VALID` looks at none of those that are there. */
  readonly prepare: (beyond: number, validity: '' | 'NOT VALID') => string
  /** Looks at all of them, while others read and append. */
  readonly validate: string
  /** Waits for all who read, and keeps others waiting meanwhile: to be given a short time-out before. */
  readonly lockTable: string
  /** Makes the table the first partition of a new one of its name. */
  readonly switchOver: (events: number) => string
  readonly resize: Statement
  /** $1 a position that there must be a partition for; answers at which position the next are due. */
  readonly extend: Statement
  /** At which position the next partitions are due, or null. */
  readonly readDue: Statement
  /** The partitions by their place: name, first position, last position. */
  readonly list: Statement
}

/** Texts for the book in a schema. */
export function partitionStatements(schema: string): PartitionStatements {
  const name = quoted(schema)
  const event = `${name}.event`
  return {
    readState: statement(`
      SELECT partition_events, substring(pg_get_constraintdef(c.oid) FROM '[0-9]+'), c.convalidated,
        (SELECT coalesce(max(position), 0) FROM ${event})
      FROM ${name}.book LEFT JOIN pg_constraint AS c
        ON c.conrelid = ${literal(event)}::regclass AND c.conname = 'event_bound'`),
    prepare: (beyond, validity) =>
      `ALTER TABLE ${event} ADD CONSTRAINT event_bound CHECK (position < ${Math.trunc(beyond)}) ${validity}`,
    validate: `ALTER TABLE ${event} VALIDATE CONSTRAINT event_bound`,
    lockTable: `LOCK TABLE ${event} IN ACCESS EXCLUSIVE MODE`,
    switchOver: (events) => switchOver(name, event, events),
    resize: statement(`UPDATE ${name}.book SET partition_events = $1`),
    extend: statement(`SELECT ${name}.extend_partitions($1)`),
    readDue: statement(`SELECT ${name}.partitions_due()`),
    list: statement(`
      SELECT c.relname,
        substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM [(]''([0-9]+)''[)]'),
        substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO [(]''([0-9]+)''[)]')::bigint - 1
      FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
      WHERE i.inhparent = to_regclass(${literal(event)}) ORDER BY 3`),
  }
}

/** At most this long do those who read wait for the switch to get its lock, in ms; it then tries again later. */
export const switchLockTimeoutMs = 200

/** To be run in a transaction before `prepare` and `lockTable`. */
export const waitShortly: string = `SET LOCAL lock_timeout = ${switchLockTimeoutMs}`

/** To be run in a transaction before `validate`, which takes as long as reading the log. */
export const waitForReading = 'SET LOCAL statement_timeout = 0'

/**
 * The validated constraint proves that every event lies in the first partition, so that attaching it reads none of
 * them. Triggers of statements belong to the table that a statement names: what is appended to the log goes through
 * the log's own, and the ones of a partition refuse whoever names the partition.
 */
function switchOver(name: string, event: string, events: number): string {
  const first = `${name}.event_1`
  return `DO $$
DECLARE
  beyond bigint := (SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint FROM pg_constraint
    WHERE conrelid = ${literal(event)}::regclass AND conname = 'event_bound');
  held   record;
BEGIN
  ALTER TABLE ${event} RENAME TO event_1;
  ALTER INDEX ${name}.event_pkey RENAME TO event_1_pkey;
  CREATE TABLE ${event} (LIKE ${first} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (position);
  EXECUTE concat('ALTER TABLE ${event} OWNER TO ',
    (SELECT relowner::regrole FROM pg_class WHERE oid = ${literal(first)}::regclass));
  ALTER TABLE ${event} DROP CONSTRAINT event_bound;
  ALTER TABLE ${event} ADD CONSTRAINT event_pkey PRIMARY KEY (position);
  EXECUTE format('ALTER TABLE ${event} ATTACH PARTITION ${first}
    FOR VALUES FROM (MINVALUE) TO (%s)', beyond);
  ALTER TABLE ${first} DROP CONSTRAINT event_bound;

  DROP TRIGGER event_recorded ON ${first};
  DROP TRIGGER event_no_change ON ${first};
  CREATE TRIGGER event_1_no_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${first}
    FOR EACH STATEMENT EXECUTE FUNCTION ${name}.refuse_change();
  CREATE TRIGGER event_recorded AFTER INSERT ON ${event}
    REFERENCING NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION ${name}.event_recorded();
  CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ${event}
    FOR EACH STATEMENT EXECUTE FUNCTION ${name}.refuse_change();

  FOR held IN
    SELECT relowner::regrole::text AS owner, privilege_type, is_grantable,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = ${literal(first)}::regclass AND grantee <> relowner
  LOOP
    EXECUTE concat('GRANT ', held.privilege_type, ' ON ${event} TO ', held.grantee,
      CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' END);
    EXECUTE concat('REVOKE ALL ON ${first} FROM ', held.grantee);
  END LOOP;
  UPDATE ${name}.book SET partition_events = ${Math.trunc(events)};
  PERFORM ${name}.extend_partitions(0);
END $$`
}
