/** Several books in one database, one in each schema: they share a server and nothing else. */
import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { nodeHost } from '../../library/src/host/node-host.ts'
import type { Book } from '../../library/src/index.ts'
import { migratePostgres, postgres } from '../../library/src/postgres/index.ts'
import { account, balances, events, onClient, openBank, rowsOf, urlOf } from './bank.ts'

const server = await testServer()
after(() => server.dispose())
const database = await server.createDatabase()
const url = server.url(database)

let pairs = 0
let schemas: readonly [string, string]
let north: Book
let south: Book
beforeEach(async () => {
  pairs++
  schemas = [`north_${pairs}`, `south_${pairs}`]
  north = await openBank(url, { schema: schemas[0], timeoutMs: 10_000 })
  south = await openBank(url, { schema: schemas[1], timeoutMs: 10_000 })
})
afterEach(async () => {
  await north.close()
  await south.close()
})

describe('books in one database', () => {
  it('have an identity, positions, keys, ids and read models of their own', async () => {
    assert.notEqual(north.identity.bookId, south.identity.bookId)
    const id = nodeHost().newId()
    for (const [book, cents] of [
      [north, 1],
      [south, 2],
    ] as const) {
      const event = { ...events.Deposited({ cents }), id }
      const done = await book.append('account-1', event, { idempotencyKey: 'k' })
      assert.deepEqual([done.position, done.isRepeat], [1, false])
      assert.deepEqual(await book.read(balances).get('1', { notBefore: 1 }), { cents })
      assert.deepEqual(await book.verify(), { events: 1 })
    }
    await north.rebuild(balances)
    assert.deepEqual(await south.read(balances).get('1', { notBefore: 1 }), { cents: 2 })
  })

  it('do not wait for the lock of each other', async () => {
    await onClient(url, async (transaction) => {
      await transaction.query('BEGIN')
      await north.execute(account.deposit('1', { cents: 1 }), { transaction })
      const blocked = north.execute(account.deposit('2', { cents: 1 }))
      const done = await south.execute(account.deposit('1', { cents: 2 }))
      assert.equal(done.position, 1)
      const [[waiting] = []] = await rowsOf(
        url,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
      )
      assert.ok(Number(waiting) <= 1)
      await transaction.query('COMMIT')
      assert.equal((await blocked).position, 2)
    })
  })

  it('join one transaction of a caller, each with its own event', async () => {
    await onClient(url, async (transaction) => {
      await transaction.query('BEGIN')
      await north.execute(account.deposit('1', { cents: 1 }), { transaction })
      await south.execute(account.deposit('1', { cents: 2 }), { transaction })
      await transaction.query('COMMIT')
    })
    assert.deepEqual([await north.head(), await south.head()], [1, 1])
  })

  it('are told of their own events alone', async () => {
    const heard: string[] = []
    await onClient(url, async (listener) => {
      listener.on('notification', ({ channel }) => heard.push(channel))
      await listener.query(`LISTEN "daybook ${schemas[0]}"`)
      await south.execute(account.deposit('1', { cents: 2 }))
      const told = new Promise((resolve) => listener.once('notification', resolve))
      await north.execute(account.deposit('1', { cents: 1 }))
      await told
    })
    assert.deepEqual(new Set(heard), new Set([`daybook ${schemas[0]}`]))
  })

  it('are closed to the roles of each other', async () => {
    const [mine, theirs] = [`${database}_a`, `${database}_b`]
    for (const schema of [mine, theirs]) await migratePostgres(url, { schema, roles: true })
    const user = `${database}_teller`
    await server.run(`CREATE ROLE ${user} LOGIN PASSWORD 'secret' IN ROLE ${mine}_writer`)
    const connection = urlOf(url, { user, password: 'secret' })
    await (await postgres(connection, { schema: mine }).open(nodeHost())).close()
    for (const readOnly of [false, true]) {
      const opening = postgres(connection, { schema: theirs, readOnly }).open(nodeHost())
      await assert.rejects(opening, { code: 'STORE_ACCESS_DENIED', message: new RegExp(`schema ${theirs}`) })
    }
    for (const text of [`SELECT 1 FROM ${theirs}.event`, `SELECT 1 FROM ${theirs}_read.balances_v1`]) {
      await assert.rejects(rowsOf(connection, text), { code: '42501' })
    }
  })
})
