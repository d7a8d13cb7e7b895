import { Pool, type PoolClient } from 'pg'
import { actor, movementEvent } from '../bank.ts'
import { check } from '../self-check.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS event (
    position bigserial PRIMARY KEY, stream text NOT NULL, version int NOT NULL, type text NOT NULL,
    data jsonb NOT NULL, metadata jsonb NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream, version)
  )`

const begin = 'BEGIN'
const commit = 'COMMIT'
const rollback = 'ROLLBACK'
const readVersion = 'SELECT coalesce(max(version), 0) FROM event WHERE stream = $1'
const insert = 'INSERT INTO event (stream, version, type, data, metadata) VALUES ($1, $2, $3, $4, $5)'
const insertMany = `
  INSERT INTO event (stream, version, type, data, metadata)
  SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::jsonb[], $5::jsonb[])`
const readStream = 'SELECT type, data FROM event WHERE stream = $1 ORDER BY version'
const uniqueViolation = '23505'

/** An event for the plain log. */
export interface PlainRow {
  readonly stream: string
  readonly version: number
  readonly type: string
  readonly data: object
}

/** An event as the plain log reads it. */
export interface PlainEvent {
  readonly type: string
  readonly data: { readonly cents: number }
}

/**
 * The pattern that everybody writes on PostgreSQL: a pool of `pg`, and for each append BEGIN, the stream's version,
 * INSERT, COMMIT, one statement after the other. Positions come from a sequence, so they are not in commit order and
 * have gaps; nothing is hashed. Statements have no names, so the server plans each anew, unless they are asked for.
 */
export class PlainLog {
  readonly pool: Pool
  readonly #isPrepared: boolean

  private constructor(url: string, connections: number, isPrepared: boolean) {
    this.pool = new Pool({ connectionString: url, max: connections, idleTimeoutMillis: 0 })
    this.pool.on('error', () => undefined)
    this.#isPrepared = isPrepared
  }

  /** Opens the log at an address, and makes it in a database that has none. */
  static async open(url: string, connections: number, isPrepared = false): Promise<PlainLog> {
    const log = new PlainLog(url, connections, isPrepared)
    await log.pool.query(schema)
    return log
  }

  /** One durable transaction; false, and nothing written, when the stream is not at the version before the row's. */
  append(row: PlainRow): Promise<boolean> {
    return this.#transact(row, (client) => this.#insert(client, row))
  }

  /** The same, with a statement of the application's own in the transaction. */
  appendWith(row: PlainRow, work: (client: PoolClient) => Promise<unknown>): Promise<boolean> {
    return this.#transact(row, async (client) => {
      await work(client)
      await this.#insert(client, row)
    })
  }

  /** The same with several rows of one stream, inserted one after the other. */
  appendRows(rows: readonly [PlainRow, ...PlainRow[]]): Promise<boolean> {
    return this.#transact(rows[0], async (client) => {
      for (const row of rows) await this.#insert(client, row)
    })
  }

  /** One durable transaction and one statement for all rows; nothing is looked up. */
  async appendBatch(rows: readonly PlainRow[]): Promise<void> {
    await this.pool.query({
      name: 'insert many',
      text: insertMany,
      values: [
        rows.map(({ stream }) => stream),
        rows.map(({ version }) => version),
        rows.map(({ type }) => type),
        rows.map(({ data }) => JSON.stringify(data)),
        rows.map(() => metadata),
      ],
    })
  }

  /** All events of a stream. */
  async read(stream: string): Promise<readonly PlainEvent[]> {
    const { rows } = await this.pool.query<PlainEvent>({
      ...this.#named('read', readStream),
      values: [stream],
    })
    return rows
  }

  /** Closes, after making sure that all of it is there and was written durably. */
  async close(expectedEvents: number): Promise<void> {
    const { rows } = await this.pool.query<{ count: string; durability: string }>(
      `SELECT count(*), current_setting('synchronous_commit') AS durability FROM event`,
    )
    await this.pool.end()
    const [row] = rows
    check(
      Number(row?.count) === expectedEvents,
      `the plain log has ${row?.count} events, not ${expectedEvents}`,
    )
    check(row?.durability === 'on', `the plain log was written with synchronous_commit = ${row?.durability}`)
  }

  async #transact(first: PlainRow, work: (client: PoolClient) => Promise<void>): Promise<boolean> {
    const client = await this.pool.connect()
    try {
      await client.query(begin)
      const { rows } = await client.query<number[]>({
        ...this.#named('version', readVersion),
        values: [first.stream],
        rowMode: 'array',
      })
      if (rows[0]?.[0] !== first.version - 1) {
        await client.query(rollback)
        return false
      }
      await work(client)
      await client.query(commit)
      return true
    } catch (error) {
      await client.query(rollback)
      if ((error as { readonly code?: string }).code === uniqueViolation) return false
      throw error
    } finally {
      client.release()
    }
  }

  async #insert(client: PoolClient, { stream, version, type, data }: PlainRow): Promise<void> {
    await client.query({
      ...this.#named('insert', insert),
      values: [stream, version, type, data, metadata],
    })
  }

  #named(name: string, text: string): { readonly name?: string; readonly text: string } {
    return this.#isPrepared ? { name, text } : { text }
  }
}

const metadata = JSON.stringify({ actor, correlationId: '01980000-0000-7000-8000-000000000000' })

/** The nth event as a row. */
export function plainRow(index: number, stream: string, version: number): PlainRow {
  const { type, data } = movementEvent(index)
  return { stream, version, type, data }
}
