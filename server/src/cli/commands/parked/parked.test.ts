import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { followedBook, until } from '../../followed-bed.ts'
import { daybook, daybookJson, failureOf, type Ran } from '../../test-bed.ts'

describe('parked', () => {
  const book = followedBook()
  const run = (...words: readonly string[]): Promise<Ran> => daybook(['parked', ...words, ...book.base])

  before(async () => {
    await book.open('Ada', 'Bad', 'Cy', 'Bad')
    await using application = await book.runApplication()
    await until(async () => (await application.subscriptions.parked({ statuses: ['parked'] })).length === 2)
  })

  it('lists what is aside, by subscription, stream and status', async () => {
    const all = await daybookJson(['parked', ...book.base])
    assert.deepEqual(
      all.map(({ subscription, position, stream, type, status, attempts, error }) => [
        subscription,
        position,
        stream,
        type,
        status,
        attempts,
        error,
      ]),
      [3, 7].map((at) => [
        'subscription search@1',
        at,
        `account-${at === 3 ? 2 : 4}`,
        'AccountOpened',
        'parked',
        2,
        'this owner cannot be found',
      ]),
    )
    assert.match(String(all[0]?.failedAt), /^\d{4}-.*Z$/)
    const listed = async (...words: readonly string[]): Promise<readonly unknown[]> =>
      (await daybookJson(['parked', 'list', ...words, ...book.base])).map(({ position }) => position)
    assert.deepEqual(await listed('--stream', 'account-4'), [7])
    assert.deepEqual(await listed('--subscription', 'search@1', '--status', 'parked'), [3, 7])
    assert.deepEqual(await listed('--status', 'retrying', '--status', 'skipped'), [])
    const limited = await run('--limit', '1')
    assert.match(
      limited.stdout,
      /^subscription search@1\t3\taccount-2\tAccountOpened\tparked\t2\tthis owner cannot be found\t\S+Z\n$/,
    )
    assert.match(limited.stderr, /^There may be more/)
    assert.match((await run('--status', 'waiting')).stderr, /^No such events are aside\.\n$/)
  })

  it('shows one with the event, its error and its attempts', async () => {
    const { stdout } = await run('show', 'search', '3')
    for (const line of [
      'subscription\tsubscription search@1',
      'stream\taccount-2, version 1',
      'data\t{"owner":"Bad"}',
      'status\tparked',
      'attempts\t2',
      'error\tthis owner cannot be found',
    ])
      assert.ok(stdout.includes(`${line}\n`), stdout)
    const [shown] = await daybookJson(['parked', 'show', 'subscription search@1', '3', ...book.base])
    assert.deepEqual((shown?.event as { readonly data: unknown } | undefined)?.data, { owner: 'Bad' })
  })

  it('has one tried again by the process that runs it, and says which that is', async () => {
    const nobody = await run('retry', 'search', '3')
    assert.equal(nobody.stdout, '1 event of search is due now.\n')
    assert.equal(nobody.stderr, 'Nobody runs search now: it is tried when a process starts that does.\n')
    const before = book.effects().length
    const [retrying] = await daybookJson(['parked', '--status', 'retrying', ...book.base])
    assert.equal(retrying?.position, 3)
    await using application = await book.runApplication()
    await until(async () => book.effects().length > before)
    await until(async () => (await application.subscriptions.parked({ statuses: ['parked'] })).length === 2)
    const somebody = await run('retry', 'search', '--all')
    assert.equal(somebody.stdout, '2 events of search are due now.\n')
    assert.match(somebody.stderr, /^\S+.* runs search, and tries within a second\.\n$/)
    await until(async () => (await application.subscriptions.parked({ statuses: ['parked'] })).length === 2)
  })

  it('has one skipped, and keeps who decided it and why', async () => {
    const skipped = await run('skip', 'search', '7', '--actor', 'ada', '--reason', 'account was a test')
    assert.equal(
      skipped.stdout,
      'search leaves out the event at position 7; later ones of its stream go on.\n',
    )
    const [kept] = await daybookJson(['parked', 'show', 'search', '7', ...book.base])
    assert.deepEqual([kept?.status, kept?.actor, kept?.reason], ['skipped', 'ada', 'account was a test'])
    const { stdout } = await run('retry', 'search', '--all', '--json')
    assert.deepEqual(JSON.parse(stdout), { subscription: 'search', retried: 1 })
  })

  const refused: readonly (readonly [readonly string[], string, number])[] = [
    [['retry', 'search', '5'], 'NOT_PARKED', 1],
    [['retry', 'search', '7'], 'NOT_PARKED', 1],
    [['show', 'search', '5'], 'NOT_PARKED', 1],
    [['skip', 'search', '5', '--actor', 'ada', '--reason', 'r'], 'NOT_PARKED', 1],
    [['skip', 'search', '3', '--actor', 'ada', '--reason', ' '], 'ILLEGAL_ARGUMENT', 2],
    [['skip', 'search', '3', '--actor', 'ada'], 'USAGE', 2],
    [['skip', 'search', 'three', '--actor', 'ada', '--reason', 'r'], 'USAGE', 2],
    [['retry', 'search'], 'USAGE', 2],
    [['retry', 'search', '3', '--all'], 'USAGE', 2],
    [['retry', 'search', '0'], 'USAGE', 2],
    [['retry', 'nothing', '3'], 'NOT_REGISTERED', 2],
    [['show', 'nothing', '3'], 'NOT_REGISTERED', 2],
    [['--subscription', 'nothing'], 'NOT_REGISTERED', 2],
    [['--status', 'broken'], 'USAGE', 2],
    [['--limit', '10001'], 'ILLEGAL_ARGUMENT', 2],
    [['broken'], 'USAGE', 2],
  ]
  for (const [words, code, exitCode] of refused) {
    it(`is refused: daybook parked ${words.join(' ')}`, async () => {
      const ran = await run(...words, '--json')
      assert.equal(failureOf(ran).code, code, ran.stderr)
      assert.equal(ran.code, exitCode)
    })
  }
})
