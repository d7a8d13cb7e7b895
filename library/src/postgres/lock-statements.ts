import { literal, quoted, type Statement, statement } from './statements.ts'

/** What of a lock's key stands for Daybook, and what for the schema: see `LogStatements.lock`. */
const daybookClass = 0x6479626b

/**
 * Who holds the log's lock, and how many wait for it. `pg_locks` shows a key of 64 bits as its two halves, with
 * `objsubid` 1. A prepared transaction holds its locks without a process, the one on its own number among them.
 * Users without the rights of `pg_read_all_stats` see no state and no times of the sessions of other users.
 */
export function readLockHolders(schema: string): Statement {
  return statement(`
    WITH lock AS (
      SELECT pid, granted, virtualtransaction FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 1 AND classid = ${daybookClass}
        AND objid = ${literal(quoted(schema))}::regnamespace
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT lock.pid, coalesce(a.usename, p.owner), nullif(a.application_name, ''), host(a.client_addr), p.gid, a.state,
      a.wait_event_type, a.wait_event,
      round(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)) * 1000),
      round(extract(epoch FROM clock_timestamp() - coalesce(a.state_change, p.prepared)) * 1000),
      array_to_string(pg_blocking_pids(lock.pid), ','),
      (SELECT count(*) FROM lock WHERE NOT granted)
    FROM lock LEFT JOIN pg_stat_activity AS a ON a.pid = lock.pid
      LEFT JOIN pg_locks AS own ON lock.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
        AND own.virtualtransaction = lock.virtualtransaction
      LEFT JOIN pg_prepared_xacts AS p ON p.transaction = own.transactionid
    WHERE lock.granted`)
}
