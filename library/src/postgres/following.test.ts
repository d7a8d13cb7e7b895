import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import type { OpenStore } from '../core/ports/store.ts'
import { nodeHost } from '../host/node-host.ts'
import { at, balances, change, row, subscription } from '../testing/conformance/read-models.ts'
import { migratePostgres, type PostgresOptions, postgres } from './index.ts'

const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['PostgreSQL 18', await testServer()],
  ...(debian === undefined ? [] : [['PostgreSQL 15', await testServer({ binaries: debian })] as const]),
]
after(() => Promise.all(servers.map(([, server]) => server.dispose())))

async function opened<Result>(
  url: string,
  work: (store: OpenStore) => Promise<Result>,
  options: PostgresOptions = {},
  host = nodeHost(),
): Promise<Result> {
  const store = await postgres(url, options).open(host)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

async function rowsOf(url: string, text: string): Promise<readonly unknown[][]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text, rowMode: 'array' })).rows
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

function migration(name: string): string {
  return readFileSync(new URL(`./migrations/${name}`, import.meta.url), 'utf8')
}

/** A book as it was before the third file, with a checkpoint. */
function secondSchema(schema: string): string {
  return `DROP SCHEMA ${schema} CASCADE; DROP SCHEMA ${schema}_read CASCADE;
         CREATE SCHEMA ${schema}; CREATE SCHEMA ${schema}_read;
         SET search_path = ${schema}, pg_temp;
         CREATE TABLE migration (number integer NOT NULL PRIMARY KEY, name text NOT NULL,
           is_breaking boolean NOT NULL, applied_at_ms bigint NOT NULL);
         ${migration('001-book.sql')}
         ${migration('002-partitions.sql')}
         INSERT INTO migration VALUES (1, '001-book.sql', false, 0), (2, '002-partitions.sql', false, 0);
         INSERT INTO book (book_id, epoch, home, created_at_ms) SELECT gen_random_uuid(), 1,
           concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
             (SELECT oid FROM pg_database WHERE datname = current_database()), '${schema}'::regnamespace::oid), 0;
         INSERT INTO checkpoint VALUES ('mails', 7, 1, 'f', 5)`
}

for (const [version, server] of servers) {
  describe(`following on ${version}`, () => {
    it('is by the clock of the server, whatever the machines think', async () => {
      const url = server.url(await server.createDatabase())
      const late = nodeHost({ now: () => Date.now() + 3_600_000 })
      await opened(
        url,
        ({ following, readModels }) =>
          opened(
            url,
            async ({ following: ahead }) => {
              await readModels.prepareSubscription('mails', at(0))
              const [[serverMs]] = (await rowsOf(
                url,
                'SELECT extract(epoch FROM clock_timestamp()) * 1000',
              )) as [[string]]
              const nowMs = await ahead.now()
              assert.ok(nowMs >= Math.floor(Number(serverMs)) && nowMs < Number(serverMs) + 60_000)
              assert.ok(await following.acquire('mails', 'a', 60_000))
              assert.equal(await ahead.acquire('mails', 'b', 60_000), undefined)
              await following.join('g', 'a', 60_000)
              assert.deepEqual(await ahead.join('g', 'b', 60_000), ['a', 'b'])
            },
            {},
            late,
          ),
        { migrate: true },
      )
    })

    it('comes to a book of the second schema, with the rights of its roles, and leaves its checkpoints', async () => {
      const database = await server.createDatabase()
      const url = server.url(database)
      const schema = `${database}_old`
      await migratePostgres(url, { schema, roles: true })
      await server.run(secondSchema(schema), database)
      await assert.rejects(
        opened(url, async () => undefined, { schema }),
        { code: 'STORE_NOT_MIGRATED', message: /003-following\.sql/ },
      )
      const { applied } = await migratePostgres(url, { schema })
      assert.deepEqual(applied, ['003-following.sql'])
      for (const role of ['writer', 'reader'])
        await server.run(`CREATE ROLE ${schema}_as_${role} LOGIN PASSWORD 'secret' IN ROLE ${schema}_${role}`)

      await opened(
        as(url, `${schema}_as_writer`),
        async ({ following, readModels }) => {
          const held = { position: 7, epoch: 1, fingerprint: 'f', updatedAtMs: 5 }
          assert.deepEqual(await readModels.checkpoint('mails'), held)
          const { lease } = (await following.acquire('mails', 'a', 60_000)) ?? assert.fail()
          assert.equal(lease.token, 1)
          assert.equal(await readModels.moveCheckpoint('mails', 7, at(8), lease), true)
          // Whatever the writer makes of read models, it can index and drop, too.
          const copy = { ...balances, generation: 2 }
          await readModels.prepare(copy, 'balances@2.2', at(0), false)
          await readModels.index(copy)
          await readModels.drop(copy, 'balances@2.2')
          assert.deepEqual(await following.join('g', 'a', 60_000), ['a'])
          await following.leave('g', 'a')
          await following.transaction((transaction) =>
            transaction.remember('mails', [{ id: 'e', position: 1 }]),
          )
        },
        { schema },
      )
      await opened(
        as(url, `${schema}_as_reader`),
        async ({ following, readModels }) => {
          assert.equal((await following.leases())[0]?.owner, 'a')
          assert.deepEqual(await following.parked({ limit: 1 }), [])
          assert.deepEqual(await following.countParked(), [])
          assert.deepEqual(await following.readModels(), [])
          const lease = { subscription: 'mails', owner: 'a', token: 1 }
          const writes = [
            () => following.acquire('mails', 'b', 1_000),
            () => following.renew(lease, 1_000),
            () => following.release(lease),
            () => following.noteTrial(lease, undefined),
            () => following.pause('mails', true),
            () => following.join('g', 'b', 1_000),
            () => following.leave('g', 'b'),
            () => following.transaction(async () => undefined),
            () => readModels.index(balances),
            () => readModels.drop(balances, subscription),
          ]
          for (const write of writes) await assert.rejects(write, { code: 'STORE_READ_ONLY' }, String(write))
        },
        { schema, readOnly: true },
      )
    })

    it('renews a lease while a long transaction of another subscription is under way', async () => {
      const url = server.url(await server.createDatabase())
      await opened(
        url,
        async ({ following, readModels }) => {
          for (const name of ['mails', 'others']) await readModels.prepareSubscription(name, at(0))
          const { lease } = (await following.acquire('mails', 'a', 60_000)) ?? assert.fail()
          await following.transaction(async (transaction) => {
            await transaction.move('others', 0, at(1))
            assert.equal(await following.renew(lease, 60_000), true)
          })
        },
        { migrate: true },
      )
    })

    it('makes the indexes of a copy when they are asked for, and drops them with it', async () => {
      const url = server.url(await server.createDatabase())
      const indexes = async (): Promise<readonly unknown[]> =>
        (
          await rowsOf(url, `SELECT indexname FROM pg_indexes WHERE schemaname = 'daybook_read' ORDER BY 1`)
        ).flat()
      const named = range(4).map((n) => `balances_v2_g3_${n}`)
      await opened(
        url,
        async ({ readModels }) => {
          const copy = { ...balances, generation: 3 }
          await readModels.prepare(copy, 'balances@2.3', at(0), false)
          assert.deepEqual(await indexes(), ['balances_v2_g3_pkey'])
          await readModels.change({
            ...change(0, 1, [row('a', 1)]),
            shape: copy,
            subscription: 'balances@2.3',
          })
          // As if the process had ended between two of them.
          await rowsOf(
            url,
            'CREATE INDEX balances_v2_g3_2 ON daybook_read.balances_v2_g3 (owner NULLS FIRST, key)',
          )
          await readModels.prepare(copy, 'balances@2.3', at(0))
          assert.deepEqual(await indexes(), [...named, 'balances_v2_g3_pkey'])
          await readModels.index(copy)
          await readModels.drop(copy, 'balances@2.3')
          assert.deepEqual(await indexes(), [])
        },
        { migrate: true },
      )
    })
  })
}

function range(to: number): readonly number[] {
  return Array.from({ length: to }, (_, index) => index + 1)
}
