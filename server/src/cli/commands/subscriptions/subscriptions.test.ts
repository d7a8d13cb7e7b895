import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { followedBook, until } from '../../followed-bed.ts'
import { daybook, daybookJson, exampleFolder, failureOf } from '../../test-bed.ts'

describe('subscriptions', () => {
  it('are listed with who runs them, and none is ever begun by a command', async () => {
    const book = followedBook()
    await book.open('Ada', 'Bob')
    for (const line of [
      'find balances',
      'doctor',
      'projections',
      'pending',
      'parked',
      'run account 9 open {"owner":"Cy"}',
    ])
      assert.equal((await daybook([...line.split(' '), ...book.base])).code, 0, line)
    assert.deepEqual(book.effects(), [])
    const before = await daybookJson(['subscriptions', ...book.base])
    assert.deepEqual(
      before.map(({ kind, name, status, position }) => [kind, name, status, position]),
      [
        ['subscription', 'search', 'new', 0],
        ['process', 'welcome', 'new', 0],
        ['process', 'welcome-outbox', 'new', 0],
      ],
    )
    const application = await book.runApplication()
    await until(async () => (await application.status()).every(({ behind }) => behind === 0))
    const [search] = await daybookJson(['subscriptions', 'list', ...book.base])
    assert.deepEqual([search?.status, search?.behind], ['current', 0])
    assert.match(String(search?.owner), /./)
    const shown = await daybook(['subscriptions', 'show', 'search', ...book.base])
    assert.match(
      shown.stdout,
      /^subscription\tsearch@1\nstatus\tcurrent\nposition\t\d+, 0 behind\nrun by\t\S.*, heard of \d.* ago\naside\tnone\n$/,
    )
    await application.close()
    assert.deepEqual(book.effects(), ['1', '2', '9'])
    assert.match(
      (await daybook(['subscriptions', 'show', 'search', ...book.base])).stdout,
      /^run by\tnobody$/m,
    )
  })

  it('are paused in every process, and go on', async () => {
    const book = followedBook()
    await book.open('Ada')
    await (await book.runApplication()).close()
    const paused = await daybook(['subscriptions', 'pause', 'search', ...book.base])
    assert.equal(
      paused.stdout,
      'search is paused: nobody runs it until `daybook subscriptions resume search`.\n',
    )
    const before = book.effects().length
    await daybook(['run', 'account', '2', 'open', '{"owner":"Bob"}', ...book.base])
    await using application = await book.runApplication()
    // The process gets on meanwhile.
    await until(async () => (await application.processes.pending()).some(({ key }) => key === '2'))
    const [status] = await daybookJson(['subscriptions', ...book.base])
    assert.equal(status?.status, 'paused')
    assert.equal(book.effects().length, before)
    const resumed = await daybook(['subscriptions', 'resume', 'search', ...book.base, '--json'])
    assert.deepEqual(JSON.parse(resumed.stdout), { name: 'search', isPaused: false })
    await until(async () => book.effects().includes('2'))
  })

  it('need no code to be paused: a projection, by the store alone', async () => {
    const book = followedBook()
    await book.open('Ada')
    await daybook(['find', 'balances', ...book.first])
    const store = ['--store', `sqlite:${join(book.folder, 'accounts.db')}`]
    assert.equal((await daybook(['subscriptions', 'pause', 'balances', ...store])).code, 0)
    const [paused] = await daybookJson(['projections', ...book.first])
    assert.equal(paused?.status, 'paused')
    assert.equal((await daybook(['subscriptions', 'resume', 'balances', ...store])).code, 0)
  })

  it('are none where the configuration has none', async () => {
    const base = ['--config', join(exampleFolder(), 'daybook.config.ts')]
    await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}', ...base])
    const ran = await daybook(['subscriptions', ...base])
    assert.deepEqual(ran, {
      code: 0,
      stdout: '',
      stderr: 'The configuration has no subscriptions, reactions or processes.\n',
    })
  })

  for (const line of ['show nothing', 'pause nothing', 'resume nothing', 'pause', 'nothing']) {
    it(`is refused with 2: daybook subscriptions ${line}`, async () => {
      const book = followedBook()
      await book.open('Ada')
      const ran = await daybook(['subscriptions', ...line.split(' '), ...book.base, '--json'])
      assert.equal(failureOf(ran).code, line.includes(' ') ? 'NOT_REGISTERED' : 'USAGE')
      assert.equal(ran.code, 2)
    })
  }
})
