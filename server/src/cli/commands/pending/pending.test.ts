import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { followedBook, until } from '../../followed-bed.ts'
import { daybook, daybookJson, exampleFolder, failureOf, type Json, type Ran } from '../../test-bed.ts'

describe('pending', () => {
  const book = followedBook()
  const run = (...words: readonly string[]): Promise<Ran> => daybook(['pending', ...words, ...book.base])

  before(async () => {
    // Accounts 1 and 2 get a deposit, which ends their processes; 8 and 9 wait for one.
    await book.open('Ada', 'Bob')
    for (const key of ['8', '9'])
      await daybook(['run', 'account', key, 'open', '{"owner":"Cy"}', ...book.base])
    const none = await run()
    assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'No such process is pending.\n'])
    await using application = await book.runApplication()
    await until(async () => {
      const pending = await application.processes.pending()
      return (
        pending.map(({ key }) => key).join() === '8,9' &&
        pending.every(({ waitsFor }) => waitsFor.length === 1)
      )
    })
  })

  it('lists what is not finished, the oldest first: since when, and what it waits for', async () => {
    const all = await daybookJson(['pending', ...book.base])
    assert.deepEqual(
      all.map(({ process, key, isOverdue }) => [process, key, isOverdue]),
      [
        ['welcome', '8', false],
        ['welcome', '9', false],
      ],
    )
    const [wait] = (all[0]?.waitsFor ?? []) as readonly Json[]
    assert.deepEqual([wait?.kind, wait?.name], ['deadline', 'deposit'])
    assert.match(
      (await run('--limit', '1')).stdout,
      /^welcome\t8\t\d{4}-\S+Z\t\d.*\t\tdeadline deposit at \d{4}-\S+Z\n$/,
    )
    assert.equal(
      (await daybookJson(['pending', '--process', 'welcome', '--older-than', '0s', ...book.base])).length,
      2,
    )
    assert.deepEqual(await daybookJson(['pending', '--older-than', '1d', ...book.base]), [])
  })

  it('shows one with its state and everything that happened to it, finished or not', async () => {
    const [process, ...events] = await daybookJson(['pending', 'show', 'welcome', '8', ...book.base])
    const { waitsFor: _waitsFor, ...told } = process ?? {}
    assert.deepEqual(told, {
      kind: 'process',
      process: 'welcome',
      key: '8',
      state: { owner: 'Cy' },
      isFinished: false,
      version: 1,
    })
    assert.deepEqual(
      events.map(({ kind, type, version }) => [kind, type, version]),
      [['event', 'process:InputTaken', 1]],
    )
    const finished = await run('show', 'welcome', '1')
    assert.match(
      finished.stdout,
      /^process\twelcome\nkey\t1\nstate\t\{"owner":"Ada"\}\nfinished\tyes\nwaits for\tnothing\nversion\t2\n/,
    )
  })

  it('is none where the configuration has no processes', async () => {
    const base = ['--config', join(exampleFolder(), 'daybook.config.ts')]
    await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}', ...base])
    const ran = await daybook(['pending', ...base])
    assert.deepEqual(ran, { code: 0, stdout: '', stderr: 'The configuration has no processes.\n' })
  })

  const refused: readonly (readonly [readonly string[], string, number])[] = [
    [['show', 'welcome', 'nobody'], 'NOT_FOUND', 1],
    [['show', 'nothing', '8'], 'NOT_REGISTERED', 2],
    [['--process', 'nothing'], 'NOT_REGISTERED', 2],
    [['--older-than', 'long'], 'USAGE', 2],
    [['--older-than', '5'], 'USAGE', 2],
    [['--limit', '10001'], 'ILLEGAL_ARGUMENT', 2],
    [['nothing'], 'USAGE', 2],
  ]
  for (const [words, code, exitCode] of refused) {
    it(`is refused: daybook pending ${words.join(' ')}`, async () => {
      const ran = await run(...words, '--json')
      assert.equal(failureOf(ran).code, code, ran.stderr)
      assert.equal(ran.code, exitCode)
    })
  }
})
