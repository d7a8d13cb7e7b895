import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import type { ErrorCode } from '../core/errors.ts'
import { nodeHost } from '../host/node-host.ts'
import { openBook } from '../index.ts'
import { type SqliteOptions, sqlite } from './index.ts'

describe('a file that is no sound book is refused, by a code that says what it is', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  async function book(name: string): Promise<string> {
    const path = join(folder, name)
    await (await sqlite(path).open(nodeHost())).close()
    return path
  }

  async function refused(path: string, code: ErrorCode, options: SqliteOptions = {}): Promise<void> {
    await assert.rejects(sqlite(path, options).open(nodeHost()), { code })
  }

  it('a folder', async () => {
    const path = join(folder, 'folder')
    mkdirSync(path)
    await refused(path, 'STORE_CANNOT_OPEN')
    await refused(path, 'STORE_CANNOT_OPEN', { readOnly: true })
  })

  it('a file in a folder that does not exist', () =>
    refused(join(folder, 'no', 'book.db'), 'STORE_CANNOT_OPEN'))

  it('nothing, when only reading; and makes nothing', async () => {
    const path = join(folder, 'absent.db')
    await refused(path, 'STORE_CANNOT_OPEN', { readOnly: true })
    assert.equal(existsSync(path), false)
  })

  it('an empty file, when only reading', async () => {
    const path = join(folder, 'empty.db')
    writeFileSync(path, '')
    await refused(path, 'STORE_FOREIGN', { readOnly: true })
  })

  it('a text', async () => {
    const path = join(folder, 'text.db')
    writeFileSync(path, 'Dear diary, '.repeat(1_000))
    await refused(path, 'STORE_FOREIGN')
  })

  it('a database of something else, which stays as it was', async () => {
    const path = join(folder, 'other.db')
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE orders (id INTEGER)')
    await refused(path, 'STORE_FOREIGN')
    assert.deepEqual({ ...other.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'delete' })
    assert.deepEqual(
      { ...other.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() },
      { tables: 1 },
    )
    other.close()
  })

  it('a book of a newer version, which stays as it was', async () => {
    const path = await book('newer.db')
    const newer = new DatabaseSync(path)
    newer.exec('PRAGMA user_version = 99')
    newer.close()
    await refused(path, 'STORE_NEWER')
    await refused(path, 'STORE_NEWER', { readOnly: true })
  })

  it('a book cut in the middle: by opening, or by its own inspection', async () => {
    const path = await book('cut.db')
    truncateSync(path, 20_000)
    const opened = await sqlite(path)
      .open(nodeHost())
      .catch((error: unknown) => error)
    if (opened instanceof Error) {
      assert.equal('code' in opened && opened.code, 'STORE_CORRUPT')
      return
    }
    const { problems } = await (opened as Awaited<ReturnType<ReturnType<typeof sqlite>['open']>>).inspect()
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['STORE_CORRUPT'],
    )
  })

  it('what would lose acknowledged appends, unless asked for by name', () => {
    assert.throws(() => sqlite(join(folder, 'a.db'), { flush: 'checkpoint' }), { code: 'STORE_UNSAFE' })
    assert.throws(() => sqlite(':memory:'), { code: 'UNSUPPORTED' })
    assert.ok(sqlite(join(folder, 'a.db'), { flush: 'checkpoint', unsafeDurability: true }))
  })
})

describe('an index of tags that lost an entry', () => {
  it('is found by inspecting the book, for queries and conditions would not see the event', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
    const path = join(folder, 'tags.db')
    const book = await openBook({ store: sqlite(path) })
    await book.append('note-1', { type: 'NoteTaken', data: {}, tags: ['topic:1', 'topic:2'] })
    assert.deepEqual((await book.inspect()).problems, [])
    const intruder = new DatabaseSync(path)
    intruder.exec("DROP TRIGGER event_tag_no_delete; DELETE FROM event_tag WHERE tag = 'topic:2'")
    intruder.close()
    const [problem] = (await book.inspect()).problems
    assert.equal(problem?.code, 'STORE_CORRUPT')
    assert.match(problem.message, /lacks 1 entries/)
    await book.close()
    rmSync(folder, { recursive: true })
  })
})

describe('a full disk', () => {
  it('refuses the append, keeps reading, and goes on when there is room', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
    const path = join(folder, 'full.db')
    await (await sqlite(path).open(nodeHost())).close()
    const book = await openBook({ store: sqlite(path) })
    const note = { type: 'NoteTaken', data: { text: 'x'.repeat(5_000) } }
    await book.append('notes-1', note)
    // SQLite's own limit gives the very code that a full disk does, at the very place.
    const limiter = new DatabaseSync(path)
    await assert.rejects(
      (async () => {
        limiter.exec('PRAGMA max_page_count = 1; BEGIN IMMEDIATE')
        try {
          for (let count = 0; count < 500; count++)
            await book.append('notes-1', note, { transaction: limiter })
        } finally {
          limiter.exec('ROLLBACK')
        }
      })(),
      { code: 'STORE_FULL' },
    )
    assert.equal((await book.readStream('notes-1').toArray()).length, 1)
    limiter.exec('PRAGMA max_page_count = 1000000; BEGIN IMMEDIATE')
    await book.append('notes-1', note, { transaction: limiter })
    limiter.exec('COMMIT')
    limiter.close()
    assert.equal(await book.head(), 2)
    assert.equal((await book.verify()).firstBad, undefined)
    await book.close()
    rmSync(folder, { recursive: true })
  })
})
