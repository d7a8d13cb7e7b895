/** What the roles of a book may do, and what the server itself refuses them, whatever the code tries. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { type Book, openBook } from '../../library/src/index.ts'
import { migratePostgres, postgres } from '../../library/src/postgres/index.ts'
import { account, balances, openBank, rowsOf, timeoutMs, urlOf } from './bank.ts'

const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['PostgreSQL 18', await testServer()],
  ...(debian === undefined ? [] : [['PostgreSQL 15', await testServer({ binaries: debian })] as const]),
]

after(() => Promise.all(servers.map(([, server]) => server.dispose())))

/** What only whoever owns the schema may try, and is stopped by triggers. */
const changes = [
  'UPDATE S.event SET type = type',
  'DELETE FROM S.event',
  'DELETE FROM S.event WHERE false',
  'TRUNCATE S.event',
  'TRUNCATE S.event CASCADE',
  "UPDATE S.event_index SET stream = 'account-2'",
  'DELETE FROM S.event_index',
  'TRUNCATE S.event_index',
  'UPDATE S.event_tag SET position = 2',
  'DELETE FROM S.event_tag',
  'TRUNCATE S.event_tag',
  'UPDATE S.idempotency_key SET first_position = 2',
  'DELETE FROM S.idempotency_key',
  'TRUNCATE S.idempotency_key',
  'DELETE FROM S.book',
  'TRUNCATE S.book',
  "INSERT INTO S.event SELECT position, stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms, leaf_hash, chain_hash FROM S.event ON CONFLICT (position) DO UPDATE SET type = 'Other'",
  'MERGE INTO S.event AS e USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE',
]

/** What the rights of the writing and of the reading role must not allow. */
const trespasses = [
  ...changes,
  'DROP TABLE S.event',
  'DROP SCHEMA S CASCADE',
  'DROP SCHEMA S_read CASCADE',
  'DROP TRIGGER event_no_change ON S.event',
  'ALTER TABLE S.event DISABLE TRIGGER event_no_change',
  'ALTER TABLE S.event DISABLE TRIGGER ALL',
  'ALTER TABLE S.event ADD COLUMN more text',
  'ALTER TABLE S.event OWNER TO CURRENT_USER',
  'CREATE RULE nothing AS ON INSERT TO S.event DO INSTEAD NOTHING',
  'CREATE INDEX ON S.event (type)',
  "CREATE OR REPLACE FUNCTION S.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
  "CREATE FUNCTION S.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  'CREATE TABLE S.mine (id int)',
  'CREATE TRIGGER mine BEFORE INSERT ON S.event EXECUTE FUNCTION S.event_recorded()',
  'SET session_replication_role = replica',
  "INSERT INTO S.event_index VALUES ('account-9', 1, '00000000-0000-7000-8000-000000000009', 9)",
  "INSERT INTO S.event_tag VALUES ('tag', 9)",
  "INSERT INTO S.book (one, book_id, epoch, home, created_at_ms) VALUES (true, '00000000-0000-7000-8000-000000000009', 1, '', 0)",
  'UPDATE S.book SET epoch = 2',
  "INSERT INTO S.migration VALUES (99, '', true, 0)",
  'BEGIN; LOCK TABLE S.event IN ACCESS EXCLUSIVE MODE',
  'SET ROLE S_owner',
]

for (const [version, server] of servers) {
  describe(`the roles of a book on ${version}`, () => {
    let url: string
    let schema: string
    let writing: Book

    /** The address of a new login, a member of roles of the book. */
    async function login(name: string, ...roles: readonly string[]): Promise<string> {
      const user = `${schema}_login_${name}`
      const memberships =
        roles.length === 0 ? '' : `IN ROLE ${roles.map((role) => `${schema}_${role}`).join(', ')}`
      await server.run(`CREATE ROLE ${user} LOGIN PASSWORD 'secret' ${memberships}`)
      return urlOf(url, { user, password: 'secret' })
    }

    /** Each statement must be refused, with one of the states of SQL. */
    async function refuses(
      address: string,
      texts: readonly string[],
      states: readonly string[],
    ): Promise<void> {
      const allowed: string[] = []
      for (const text of texts) {
        const state = await rowsOf(address, text.replaceAll(/\bS(?=[._ ]|$)/g, schema)).then(
          () => 'done',
          (error: { readonly code?: string }) => String(error.code),
        )
        if (!states.includes(state)) allowed.push(`${text}: ${state}`)
      }
      assert.deepEqual(allowed, [])
    }

    before(async () => {
      const database = await server.createDatabase()
      url = server.url(database)
      // Roles belong to the whole server, so their names must be this test's own.
      schema = database
      await migratePostgres(url, { schema, roles: true })
      writing = await openBank(await login('writer', 'writer'), { schema, migrate: false })
      await writing.execute(account.deposit('1', { cents: 5 }), { idempotencyKey: 'k' })
    })
    after(() => writing.close())

    it('let a writer append, and keep read models and snapshots, together with other writers', async () => {
      const done = await writing.execute(account.deposit('1', { cents: 1 }))
      assert.deepEqual(await writing.read(balances).get('1', { notBefore: done.position }), { cents: 6 })
      await using other = await openBank(await login('other', 'writer'), { schema, migrate: false })
      const theirs = await other.execute(account.deposit('1', { cents: 4 }))
      assert.deepEqual(await other.read(balances).get('1', { notBefore: theirs.position }), { cents: 10 })
      await other.rebuild(balances)
      assert.deepEqual(await other.read(balances).get('1', { notBefore: theirs.position }), { cents: 10 })
      await other.clearSnapshots()
    })

    it('let a writer change nothing that is recorded, nor what protects it', async () => {
      const writer = await login('intruder', 'writer')
      await refuses(writer, trespasses, ['42501'])
      const before = await rowsOf(url, `SELECT * FROM ${schema}.event ORDER BY position`)
      // What a writer may insert is still checked by the database.
      await refuses(
        writer,
        [
          'INSERT INTO S.event SELECT 99, stream, 99, type, schema_version, gen_random_uuid(), data, metadata, tags, recorded_at_ms, leaf_hash, chain_hash FROM S.event LIMIT 1',
          'INSERT INTO S.event SELECT 99, stream, 1, type, schema_version, id, data, metadata, tags, recorded_at_ms, leaf_hash, chain_hash FROM S.event LIMIT 1',
        ],
        ['23514', '23505'],
      )
      assert.deepEqual(await rowsOf(url, `SELECT * FROM ${schema}.event ORDER BY position`), before)
      assert.ok((await writing.verify()).events > 0)
    })

    it('let nobody call the functions of the triggers', async () => {
      for (const role of ['writer', 'reader']) {
        const address = await login(`caller_${role}`, role)
        await refuses(address, ['SELECT S.event_recorded()', 'SELECT S.refuse_change()'], ['42501', '0A000'])
        await refuses(
          address,
          [
            'CREATE TEMP TABLE mine (a int); CREATE TRIGGER t BEFORE INSERT ON mine EXECUTE FUNCTION S.event_recorded()',
          ],
          ['42501'],
        )
      }
    })

    it('let a reader read everything and write nothing', async () => {
      const address = await login('reader', 'reader')
      const { events: count } = await writing.verify()
      await writing.read(balances).get('1', { notBefore: count })
      await using reading = await openBank(address, { schema, readOnly: true })
      assert.deepEqual(await reading.verify(), { events: count })
      assert.deepEqual(await reading.read(balances).get('1'), { cents: 10 })
      assert.equal((await reading.load(account, '1')).state.cents, 10)
      await assert.rejects(reading.execute(account.deposit('1', { cents: 1 })), { code: 'STORE_READ_ONLY' })
      await refuses(
        address,
        [
          ...trespasses,
          'INSERT INTO S.event SELECT * FROM S.event',
          "INSERT INTO S.idempotency_key VALUES ('other', '', 1, 1)",
          'DELETE FROM S.checkpoint',
          'DELETE FROM S.snapshot',
          'UPDATE S.checkpoint SET token = 9',
          'DELETE FROM S.member',
          'DELETE FROM S.parked_event',
          'DELETE FROM S.seen_event',
          'DELETE FROM S.read_model',
          'CREATE TABLE S_read.mine (id int)',
          'DELETE FROM S_read.balances_v1',
          'DROP TABLE S_read.balances_v1',
        ],
        ['42501'],
      )
    })

    it('protect the log from its owner and from a superuser who errs', async () => {
      await refuses(url, changes, ['23001'])
      await refuses(await login('owner', 'owner'), changes, ['23001'])
    })

    it('are made by whoever may create roles, superuser or not, and left out by whoever may not', async () => {
      const own = `${schema}_own`
      const creator = await login('creator')
      const plain = await login('plain')
      await server.run(`ALTER ROLE ${schema}_login_creator CREATEROLE`)
      for (const user of ['creator', 'plain']) {
        await server.run(`GRANT CREATE ON DATABASE ${schema} TO ${schema}_login_${user}`)
      }
      await migratePostgres(creator, { schema: own, roles: true })
      await server.run(`CREATE ROLE ${own}_login LOGIN PASSWORD 'secret' IN ROLE ${own}_writer`)
      const member = urlOf(url, { user: `${own}_login`, password: 'secret' })
      for (const address of [creator, member, creator]) {
        await using book = await openBank(address, { schema: own, migrate: false })
        const done = await book.execute(account.deposit('1', { cents: 1 }))
        const balance = await book.read(balances).get('1', { notBefore: done.position })
        assert.deepEqual(balance, { cents: done.position })
      }
      await assert.rejects(migratePostgres(plain, { schema: `${schema}_p`, roles: true }), {
        code: 'STORE_ACCESS_DENIED',
      })
      await using book = await openBook({
        store: postgres(plain, { schema: `${schema}_p`, migrate: true, timeoutMs }),
        deciders: [account],
      })
      assert.equal((await book.execute(account.deposit('1', { cents: 1 }))).position, 1)
    })
  })
}
