/** Commits whose answer is not to be trusted: each append is asked after until it is known, and no longer than the time-out. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client, DatabaseError } from 'pg'
import type { PostgresDriver, PostgresQuery, PostgresSettings } from '../../library/src/postgres/driver.ts'
import { events, openBank } from './bank.ts'

const server = await testServer()
after(() => server.dispose())
const url = server.url(await server.createDatabase())

type Send = (query: PostgresQuery) => Promise<unknown>

/** A driver whose commits of appends go wrong in a way of the test's. */
function failingDriver(): {
  readonly driver: PostgresDriver
  failCommits(how: (send: () => Promise<unknown>) => Promise<unknown>): void
} {
  let fail: ((send: () => Promise<unknown>) => Promise<unknown>) | undefined
  class FailingClient extends Client {
    constructor(settings: PostgresSettings) {
      super(settings)
      const send: Send = this.query.bind(this)
      let isAppend = false
      const query = (given: PostgresQuery): unknown => {
        if (given.text.includes('leaf_hash, chain_hash)')) isAppend = true
        if (given.text !== 'COMMIT' || !isAppend || fail === undefined) return send(given)
        isAppend = false
        return fail(() => send(given))
      }
      Object.assign(this, { query })
    }
  }
  return {
    driver: { Client: FailingClient },
    failCommits: (how) => {
      fail = how
    },
  }
}

/** What the server says when it cannot write its write-ahead log, and ends. */
function diskFull(): Error {
  const error = new DatabaseError('could not write to file: No space left on device', 0, 'error')
  return Object.assign(error, { severity: 'PANIC', code: '53100' })
}

it('a commit that failed in words, and was done, is answered once it is found', async () => {
  const { driver, failCommits } = failingDriver()
  await using book = await openBank(url, { schema: 'done', driver })
  failCommits(async (send) => {
    await send()
    throw diskFull()
  })
  const { position } = await book.append('account-1', events.Deposited({ cents: 1 }))
  assert.equal(position, 1)
  assert.deepEqual(await book.verify(), { events: 1 })
})

it('a commit that failed, and was not done, is answered by its error', async () => {
  const { driver, failCommits } = failingDriver()
  await using book = await openBank(url, { schema: 'failed', driver })
  let commits = 0
  failCommits(async () => {
    commits++
    throw diskFull()
  })
  await assert.rejects(book.append('account-1', events.Deposited({ cents: 1 })), { code: 'STORE_FULL' })
  assert.deepEqual([commits, await book.head()], [1, 0])
})

it('a server that is lost at each commit is tried no longer than the time-out', async () => {
  const { driver, failCommits } = failingDriver()
  await using book = await openBank(url, { schema: 'lost', driver, timeoutMs: 1_000 })
  let commits = 0
  failCommits(async () => {
    commits++
    throw new Error('Connection terminated unexpectedly')
  })
  await assert.rejects(book.append('account-1', events.Deposited({ cents: 1 })), {
    code: 'STORE_UNREACHABLE',
  })
  assert.ok(commits > 1, 'it was tried once')
  assert.equal(await book.head(), 0)
})
