import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { daybook, daybookJson, exampleFolder, failureOf } from '../test-bed.ts'

const config = join(exampleFolder(), 'daybook.config.ts')
const base = ['--config', config]
let recordedAt = ''

before(async () => {
  const run = (...words: string[]): ReturnType<typeof daybook> =>
    daybook(['run', 'account', '42', ...words, ...base])
  await run('open', '{"owner":"Ada"}', '--occurred-at', '1993-01-01')
  await run('deposit', '{"cents":500}', '--occurred-at', '1993-02-01')
  await run('withdraw', '{"cents":200}', '--occurred-at', '1993-03-01')
  const events = await daybookJson(['read', ...base])
  recordedAt = String(events[2]?.recordedAt)
})

const cents = async (...words: string[]): Promise<unknown> => {
  const [loaded] = await daybookJson(['state', 'account', '42', ...words, ...base])
  assert.ok(loaded !== undefined)
  return (loaded.state as { readonly cents: number }).cents
}

describe('state', () => {
  it('shows the state with its version and position', async () => {
    const [loaded] = await daybookJson(['state', 'account', '42', ...base])
    const state = { isOpen: true, cents: 300 }
    assert.deepEqual(loaded, { stream: 'account-42', state, version: 3, position: 3 })
  })

  it('goes back to a version, a position, a business time or a recorded time', async () => {
    assert.equal(await cents('--at-version', '2'), 500)
    assert.equal(await cents('--at-version', '0'), 0)
    assert.equal(await cents('--at-position', '2'), 500)
    assert.equal(await cents('--at-time', '1993-02-01'), 500)
    assert.equal(await cents('--at-time', '1993-01-31T23:59:59.999Z'), 0)
    assert.equal(await cents('--at-time', '1993-02-15T00:00:00+01:00'), 500)
    assert.equal(await cents('--at-time', '1993-02-15', '--recorded'), 0)
    assert.equal(await cents('--at-time', recordedAt, '--recorded'), 300)
  })

  it('prints lines in a pipe and indented JSON on a terminal', async () => {
    const { stdout } = await daybook(['state', 'account', '42', ...base])
    assert.equal(stdout, 'stream\taccount-42\nversion\t3\nposition\t3\nstate\t{"isOpen":true,"cents":300}\n')
    const table = await daybook(['state', 'account', '42', ...base], { columns: 80, env: { NO_COLOR: '1' } })
    assert.equal(
      table.stdout,
      'stream    account-42\nversion   3\nposition  3\nstate     {\n            "isOpen": true,\n            "cents": 300\n          }\n',
    )
  })

  it('says that a subject without events has none', async () => {
    const ran = await daybook(['state', 'account', '99', ...base])
    assert.equal(ran.code, 0)
    assert.match(ran.stdout, /version\t0/)
    assert.match(ran.stderr, /No event of account-99/)
  })

  const refused: readonly (readonly [readonly string[], string])[] = [
    [['acount', '42'], 'NOT_REGISTERED'],
    [['account', ''], 'ILLEGAL_NAME'],
    [['account', '42', '--at-version', '1', '--at-position', '1'], 'USAGE'],
    [['account', '42', '--recorded'], 'USAGE'],
    [['account', '42', '--at-time', 'yesterday'], 'USAGE'],
    [['account', '42', '--at-time', '1993-02-31T25:00:00Z'], 'USAGE'],
    [['account', '42', '--at-version', '1.5'], 'USAGE'],
  ]
  for (const [words, code] of refused) {
    it(`refuses with 2: daybook state ${words.join(' ')}`, async () => {
      const ran = await daybook(['state', ...words, ...base, '--json'])
      assert.equal(failureOf(ran).code, code)
      assert.equal(ran.code, 2)
    })
  }
})
