import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import pg, { Client } from 'pg'
import { type Book, isDaybookError, openBook } from '../index.ts'
import type { PostgresSettings } from './driver.ts'
import { migratePostgres, partitionPostgres, postgres } from './index.ts'

const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['postgres', await testServer()],
  ...(debian === undefined ? [] : [['postgres 15', await testServer({ binaries: debian })] as const]),
]

const happened = { type: 'Happened', data: {} }

for (const [name, server] of servers) {
  describe(`partitions on ${name}`, () => {
    let url: string
    let schema: string
    let book: Book
    let client: Client

    after(() => server.dispose())
    beforeEach(async () => {
      const database = await server.createDatabase()
      url = server.url(database)
      schema = database
      await migratePostgres(url, { schema, roles: true })
      book = await openBook({ store: postgres(url, { schema }) })
      client = new Client({ connectionString: url, options: `-c search_path=${schema}` })
      await client.connect()
    })
    afterEach(async () => {
      await book.close()
      await client.end()
    })

    async function column<Value>(text: string): Promise<readonly Value[]> {
      const { rows } = await client.query<[Value]>({ text, rowMode: 'array' })
      return rows.map(([value]) => value)
    }

    async function append(count: number): Promise<void> {
      await book.append(
        'thing-1',
        Array.from({ length: count }, () => happened),
      )
    }

    /** Events that no store has written, for there to be many of them soon. */
    async function fill(first: number, last: number): Promise<void> {
      await client.query(`
        INSERT INTO event (position, stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms,
          leaf_hash, chain_hash)
        SELECT p, 'filled-' || p % 1000, p, 'Filled', 1, gen_random_uuid(), '{}', '{}', '[]', p, sha256('1'), sha256('2')
        FROM generate_series(${first}::bigint, ${last}) AS p`)
    }

    /** The address for a login that has a role of the book. */
    async function as(role: 'owner' | 'writer'): Promise<string> {
      const login = `${schema}_login_${role}`
      await client.query(`CREATE ROLE ${login} LOGIN PASSWORD 'secret' IN ROLE ${schema}_${role}`)
      const address = new URL(url)
      ;[address.username, address.password] = [login, 'secret']
      return address.href
    }

    it('take the events that are there as the first, and are made ahead of the head by whoever appends', async () => {
      await append(12)
      const divided = await partitionPostgres(url, { schema, events: 10 })
      assert.deepEqual(divided, {
        isNew: true,
        events: 10,
        partitions: [
          { table: 'event_1', firstPosition: 1, lastPosition: 20 },
          { table: 'event_21', firstPosition: 21, lastPosition: 30 },
        ],
      })
      await append(100)
      assert.deepEqual(await column(`SELECT count(*)::int FROM event_index`), [112])
      assert.deepEqual(await column(`SELECT count(*)::int FROM event_1`), [20])
      assert.deepEqual(await column(`SELECT max(position)::int FROM event_111`), [112])
      const again = await partitionPostgres(url, { schema, events: 1_000 })
      assert.equal(again.isNew, false)
      assert.equal(again.partitions[0]?.lastPosition, 20)
      await append(100)
      assert.equal((await book.inspect()).facts.events, 212)
      const last = (await partitionPostgres(url, { schema, events: 1_000 })).partitions.at(-1)
      assert.ok(last !== undefined && last.lastPosition - last.firstPosition === 999)
    })

    it('can be as small as one event, and are made within a caller’s transaction too', async () => {
      await partitionPostgres(url, { schema, events: 1 })
      await client.query('BEGIN')
      await book.append('thing-1', [happened, happened, happened, happened], { transaction: client })
      await book.append('thing-1', [happened, happened, happened, happened], { transaction: client })
      await client.query('COMMIT')
      const positions = []
      for await (const { position } of book.readLog()) positions.push(position)
      assert.deepEqual(positions, [1, 2, 3, 4, 5, 6, 7, 8])
    })

    it('refuse whatever names them, and are granted to nobody', async () => {
      await append(12)
      await partitionPostgres(url, { schema, events: 10 })
      const changes = ['UPDATE event_1 SET stream = stream', 'DELETE FROM event_1', 'TRUNCATE event_1']
      const insert = 'INSERT INTO event_21 SELECT * FROM event_1'
      const whole = ['UPDATE event SET stream = stream', 'DELETE FROM event', 'TRUNCATE event']
      for (const change of [...changes, insert, ...whole])
        await assert.rejects(client.query(change), { code: '23001' }, change)
      const grants = `SELECT relname || ':' || privilege_type || ':' || grantee::regrole FROM pg_class, aclexplode(relacl)
        WHERE relname ~ '^event(_[0-9]+)?$' AND grantee <> relowner ORDER BY 1`
      const granted = [
        `event:INSERT:${schema}_writer`,
        `event:SELECT:${schema}_reader`,
        `event:SELECT:${schema}_writer`,
      ]
      assert.deepEqual(await column(grants), granted)
      await migratePostgres(url, { schema, roles: true })
      assert.deepEqual(await column(grants), granted)
      assert.deepEqual(
        await column(
          `SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname ~ '^event(_[0-9]+)?$'`,
        ),
        await column(`SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'extend_partitions'
          AND pronamespace = '${schema}'::regnamespace`),
      )
    })

    it('are made for a writer who may make no table', async () => {
      await partitionPostgres(await as('owner'), { schema, events: 10 })
      const address = await as('writer')
      await using writing = await openBook({ store: postgres(address, { schema }) })
      for (let n = 0; n < 5; n++)
        await writing.append(
          'thing-1',
          Array.from({ length: 20 }, () => happened),
        )
      assert.deepEqual(await column('SELECT max(position)::int FROM event_91'), [100])
      const other = new Client({ connectionString: address, options: `-c search_path=${schema}` })
      await other.connect()
      try {
        for (const text of ['SELECT FROM event_1', 'CREATE TABLE event_0 (LIKE event)'])
          await assert.rejects(other.query(text), { code: '42501' })
        // However far ahead it asks, it does not get more at a time than anybody needs.
        await other.query('SELECT extend_partitions(9000000000000000)')
        const [made] = await column<number>(
          `SELECT count(*)::int FROM pg_inherits WHERE inhparent = 'event'::regclass`,
        )
        assert.ok(made !== undefined && made <= 63, `${made}`)
      } finally {
        await other.end()
      }
    })

    it('are attached without reading the events of a long log again', async () => {
      await fill(1, 20_000)
      const notices: string[] = []
      class Listening extends Client {
        constructor(settings: PostgresSettings) {
          super({ ...settings, options: '-c client_min_messages=debug1' })
          this.on('notice', ({ message }) => notices.push(message ?? ''))
        }
      }
      const { partitions } = await partitionPostgres(url, {
        schema,
        events: 30_000,
        driver: { ...pg, Client: Listening },
      })
      assert.equal(partitions[0]?.lastPosition, 120_000)
      const implied = 'partition constraint for table "event_1" is implied by existing constraints'
      assert.ok(notices.includes(implied), notices.join('\n'))
      await book.append('thing-1', happened)
      assert.equal(await book.head(), 20_001)
    })

    it('are not needed by a log whose switch was broken off: the bound that it left goes', async () => {
      await append(10)
      await client.query(`ALTER TABLE event ADD CONSTRAINT event_bound CHECK (position < 16) NOT VALID`)
      await append(10)
      assert.equal(await book.head(), 20)
      assert.deepEqual(await column(`SELECT conname FROM pg_constraint WHERE conname = 'event_bound'`), [])
    })

    it('say why none can be made', async () => {
      await partitionPostgres(url, { schema, events: 10 })
      await client.query(
        `CREATE OR REPLACE FUNCTION extend_partitions(wanted bigint) RETURNS bigint LANGUAGE sql AS 'SELECT wanted / 0'`,
      )
      await assert.rejects(append(30), (error) => isDaybookError(error, 'STORE_FAILED'))
      assert.equal(await book.head(), 0)
    })

    it('are planned for anew when they fill: what was empty is not read from end to end for ever', async () => {
      await fill(1, 3_000)
      await partitionPostgres(url, { schema, events: 4_000 })
      await client.query('ANALYZE')
      await client.query(`SET plan_cache_mode = force_generic_plan;
        PREPARE one AS SELECT e.position FROM event_index AS i JOIN event AS e ON e.position = i.position WHERE i.stream = $1`)
      const plan = async (): Promise<string> =>
        (await column<string>(`EXPLAIN (COSTS OFF) EXECUTE one ('filled-1')`)).join('\n')
      assert.match(await plan(), /Seq Scan on event_4001/)
      await fill(3_001, 6_100)
      await book.append('thing-1', happened)
      await book.close()
      assert.match(await plan(), /Index (Only )?Scan using event_4001_pkey/)
    })

    it('leave out those before the bound of a read, whatever plan it has', async () => {
      await append(40)
      await partitionPostgres(url, { schema, events: 5 })
      await append(60)
      await client.query(`SET plan_cache_mode = force_generic_plan;
        PREPARE head AS SELECT position FROM event WHERE position >= $1 ORDER BY position DESC LIMIT 1`)
      const plan = (await column<string>('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE head (98)')).join(
        '\n',
      )
      assert.match(plan, /Subplans Removed: 12/)
      assert.doesNotMatch(plan, /event_(1|41|91)_/)
    })
  })
}
