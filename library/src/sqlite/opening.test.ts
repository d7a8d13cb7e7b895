import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { isDaybookError } from '../core/errors.ts'
import { nodeHost } from '../host/node-host.ts'
import { type Connection, connect } from './connection.ts'
import { sqlite } from './index.ts'
import { schemaVersion } from './migrate.ts'
import * as sql from './statements.ts'

/** Makes an empty file a book. */
const makeBook = `BEGIN; CREATE TABLE book (id); ${sql.markAsBook}; ${sql.setSchemaVersion(1)}; COMMIT`

describe('opening while somebody else has the file for itself', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  // As another process does that turns on write-ahead logging or recovers the file after a crash.
  function held(path: string): DatabaseSync {
    const other = new DatabaseSync(path)
    other.exec('BEGIN EXCLUSIVE')
    return other
  }

  it('waits until the file is free', async () => {
    const path = join(folder, 'free.db')
    const other = held(path)
    setTimeout(() => other.exec('ROLLBACK'), 60)
    const store = await sqlite(path).open(nodeHost())
    assert.equal((await store.log.head()).position, 0)
    await store.close()
    other.close()
  })

  it('gives up after lockTimeoutMs with STORE_BUSY', async () => {
    const path = join(folder, 'held.db')
    const other = held(path)
    const opening = sqlite(path, { lockTimeoutMs: 30 }).open(nodeHost())
    await assert.rejects(opening, (error) => isDaybookError(error, 'STORE_BUSY'))
    other.close()
  })

  it('takes what becomes a book at that very moment for no foreign file', () => {
    const path = join(folder, 'made.db')
    const connection = connect({ path, name: 'made', durability: 'commit', isReadOnly: false })
    const other = new DatabaseSync(path)
    const looking: Connection = Object.create(connection)
    let looks = 0
    looking.first = (text) => {
      const row = connection.first(text)
      if (looks++ === 0) other.exec(makeBook)
      return row
    }
    assert.equal(schemaVersion(looking, 'made', 1), 0)
    assert.equal(schemaVersion(connection, 'made', 1), 1)
    connection.database.close()
    other.close()
  })
})
