import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import { exampleFiles } from '../init-files.ts'
import {
  daybook,
  daybookEvents,
  daybookJson,
  exampleFolder,
  failureOf,
  jsonLines,
  newFolder,
  type Ran,
} from '../test-bed.ts'

let config = ''
beforeEach(() => {
  config = join(exampleFolder(), 'daybook.config.ts')
})

const run = (...words: string[]): Promise<Ran> => daybook(['run', ...words, '--config', config])

describe('run', () => {
  it('prints the events, version, position and state', async () => {
    const { code, stdout } = await run('account', '42', 'open', '{"owner":"Ada"}')
    assert.equal(code, 0)
    const [event = '', ...stands] = stdout.split('\n')
    assert.match(event, /^1\t\S+\taccount-42\t1\tAccountOpened\t/)
    assert.deepEqual(stands, ['version\t1', 'position\t1', 'state\t{"isOpen":true,"cents":0}', ''])
  })

  it('prints the outcome as one JSON object', async () => {
    const { stdout } = await run('account', '42', 'open', '{"owner":"Ada"}', '--json')
    const [outcome] = jsonLines(stdout)
    assert.deepEqual(
      { ...outcome, events: [] },
      {
        events: [],
        version: 1,
        position: 1,
        state: { isOpen: true, cents: 0 },
        isRepeat: false,
      },
    )
  })

  it('ends with 3 when the command is refused, and says why', async () => {
    const refused = await run('account', '42', 'withdraw', '{"cents":500}')
    assert.equal(refused.code, 3)
    assert.match(refused.stdout, /^refused\tInsufficientFunds\nfacts\t{"available":0}\n/)
    const json = await run('account', '42', 'withdraw', '{"cents":500}', '--json')
    assert.equal(json.code, 3)
    assert.deepEqual(jsonLines(json.stdout)[0]?.refused, {
      reason: 'InsufficientFunds',
      facts: { available: 0 },
    })
    assert.equal(json.stderr, '')
  })

  it('takes who and why, and a key that makes a repeat harmless', async () => {
    await run('account', '42', 'open', '{"owner":"Ada"}')
    const deposit = ['account', '42', 'deposit', '{"cents":5}', '--actor', 'me', '--idempotency-key', 'k']
    await run(...deposit)
    const again = await run(...deposit)
    assert.match(again.stdout, /version\t2/)
    assert.match(again.stderr, /first outcome again/)
    const [, deposited] = await daybookEvents(['read', 'account-42', '--config', config])
    assert.equal(deposited?.metadata.actor, 'me')
    assert.equal((await run('account', '42', 'deposit', '{"cents":6}', '--idempotency-key', 'k')).code, 4)
  })

  it('reads the input from standard input', async () => {
    const ran = await daybook(['run', 'account', '1', 'open', '-', '--config', config], {
      input: '{"owner":"Bo"}',
    })
    assert.equal(ran.code, 0)
  })

  it('uses the store of --store with the deciders of the configuration', async () => {
    const other = `sqlite:${join(newFolder(), 'other.db')}`
    await run('account', '1', 'open', '{"owner":"Bo"}', '--store', other)
    assert.equal((await daybookEvents(['read', '--store', other])).length, 1)
    assert.equal((await daybook(['read', '--config', config, '--json'])).code, 5)
  })

  const refused: readonly (readonly [string, readonly string[], string, number])[] = [
    ['an unknown decider', ['acount', '1', 'open'], 'NOT_REGISTERED', 2],
    ['an unknown command', ['account', '1', 'opn'], 'COMMAND_UNKNOWN', 2],
    ['input that is not JSON', ['account', '1', 'open', 'Ada'], 'USAGE', 2],
    ['an empty id', ['account', '', 'open', '{"owner":"Ada"}'], 'ILLEGAL_NAME', 2],
    ['data its schema does not know', ['account', '1', 'open', '{"owner":5}'], 'EVENT_INVALID', 1],
    ['too few words', ['account', '1'], 'USAGE', 2],
  ]
  for (const [name, words, code, exitCode] of refused) {
    it(`refuses ${name}`, async () => {
      const ran = await run(...words, '--json')
      assert.equal(failureOf(ran).code, code)
      assert.equal(ran.code, exitCode)
    })
  }

  it('names a missing input when the command throws for it', async () => {
    const ran = await run('account', '1', 'withdraw', '--json')
    assert.equal(ran.code, 1)
    assert.equal(failureOf(ran).code, 'UNEXPECTED')
    assert.match(failureOf(ran).hint, /no input/)
    assert.match(String(failureOf(ran).facts.at), /account\.ts:\d+/)
  })

  it('keeps inline projections, and runs no reaction', async () => {
    const folder = newFolder({
      'account.ts': `${exampleFiles['account.ts']?.replace('columns: {', "mode: 'inline',\n  columns: {")}`,
      'daybook.config.ts': `
import { writeFileSync } from 'node:fs'
import { defineBook, reaction } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents, balances } from './account.ts'
const mails = reaction('mails', {
  from: accountEvents,
  types: ['AccountOpened'],
  startAt: 'beginning',
  run: () => writeFileSync(import.meta.dirname + '/sent', ''),
})
export default defineBook({
  store: sqlite(import.meta.dirname + '/book.db'), deciders: [account], projections: [balances], reactions: [mails], follow: true,
})`,
    })
    const base = ['--config', join(folder, 'daybook.config.ts')]
    await daybook(['run', 'account', '1', 'open', '{"owner":"Bo"}', ...base])
    const [balances] = await daybookJson(['projections', ...base])
    assert.equal(balances?.behind, 0)
    for (const words of ['find balances', 'doctor', 'read', 'stats', 'history account-1', 'state account 1'])
      assert.equal((await daybook([...words.split(' '), ...base])).code, 0, words)
    assert.equal(existsSync(join(folder, 'sent')), false)
  })
})
