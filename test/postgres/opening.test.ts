/** What can be wrong with a PostgreSQL when a book is opened on it: each is told by its code, in words that help. */
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { DaybookError, type ErrorCode } from '../../library/src/core/errors.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import type { PostgresClient } from '../../library/src/postgres/driver.ts'
import {
  migratePostgres,
  type PostgresDriver,
  type PostgresOptions,
  type PostgresSettings,
  pendingPostgresMigrations,
  postgres,
} from '../../library/src/postgres/index.ts'
import { account, balances, events, onClient, openBank, rowsOf, timeoutMs, urlOf } from './bank.ts'

const server = await testServer()
after(() => server.dispose())
const database = await server.createDatabase()
const url = server.url(database)
await migratePostgres(url, { roles: true })

const userPassword = 'swordfish'

/** Makes a user who may connect, and returns its name. */
async function userOf(name: string): Promise<string> {
  await server.run(`CREATE ROLE ${name} LOGIN PASSWORD '${userPassword}'`)
  return name
}

/** A driver through which the server looks like one of an older version. */
function oldServer(): PostgresDriver {
  class OldClient extends Client {
    constructor(settings: PostgresSettings) {
      super(settings)
      const ask: PostgresClient['query'] = this.query.bind(this)
      const query: PostgresClient['query'] = async (asked) => {
        const result = await ask(asked)
        if (asked.text.includes('server_version_num')) result.rows[0]?.splice(0, 2, '140009', '14.9')
        return result
      }
      Object.assign(this, { query })
    }
  }
  return { Client: OldClient }
}

/** Opening must fail with the code, in these words, and never tell a password. */
async function refuses(
  connection: string,
  code: ErrorCode,
  words: RegExp,
  options: PostgresOptions = {},
): Promise<DaybookError> {
  const opening = postgres(connection, { timeoutMs, ...options }).open(nodeHost())
  const error: unknown = await opening.then(
    async (store) => {
      await store.close()
      return undefined
    },
    (reason) => reason,
  )
  assert.ok(error instanceof DaybookError, `not refused with a code: ${error}`)
  assert.deepEqual([error.code, words.test(error.message)], [code, true], `${error.code}: ${error.message}`)
  assert.ok(error.hint.length > 0)
  const { password } = new URL(connection)
  if (password !== '' && password !== 'postgres') {
    assert.ok(!JSON.stringify([error.message, error.facts]).includes(password))
  }
  return error
}

/** Listens, accepts connections and never says a word. */
async function withSilentServer(work: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  try {
    const address = silent.address()
    await work(typeof address === 'object' && address !== null ? address.port : 0)
  } finally {
    for (const socket of sockets) socket.destroy()
    silent.close()
  }
}

describe('a server that does not let in', () => {
  it('tells a wrong password from a missing database', async () => {
    await refuses(urlOf(url, { password: 'nonsense' }), 'STORE_ACCESS_DENIED', /password is wrong/)
    await refuses(urlOf(url, { user: 'nobody_here' }), 'STORE_ACCESS_DENIED', /password is wrong/)
    await refuses(urlOf(url, { database: 'not_here' }), 'STORE_CANNOT_OPEN', /not_here.*no such database/)
  })

  it('says why a server cannot be reached', async () => {
    const closed = new URL(url)
    closed.port = '1'
    const refused = await refuses(closed.href, 'STORE_UNREACHABLE', /no server listens/)
    assert.equal(refused.facts.reason, 'ECONNREFUSED')
    const unknown = new URL(url)
    unknown.hostname = 'no-such-host.invalid'
    await refuses(unknown.href, 'STORE_UNREACHABLE', /name/)
  })

  it('is given no longer than timeoutMs when it accepts and never answers', () =>
    withSilentServer(async (port) => {
      const address = new URL(url)
      address.port = String(port)
      const startMs = performance.now()
      await refuses(address.href, 'STORE_UNREACHABLE', /cannot be reached/, { timeoutMs: 200 })
      assert.ok(performance.now() - startMs < 5_000)
    }))
})

describe('a database that cannot hold a book', () => {
  it('is told when its texts are not UTF-8, also by a migration', async () => {
    const other = `${database}_ascii`
    await server.run(`CREATE DATABASE ${other} ENCODING 'SQL_ASCII' TEMPLATE template0`)
    const ascii = server.url(other)
    await refuses(ascii, 'STORE_CANNOT_OPEN', /SQL_ASCII, not UTF8/, { migrate: true })
    await assert.rejects(migratePostgres(ascii), { code: 'STORE_CANNOT_OPEN' })
    await server.run(`DROP DATABASE ${other}`)
  })

  it('is told when its server is too old, also by a migration', async () => {
    const driver = oldServer()
    await refuses(url, 'STORE_TOO_OLD', /14\.9 is older than 15/, { driver, migrate: true })
    await assert.rejects(migratePostgres(url, { driver }), { code: 'STORE_TOO_OLD' })
  })

  for (const owner of ['ROLE', 'DATABASE']) {
    it(`is told when its ${owner} gives up durability, unless that is asked for by name`, async () => {
      const name = owner === 'ROLE' ? await userOf(`careless_${database}`) : database
      const connection = owner === 'ROLE' ? urlOf(url, { user: name, password: userPassword }) : url
      if (owner === 'ROLE') await server.run(`GRANT daybook_writer TO ${name}`)
      await server.run(`ALTER ${owner} ${name} SET synchronous_commit = off`)
      await refuses(connection, 'STORE_UNSAFE', /synchronous_commit = off/)
      const unsafe = await postgres(connection, { unsafeDurability: true }).open(nodeHost())
      await unsafe.close()
      const reading = await postgres(connection, { readOnly: true }).open(nodeHost())
      await reading.close()
      await server.run(`ALTER ${owner} ${name} RESET synchronous_commit`)
      await (await postgres(connection).open(nodeHost())).close()
      if (owner === 'ROLE') await server.run(`DROP ROLE ${name}`)
    })
  }

  it('is told when its users may only read', async () => {
    await server.run(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    await refuses(url, 'STORE_READ_ONLY', /default_transaction_read_only is on/)
    await assert.rejects(migratePostgres(url), { code: 'STORE_READ_ONLY' })
    await (await postgres(url, { readOnly: true }).open(nodeHost())).close()
    await server.run(`ALTER DATABASE ${database} RESET default_transaction_read_only`)
  })
})

describe('a schema that is not a book of this version', () => {
  it('is told when there is none, or an empty one, until it is migrated', async () => {
    await server.run('CREATE SCHEMA empty', database)
    for (const schema of ['missing', 'empty']) {
      await refuses(url, 'STORE_NOT_MIGRATED', new RegExp(schema), { schema })
      await (await postgres(url, { schema, migrate: true }).open(nodeHost())).close()
      await (await postgres(url, { schema }).open(nodeHost())).close()
    }
  })

  it("is told when it holds somebody else's tables, also one called migration", async () => {
    await server.run('CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)', database)
    await server.run('CREATE SCHEMA tool; CREATE TABLE tool.migration (id int, name text)', database)
    for (const schema of ['shop', 'tool']) {
      await refuses(url, 'STORE_FOREIGN', /1 tables that are not Daybook's/, { schema, migrate: true })
      await refuses(url, 'STORE_FOREIGN', /1 tables that are not Daybook's/, { schema })
      await assert.rejects(migratePostgres(url, { schema, roles: true }), { code: 'STORE_FOREIGN' })
    }
    assert.deepEqual(
      await rowsOf(url, "SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace"),
      [['orders']],
    )
  })

  it('is refused when a newer version wrote it, if this one would misread it', async () => {
    const schema = 'newer'
    await migratePostgres(url, { schema })
    const applied = 'INSERT INTO newer.migration (number, name, is_breaking, applied_at_ms) VALUES'
    await server.run(`${applied} (998, '998-more.sql', false, 0)`, database)
    const book = await openBank(url, { schema })
    await book.append('account-1', events.Deposited({ cents: 1 }))
    await book.close()
    assert.deepEqual(await pendingPostgresMigrations(url, { schema }), [])
    await server.run(`${applied} (999, '999-other.breaking.sql', true, 0)`, database)
    const error = await refuses(url, 'STORE_NEWER', /schema 999/, { schema, migrate: true })
    assert.equal(error.facts.schema, 999)
    await assert.rejects(migratePostgres(url, { schema }), { code: 'STORE_NEWER' })
  })
})

describe('a book opened for reading alone', () => {
  it('is written by nobody, whatever the user may do', async () => {
    const schema = 'only_read'
    await using writing = await openBank(url, { schema })
    await writing.execute(account.deposit('1', { cents: 5 }))
    await writing.read(balances).get('1', { notBefore: 1 })
    await using reading = await openBank(url, { schema, readOnly: true })
    const deposit = account.deposit('1', { cents: 1 })
    await assert.rejects(reading.execute(deposit), { code: 'STORE_READ_ONLY', message: /readOnly: true/ })
    await assert.rejects(reading.rebuild(balances), { code: 'STORE_READ_ONLY' })
    await onClient(url, async (transaction) => {
      await transaction.query('BEGIN')
      await assert.rejects(reading.execute(deposit, { transaction }), { code: 'STORE_READ_ONLY' })
    })
    assert.deepEqual(await reading.read(balances).get('1'), { cents: 5 })
    assert.equal(await reading.head(), 1)
  })
})

describe('rights that are missing', () => {
  it('are told when the book is opened, not when it is first written', async () => {
    const schema = 'guarded'
    await migratePostgres(url, { schema, roles: true })
    const user = await userOf(`stranger_${database}`)
    const connection = urlOf(url, { user, password: userPassword })
    await refuses(connection, 'STORE_ACCESS_DENIED', /may not/, { schema })
    await refuses(connection, 'STORE_ACCESS_DENIED', /may not/, { schema, readOnly: true })
    await server.run(`GRANT guarded_reader TO ${user}`)
    await refuses(connection, 'STORE_ACCESS_DENIED', /may not/, { schema })
    await refuses(connection, 'STORE_ACCESS_DENIED', /may not/, { schema, migrate: true })
    await (await postgres(connection, { schema, readOnly: true }).open(nodeHost())).close()
    await server.run(`GRANT guarded_writer TO ${user}`)
    await (await postgres(connection, { schema }).open(nodeHost())).close()
    await server.run(`DROP ROLE ${user}`)
  })

  it('to make a schema are told by the migration', async () => {
    const user = await userOf(`visitor_${database}`)
    await assert.rejects(
      migratePostgres(urlOf(url, { user, password: userPassword }), { schema: 'visited' }),
      {
        code: 'STORE_ACCESS_DENIED',
      },
    )
    await server.run(`DROP ROLE ${user}`)
  })
})
