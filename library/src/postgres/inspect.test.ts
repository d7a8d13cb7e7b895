import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { nodeHost } from '../host/node-host.ts'
import { type Book, openBook, type StoreReport } from '../index.ts'
import type { ServerAddress } from './connection.ts'
import { problemsIn } from './diagnosing.ts'
import { importDriver } from './driver.ts'
import { postgres } from './index.ts'
import { type Observed, observe } from './observing.ts'
import { logStatements } from './statements.ts'

// A server of its own: some tests change its settings.
const server = await testServer({})
after(() => server.dispose())

let database = ''
let book: Book
beforeEach(async () => {
  database = await server.createDatabase()
  book = await openBook({ store: postgres(server.url(database), { migrate: true }) })
  await book.append('a-1', [
    { type: 'A', data: {}, tags: ['x', 'ü'] },
    { type: 'B', data: {} },
  ])
})
afterEach(() => book.close())

const run = (sql: string): Promise<void> => server.run(sql, database)
const problems = async (): Promise<StoreReport['problems']> => (await book.inspect()).problems

/** The same look, at no more than so many of the newest events. */
async function observed(mostChecked?: number): Promise<Observed> {
  const address: ServerAddress = {
    name: 'test',
    driver: await importDriver('test'),
    settings: { connectionString: server.url(database) },
    host: nodeHost(),
    timeoutMs: 5_000,
    isPrepared: true,
  }
  return observe(address, 'daybook', logStatements('daybook'), mostChecked)
}

async function connected(): Promise<Client> {
  const client = new Client({ connectionString: server.url(database), application_name: 'a shell' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

describe('what a store on PostgreSQL tells of itself', () => {
  it('is its place, size, settings and connections', async () => {
    const { facts, problems: none } = await book.inspect()
    assert.deepEqual(none, [])
    assert.equal(facts.database, database)
    assert.deepEqual([facts.schema, facts.events, facts.rights], ['daybook', 2, 'superuser'])
    assert.deepEqual([facts.isDurable, facts.synchronousCommit, facts.isReplica], [true, 'on', false])
    assert.ok(Number(facts.bytes) > 50_000)
    assert.match(String(facts.connections), /^\d+ of \d+$/)
    assert.match(String(facts.server), /^1[5-9]\./)
    assert.equal(facts.lockHolder, undefined)
  })

  it('counts bytes an event once there are enough of them', async () => {
    for (let n = 0; n < 2; n++)
      await book.append(
        'b-1',
        Array.from({ length: 500 }, (_, place) => ({ type: 'C', data: { place } })),
      )
    const { bytes, bytesPerEvent } = (await book.inspect()).facts
    assert.equal(bytesPerEvent, Math.round(Number(bytes) / 1_002))
    assert.ok(Number(bytesPerEvent) > 100 && Number(bytesPerEvent) < 2_000, String(bytesPerEvent))
  })

  it('names the transaction that has been open longest', async () => {
    const other = await connected()
    try {
      await other.query('BEGIN; SELECT 1')
      const { facts } = await book.inspect()
      assert.match(String(facts.oldestTransaction), /^\d+\.\d s, process \d+, idle in transaction$/)
    } finally {
      await other.end()
    }
  })

  it('says what the user may do', async () => {
    await run(`CREATE ROLE ${database} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA daybook TO ${database};
      GRANT SELECT ON ALL TABLES IN SCHEMA daybook TO ${database}`)
    const address = new URL(server.url(database))
    address.username = database
    address.password = 'x'
    const rights = async (readOnly: boolean): Promise<unknown> => {
      await using opened = await openBook({ store: postgres(address.href, { readOnly }) })
      const { facts, problems: found } = await opened.inspect()
      assert.deepEqual(found, [])
      return facts.rights
    }
    assert.equal(await rights(true), 'reading')
    await run(`CREATE ROLE daybook_reader; GRANT daybook_reader TO ${database}`)
    assert.equal(await rights(true), 'reader')
    await run(`GRANT INSERT ON daybook.event, daybook.idempotency_key TO ${database}`)
    assert.equal(await rights(false), 'writer')
    await run(`ALTER TABLE daybook.event OWNER TO ${database}`)
    assert.equal(await rights(false), 'owner')
  })
})

describe('what is wrong with a book on PostgreSQL', () => {
  const alterations: readonly (readonly [string, RegExp])[] = [
    [
      'ALTER TABLE daybook.event DISABLE TRIGGER event_no_change',
      /trigger on event .* recorded rows can be changed/,
    ],
    ['DROP TRIGGER event_no_change ON daybook.event', /trigger on event /],
    ['ALTER TABLE daybook.event_tag DISABLE TRIGGER ALL', /trigger on event_tag /],
    [
      'ALTER TABLE daybook.idempotency_key ENABLE REPLICA TRIGGER idempotency_key_no_change',
      /idempotency_key/,
    ],
    [
      'ALTER TABLE daybook.event DISABLE TRIGGER event_recorded',
      /calls event_recorded .* missing in the indexes/,
    ],
    ['ALTER TABLE daybook.event DROP CONSTRAINT event_pkey', /event has no valid primary key/],
    [
      'ALTER TABLE daybook.event_index DROP CONSTRAINT event_index_pkey',
      /event_index has no valid primary key/,
    ],
    [
      'ALTER TABLE daybook.event_index DROP CONSTRAINT event_index_id_key',
      /no valid constraint event_index_id_key/,
    ],
    [
      'ALTER TABLE daybook.idempotency_key DROP CONSTRAINT idempotency_key_pkey',
      /idempotency_key has no valid/,
    ],
  ]
  for (const [change, message] of alterations) {
    it(`is found: ${change}`, async () => {
      await run(change)
      const found = await problems()
      assert.deepEqual(
        found.map(({ code }) => code),
        ['STORE_ALTERED'],
      )
      assert.match(found[0]?.message ?? '', message)
    })
  }

  const faults: readonly (readonly [string, string, RegExp])[] = [
    ['event_tag', "DELETE FROM daybook.event_tag WHERE tag = 'ü'", /index of tags lacks 1 entries and has 0/],
    [
      'event_tag',
      "UPDATE daybook.event_tag SET tag = 'y' WHERE tag = 'x'",
      /index of tags lacks 1 entries and has 1/,
    ],
    [
      'event_index',
      'DELETE FROM daybook.event_index WHERE position = 1',
      /streams and ids lacks 1 entries and has 0/,
    ],
    [
      'event_index',
      "UPDATE daybook.event_index SET stream = 'a-2' WHERE version = 2",
      /lacks 1 entries and has 1/,
    ],
  ]
  for (const [table, change, message] of faults) {
    it(`is found in an index: ${change}`, async () => {
      await run(`ALTER TABLE daybook.${table} DISABLE TRIGGER ALL; ${change};
        ALTER TABLE daybook.${table} ENABLE TRIGGER ALL`)
      const found = await problems()
      assert.deepEqual(
        found.map(({ code }) => code),
        ['STORE_CORRUPT'],
      )
      assert.match(found[0]?.message ?? '', message)
    })
  }

  it('is looked for in the indexes of the newest events only, and that is said', async () => {
    await run(`ALTER TABLE daybook.event_index DISABLE TRIGGER ALL;
      DELETE FROM daybook.event_index WHERE position = 1; ALTER TABLE daybook.event_index ENABLE TRIGGER ALL`)
    const newest = await observed(1)
    assert.deepEqual([newest.checkedFrom, newest.faults], [2, []])
    assert.equal((await observed(2)).faults.length, 1)
  })

  it('is found on each partition', async () => {
    await run(`CREATE TABLE daybook.part (LIKE daybook.event INCLUDING ALL);
      ALTER TABLE daybook.part INHERIT daybook.event`)
    const [problem] = await problems()
    assert.match(problem?.message ?? '', /trigger on part that calls refuse_change is missing/)
  })

  it('is a setting that was changed since the book was opened', async () => {
    await run(`ALTER DATABASE ${database} SET synchronous_commit = off`)
    const { facts, problems: found } = await book.inspect()
    assert.deepEqual([facts.isDurable, facts.unsafeSettings], [false, 'synchronous_commit = off (database)'])
    assert.deepEqual(
      found.map(({ code }) => code),
      ['STORE_UNSAFE'],
    )
    await using unsafe = await openBook({
      store: postgres(server.url(database), { unsafeDurability: true }),
    })
    assert.deepEqual((await unsafe.inspect()).problems, [])
  })

  it('is a synchronous replica that is not there', async () => {
    await run(`ALTER SYSTEM SET synchronous_standby_names = 'elsewhere'`)
    try {
      await run('SELECT pg_reload_conf()')
      const isReloaded = async (): Promise<boolean> =>
        (await book.inspect()).facts.synchronousStandbyNames === 'elsewhere'
      while (!(await isReloaded()));
      const [problem] = await problems()
      assert.equal(problem?.code, 'STORE_HELD_UP')
      assert.match(problem.message, /synchronous_standby_names = elsewhere\), and none is connected/)
    } finally {
      await run('ALTER SYSTEM RESET synchronous_standby_names')
      await run('SELECT pg_reload_conf()')
    }
  })

  it('is a transaction that was forgotten', async () => {
    const other = await connected()
    try {
      await other.query('BEGIN; SELECT 1')
      const seen = await observed()
      const [transaction] = seen.transactions
      assert.equal(transaction?.applicationName, 'a shell')
      assert.notEqual(transaction.idleMs, undefined)
      assert.deepEqual(problemsIn(seen, false), [])
      const later = { ...seen, transactions: [{ ...transaction, idleMs: 61_000, openMs: 65_000 }] }
      const [problem] = problemsIn(later, false)
      assert.equal(problem?.code, 'STORE_HELD_UP')
      assert.match(problem.message, /application "a shell", user postgres\) is idle in transaction for 61 s/)
      assert.match(problem.hint, new RegExp(`pg_terminate_backend\\(${transaction.pid}\\)`))
    } finally {
      await other.end()
    }
  })

  it('is a server with hardly a connection left, and a log with hardly a position left', async () => {
    const seen = await observed()
    const codes = (changed: Partial<Observed>): readonly string[] =>
      problemsIn({ ...seen, ...changed }, false).map(({ code }) => code)
    assert.deepEqual(codes({ connections: { used: 89, most: 100 } }), [])
    assert.deepEqual(codes({ connections: { used: 90, most: 100 } }), ['STORE_BUSY'])
    assert.deepEqual(codes({ head: 9e15 }), ['EVENT_CAPACITY_REACHED'])
  })
})

/** A file system of 24 MB, or undefined where this user may mount none. */
function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-disk-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder])
  if (status === 0) return folder
  rmSync(folder, { recursive: true })
  return undefined
}

const disk = smallDisk()
after(() => {
  if (disk === undefined) return
  spawnSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
})

describe('a disk without room', {
  skip: disk === undefined && 'only root may mount a small file system',
}, () => {
  it('is found though nobody has tried to write', async () => {
    const folder = disk ?? ''
    chownSync(folder, 65_534, 65_534)
    await server.run(`CREATE TABLESPACE small LOCATION '${folder}'`)
    const name = `small_${database}`
    await server.run(`CREATE DATABASE ${name} TABLESPACE small`)
    await using full = await openBook({ store: postgres(server.url(name), { migrate: true }) })
    assert.deepEqual((await full.inspect()).problems, [])
    const fill = (): void => writeFileSync(join(folder, 'filler'), Buffer.alloc(24_000_000))
    assert.throws(fill, { code: 'ENOSPC' })
    const [problem] = (await full.inspect()).problems
    assert.equal(problem?.code, 'STORE_FULL')
    rmSync(join(folder, 'filler'))
    assert.deepEqual((await full.inspect()).problems, [])
    await full.close()
    await server.run(`DROP DATABASE ${name} WITH (FORCE)`)
    await server.run('DROP TABLESPACE small')
  })
})
