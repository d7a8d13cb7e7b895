import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { nodeHost } from '../host/node-host.ts'
import { type Book, DaybookError, isDaybookError, openBook } from '../index.ts'
import { postgres } from './index.ts'
import { type LockHolder, lockHolders, namingHolder } from './lock-holders.ts'
import { logStatements } from './statements.ts'

const server = await testServer({ settings: { max_prepared_transactions: '2' } })
after(() => server.dispose())

describe("the log's lock", () => {
  let url: string
  let book: Book
  let other: Client
  const happened = { type: 'Happened', data: {} }

  beforeEach(async () => {
    url = server.url(await server.createDatabase())
    book = await openBook({ store: postgres(url, { migrate: true, timeoutMs: 1_200 }) })
    other = new Client({ connectionString: url, application_name: 'a forgotten shell' })
    other.on('error', () => undefined)
    await other.connect()
  })
  afterEach(async () => {
    await other.end()
    await book.close()
  })

  async function holders(schema = 'daybook'): Promise<readonly LockHolder[]> {
    const client = new Client({ connectionString: url })
    await client.connect()
    const runner = {
      run: async (statement: string | { readonly text: string }): Promise<readonly (string | null)[][]> => {
        const text = typeof statement === 'string' ? statement : statement.text
        const types = { getTypeParser: () => (cell: string) => cell }
        return (await client.query({ text, rowMode: 'array', types })).rows as (string | null)[][]
      },
    }
    try {
      return await lockHolders(runner, schema)
    } finally {
      await client.end()
    }
  }

  /** Answered, a session is idle a moment before it waits for its client. */
  async function holdersAtRest(): Promise<readonly LockHolder[]> {
    let found = await holders()
    while (found.some(({ waitsFor }) => waitsFor === undefined)) found = await holders()
    return found
  }

  it('is free', async () => {
    await book.append('thing-1', happened)
    assert.deepEqual(await holders(), [])
    assert.deepEqual((await book.inspect()).problems, [])
  })

  it('is held by a transaction left open: whoever waits in vain is told by whom, and so is who inspects', async () => {
    await other.query('BEGIN')
    await book.append('thing-1', happened, { transaction: other })
    const [holder] = await holdersAtRest()
    assert.equal(holder?.applicationName, 'a forgotten shell')
    assert.equal(holder?.state, 'idle in transaction')
    assert.equal(holder?.waitsFor, 'Client ClientRead')
    await assert.rejects(book.append('thing-2', happened), (error) => {
      assert.ok(isDaybookError(error, 'STORE_BUSY'))
      assert.equal((error.facts.holder as LockHolder).pid, holder.pid)
      return /a forgotten shell.*idle in transaction for 1\.\d s/.test(error.message)
    })
    const [problem] = (await book.inspect()).problems
    assert.equal(problem?.code, 'STORE_HELD_UP')
    assert.match(problem.message, /process \d+ \(application "a forgotten shell"/)
    assert.match(problem.hint, new RegExp(`pg_terminate_backend\\(${holder.pid}\\)`))
    await other.query('ROLLBACK')
    await book.append('thing-3', happened)
    assert.deepEqual((await book.inspect()).problems, [])
  })

  it('is that of its schema alone', async () => {
    await using neighbour = await openBook({ store: postgres(url, { schema: 'neighbour', migrate: true }) })
    await other.query('BEGIN')
    await neighbour.append('thing-1', happened, { transaction: other })
    assert.deepEqual([(await holders()).length, (await holders('neighbour')).length], [0, 1])
    await book.append('thing-1', happened)
    await other.query('ROLLBACK')
  })

  it('is that of its schema as it is now, also for a connection that knew another of this name', async () => {
    const { lock } = logStatements('daybook')
    const isHeld = async (): Promise<boolean> => {
      await other.query('BEGIN')
      await other.query({ ...lock })
      const found = (await holders()).length === 1
      await other.query('ROLLBACK')
      return found
    }
    const before = await isHeld()
    await other.query('DROP SCHEMA daybook CASCADE; CREATE SCHEMA daybook')
    assert.deepEqual([before, await isHeld()], [true, true])
  })

  it('is held by a transaction that was prepared and forgotten', async () => {
    await other.query('BEGIN')
    await book.append('thing-1', happened, { transaction: other })
    await other.query(`PREPARE TRANSACTION 'half a transfer'`)
    const [holder] = await holders()
    assert.deepEqual([holder?.pid, holder?.preparedName], [undefined, 'half a transfer'])
    await other.query(`ROLLBACK PREPARED 'half a transfer'`)
    assert.deepEqual(await holders(), [])
  })
})

describe('who waited in vain', () => {
  it('does not wait again for a server that does not say who holds the lock', async () => {
    const busy = new DaybookError('STORE_BUSY', 'another transaction holds the lock')
    const silent = { run: () => new Promise<never>(() => undefined) }
    const host = nodeHost({ sleep: async () => undefined })
    assert.equal(await namingHolder(busy, { runner: silent, schema: 'daybook', host }), busy)
  })
})
