import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { migratePostgres, postgresMigrationText } from './index.ts'

const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['postgres', await testServer()],
  ...(debian === undefined ? [] : [['postgres 15', await testServer({ binaries: debian })] as const]),
]

interface Owned {
  readonly name: string
  readonly owner: string
}

/** Everything in a schema, and the schema itself with that of its read models. */
const owned = `
  SELECT nspname AS name, nspowner::regrole::text AS owner FROM pg_namespace WHERE nspname IN ('SCHEMA', 'SCHEMA_read')
  UNION ALL SELECT relname, relowner::regrole::text FROM pg_class
    WHERE relnamespace = 'SCHEMA'::regnamespace AND relkind IN ('r', 'p')
  UNION ALL SELECT proname, proowner::regrole::text FROM pg_proc WHERE pronamespace = 'SCHEMA'::regnamespace`

async function strangersThings(url: string, schema: string): Promise<readonly Owned[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Owned>(owned.replaceAll('SCHEMA', schema))
    assert.ok(rows.length > 10, 'there is nothing to be owned')
    return rows.filter(({ owner }) => owner !== `${schema}_owner`)
  } finally {
    await client.end()
  }
}

function as(url: string, login: string): string {
  const address = new URL(url)
  address.username = login
  address.password = 'secret'
  return address.href
}

for (const [name, server] of servers) {
  describe(`the owning role on ${name}`, () => {
    after(() => server.dispose())

    it('has all that a superuser has migrated, so that no function runs with the rights of a superuser', async () => {
      const database = await server.createDatabase()
      const schema = `${database}_a`
      const url = server.url(database)
      await migratePostgres(url, { schema, roles: true })
      assert.deepEqual(await strangersThings(url, schema), [])
    })

    it('has all that was made by the printed SQL', async () => {
      const database = await server.createDatabase()
      const schema = `${database}_b`
      await server.run(postgresMigrationText({ schema }), database)
      assert.deepEqual(await strangersThings(server.url(database), schema), [])
    })

    it('gets a book that was made before there were roles', async () => {
      const database = await server.createDatabase()
      const schema = `${database}_c`
      const url = server.url(database)
      await migratePostgres(url, { schema })
      assert.notDeepEqual(await strangersThings(url, schema), [])
      await migratePostgres(url, { schema, roles: true })
      assert.deepEqual(await strangersThings(url, schema), [])
    })

    it('is made and used by who may create roles but is no superuser; what its members add is its own', async () => {
      const database = await server.createDatabase()
      const schema = `${database}_d`
      const [administrator, deployer] = [`${database}_administrator`, `${database}_deployer`]
      await server.run(`
        CREATE ROLE ${administrator} LOGIN CREATEROLE PASSWORD 'secret';
        GRANT CREATE ON DATABASE ${database} TO ${administrator}`)
      const url = server.url(database)
      await migratePostgres(as(url, administrator), { schema, roles: true })
      assert.deepEqual(await strangersThings(url, schema), [])

      await server.run(`CREATE ROLE ${deployer} LOGIN PASSWORD 'secret' IN ROLE ${schema}_owner`)
      // As if the newest migrations had come with a new version of Daybook.
      await server.run(
        `
        DROP FUNCTION ${schema}.partitions_due(), ${schema}.extend_partitions(bigint);
        DROP TABLE ${schema}.member, ${schema}.parked_event, ${schema}.seen_event, ${schema}.read_model;
        ALTER TABLE ${schema}.checkpoint DROP owner, DROP token, DROP renewed_at_ms, DROP leased_until_ms,
          DROP is_taken_over, DROP is_paused, DROP trial_position, DROP trial_attempts;
        DELETE FROM ${schema}.migration WHERE number >= 2`,
        database,
      )
      const { applied } = await migratePostgres(as(url, deployer), { schema })
      assert.deepEqual(applied, ['002-partitions.sql', '003-following.sql'])
      assert.deepEqual(await strangersThings(url, schema), [])
    })
  })
}
