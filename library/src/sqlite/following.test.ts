import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { OpenStore } from '../core/ports/store.ts'
import { nodeHost } from '../host/node-host.ts'
import { at, balances, change, row, subscription } from '../testing/conformance/read-models.ts'
import { sqlite } from './index.ts'
import { applicationId } from './statements.ts'

const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0

function newFile(): string {
  return join(folder, `${files++}.db`)
}

async function opened<Result>(
  path: string,
  work: (store: OpenStore) => Promise<Result>,
  options: { readonly readOnly?: boolean } = {},
): Promise<Result> {
  const store = await sqlite(path, options).open(nodeHost())
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** A book as the first version of the schema had it, with a checkpoint. */
function oldFile(): string {
  const path = newFile()
  using database = new DatabaseSync(path)
  database.exec(readFileSync(new URL('./migrations/001-book.sql', import.meta.url), 'utf8'))
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1;
    INSERT INTO book VALUES (1, '00000000-0000-7000-8000-000000000001', 1, 0, 0);
    INSERT INTO checkpoint VALUES ('mails', 7, 1, 'f', 5)`)
  return path
}

/** The names of the indexes that were made for the columns of read models. */
function indexesIn(path: string): readonly unknown[] {
  using database = new DatabaseSync(path, { readOnly: true })
  const text = `SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'read:% %' ORDER BY name`
  return database
    .prepare(text)
    .all()
    .map(({ name }) => name)
}

test('a file of the first schema is brought up to date, and keeps its checkpoints', async () => {
  const path = oldFile()
  await opened(path, async ({ readModels, following }) => {
    const held = { position: 7, epoch: 1, fingerprint: 'f', updatedAtMs: 5 }
    assert.deepEqual(await readModels.checkpoint('mails'), held)
    const acquired = await following.acquire('mails', 'a', 1_000)
    assert.equal(acquired?.lease.token, 1)
    assert.equal(await readModels.moveCheckpoint('mails', 7, at(8), acquired.lease), true)
  })
})

test('a file of the first schema is not opened for reading only, which could not bring it up to date', async () => {
  const refused = { code: 'STORE_NOT_MIGRATED', message: /has schema 1, and reading needs 2/ }
  await assert.rejects(
    opened(oldFile(), async () => undefined, { readOnly: true }),
    refused,
  )
})

test('a book opened for reading only tells of its subscriptions, and changes nothing', async () => {
  const path = newFile()
  const lease = await opened(path, async ({ readModels, following }) => {
    await readModels.prepare(balances, subscription, at(0))
    return (await following.acquire(subscription, 'a', 60_000))?.lease ?? assert.fail()
  })
  await opened(
    path,
    async ({ readModels, following }) => {
      assert.equal((await following.leases())[0]?.owner, 'a')
      assert.deepEqual(await following.parked({ limit: 1 }), [])
      assert.deepEqual(await following.countParked(), [])
      assert.deepEqual(await following.readModels(), [])
      assert.ok((await following.now()) > 0)
      const writes = [
        () => following.acquire(subscription, 'b', 1_000),
        () => following.renew(lease, 1_000),
        () => following.release(lease),
        () => following.noteTrial(lease, undefined),
        () => following.pause(subscription, true),
        () => following.join('g', 'b', 1_000),
        () => following.leave('g', 'b'),
        () => following.transaction(async () => undefined),
        () => readModels.index(balances),
        () => readModels.drop(balances, subscription),
      ]
      for (const write of writes) await assert.rejects(write, { code: 'STORE_READ_ONLY' }, String(write))
    },
    { readOnly: true },
  )
})

test('a copy has its indexes when they are asked for, and not before', async () => {
  const path = newFile()
  await opened(path, async ({ readModels }) => {
    const copy = { ...balances, generation: 3 }
    await readModels.prepare(copy, 'balances@2.3', at(0), false)
    await readModels.change({ ...change(0, 1, [row('a', 1)]), shape: copy, subscription: 'balances@2.3' })
    assert.deepEqual(indexesIn(path), [])
    await readModels.index(copy)
    const columns = ['cents', 'isOpen', 'owner', 'rate']
    assert.deepEqual(
      indexesIn(path),
      columns.map((column) => `read:balances@2.3 ${column}`),
    )
    await readModels.drop(copy, 'balances@2.3')
    assert.deepEqual(indexesIn(path), [])
  })
})

test('statements of the user may use savepoints, take booleans, and be many', async () => {
  await opened(newFile(), async ({ following }) => {
    const rows = await following.transaction(async ({ sql }) => {
      assert.ok(sql)
      await sql.query('CREATE TABLE entry (id INTEGER PRIMARY KEY, is_open INTEGER, note BLOB)')
      await sql.query('INSERT INTO entry VALUES (?, ?, ?)', [1, true, new Uint8Array([7])])
      await sql.query('SAVEPOINT inner')
      await sql.query('DELETE FROM entry')
      await sql.query('ROLLBACK TO inner')
      await sql.query('RELEASE inner; -- and no more')
      for (let n = 0; n < 500; n++) await sql.query(`SELECT ${n} FROM entry`)
      return sql.query('SELECT * FROM entry')
    })
    assert.deepEqual(rows, [{ id: 1, is_open: 1, note: new Uint8Array([7]) }])
    await assert.rejects(
      following.transaction(async ({ sql }) => sql?.query('DELETE FROM entry; DELETE FROM entry')),
      { code: 'ILLEGAL_ARGUMENT' },
    )
  })
})
