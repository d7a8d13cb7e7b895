/** What follows a book in PostgreSQL, shown and decided about from the command line. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { type Followed, followedBook, until } from './followed-bed.ts'
import { daybook, daybookJson, failureOf, type Ran } from './test-bed.ts'

const server = await testServer()
after(() => server.dispose())

/** A book in a database of its own. */
async function followedInPostgres(): Promise<Followed> {
  const url = server.url(await server.createDatabase())
  const book = followedBook(`postgres(${JSON.stringify(url)}, { schema: 'bank' })`)
  const migrated = await daybook(['migrate', ...book.first])
  assert.equal(migrated.code, 0, migrated.stderr)
  return book
}

describe('a book on PostgreSQL that is followed', () => {
  it('has a read model filled beside, compared, swapped and taken back', async () => {
    const book = await followedInPostgres()
    const run = (line: string): Promise<Ran> => daybook(['projections', ...line.split(' '), ...book.base])
    await book.open('Ada', 'Bob')
    assert.equal((await daybook(['find', 'balances', '1', ...book.first])).code, 0)
    assert.match(
      (await run('rebuild balances')).stdout,
      /\nbalances@2 is filled up to position 4, and waits\.\n$/,
    )
    const compared = await run('compare balances')
    assert.deepEqual([compared.code, compared.stdout], [1, '1\towner\tAda\tADA\n2\towner\tBob\tBOB\n'])
    assert.equal((await run('swap balances')).code, 0)
    const [found] = await daybookJson(['find', 'balances', '--where', 'owner^=AD', ...book.base])
    assert.deepEqual(found, { key: '1', document: { owner: 'ADA', cents: 1, movements: 1 } })
    assert.match((await run('undo balances')).stdout, /^balances@1 serves from now on, at position 4;/)
    const [past] = await daybookJson(['find', 'balances', '--as-of', '1', ...book.base])
    assert.deepEqual(past, { key: '1', document: { owner: 'ADA', cents: 0, movements: 0 } })
    assert.equal(failureOf(await run('cancel balances --json')).code, 'REBUILD_REFUSED')
    assert.deepEqual(book.effects(), [])
  })

  it('has its subscriptions, parked events and processes shown, and decided about', async () => {
    const book = await followedInPostgres()
    await book.open('Ada', 'Bad')
    await daybook(['run', 'account', '9', 'open', '{"owner":"Cy"}', ...book.base])
    const application = await book.runApplication()
    await until(async () => (await application.subscriptions.parked({ statuses: ['parked'] })).length === 1)
    await until(async () => (await application.processes.pending()).some(({ key }) => key === '9'))
    await until(async () => (await application.status()).every(({ behind }) => behind === 0))
    const [search] = await daybookJson(['subscriptions', ...book.base])
    assert.deepEqual([search?.name, search?.status, typeof search?.owner], ['search', 'current', 'string'])
    const before = book.effects().length
    const retried = await daybook(['parked', 'retry', 'search', '3', ...book.base])
    assert.match(retried.stderr, /runs search, and tries within a second\.\n$/)
    await until(async () => book.effects().length > before)
    await application.close()
    const pending = await daybookJson(['pending', ...book.base])
    assert.ok(pending.some(({ key }) => key === '9'))
    const skip = ['parked', 'skip', 'search', '3', '--actor', 'ada', '--reason', 'a test', ...book.base]
    assert.equal((await daybook(skip)).code, 0)
    const [skipped] = await daybookJson(['parked', '--status', 'skipped', ...book.base])
    assert.deepEqual([skipped?.position, skipped?.actor], [3, 'ada'])
    assert.equal((await daybook(['subscriptions', 'pause', 'search', ...book.base])).code, 0)
    const [paused] = await daybookJson(['subscriptions', 'show', 'search', ...book.base])
    assert.equal(paused?.status, 'paused')
  })
})
