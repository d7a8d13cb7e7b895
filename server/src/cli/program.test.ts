import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errorRegistry } from 'daybook'
import { CommandFailure, exitCodeOf, exitCodes, failureFrom } from './failures.ts'
import { failureJson } from './output.ts'
import { daybook, failureOf } from './test-bed.ts'

const commands = [
  'init',
  'append',
  'run',
  'read',
  'state',
  'history',
  'find',
  'projections',
  'subscriptions',
  'parked',
  'pending',
  'stats',
  'migrate',
  'partition',
  'doctor',
]

describe('help', () => {
  it('lists every command', async () => {
    const { code, stdout } = await daybook(['--help'])
    assert.equal(code, 0)
    for (const [exitCode, , meaning] of Object.values(exitCodes))
      assert.ok(stdout.includes(`\n  ${String(exitCode).padEnd(5)}${meaning}\n`), meaning)
    for (const name of commands) assert.match(stdout, new RegExp(`^ {2}${name} .*[a-z]`, 'm'))
  })

  for (const name of commands) {
    it(`of ${name} teaches: purpose, examples, exit codes`, async () => {
      const { code, stdout } = await daybook([name, '--help'])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^Usage: daybook ${name}`))
      assert.match(stdout, /\n\n[A-Z].{40,}/)
      assert.match(stdout, /\nExamples:\n {2}# .+\n {2}\S*daybook |gunzip/)
      assert.match(stdout, /\n {2}0 ok, 1 error, 2 usage, 3 refused, 4 conflict, 5 store, 130 interrupted; /)
      for (const option of ['--config', '--store', '--json']) assert.ok(stdout.includes(option), option)
      const same = await daybook(['help', name])
      assert.equal(same.stdout, stdout)
    })
  }

  it('is printed to standard error where no command is given, with exit code 2', async () => {
    const ran = await daybook([])
    assert.equal(ran.code, 2)
    assert.match(ran.stderr, /^Usage: daybook/)
    assert.equal(failureOf(await daybook(['--json'])).message, 'no command given')
  })

  it('prints the version', async () => {
    assert.match((await daybook(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
  })
})

describe('a command line that is wrong', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['reed', /unknown command 'reed'\nDid you mean read\?/],
    ['projection', /Did you mean projections\?/],
    ['xyzzy', /Known are init, append/],
    ['read --folow', /unknown option '--folow'\nDid you mean --follow\?/],
    ['read --limit', /argument missing/],
    ['state account', /missing required argument 'id'/],
    ['stats extra', /too many arguments/],
    ['help xyzzy', /Usage: daybook/],
  ]
  for (const [line, message] of cases) {
    it(`daybook ${line}`, async () => {
      const ran = await daybook(line.split(' '))
      assert.equal(ran.code, 2)
      assert.equal(ran.stdout, '')
      assert.match(ran.stderr, message)
    })
  }

  it('is told as JSON where JSON was asked for', async () => {
    const { code, message, hint, facts } = failureOf(await daybook(['reed', '--json']))
    assert.deepEqual([code, message, facts], ['USAGE', "unknown command 'reed'", {}])
    assert.match(hint, /Did you mean read\?/)
  })

  it('takes options of every command before the command too', async () => {
    assert.equal((await daybook(['--store', 'memory:', '--json', 'stats'])).code, 0)
  })
})

describe('failures', () => {
  it('have the exit code of their kind', () => {
    const expected: { readonly [code: string]: number } = {
      USAGE: 2,
      ILLEGAL_NAME: 2,
      COMMAND_REFUSED: 3,
      CONCURRENCY_CONFLICT: 4,
      CONDITION_FAILED: 4,
      IDEMPOTENCY_KEY_REUSED: 4,
      EVENT_INVALID: 1,
      CONFIG_INVALID: 1,
      UNEXPECTED: 1,
      INTERRUPTED: 130,
    }
    for (const [code, exitCode] of Object.entries(expected)) assert.equal(exitCodeOf(code), exitCode, code)
    for (const code of Object.keys(errorRegistry).filter((name) => name.startsWith('STORE_')))
      assert.equal(exitCodeOf(code), 5, code)
  })

  it('of another copy of the library are known by their shape', () => {
    const other = Object.assign(new Error('no'), { code: 'STORE_FULL', hint: 'Free space.', facts: { a: 1 } })
    assert.deepEqual(failureFrom(other), {
      code: 'STORE_FULL',
      message: 'no',
      hint: 'Free space.',
      facts: { a: 1 },
    })
  })

  it('that nobody expected tell their place, whatever was thrown', () => {
    const failure = failureFrom(new TypeError('boom'))
    assert.equal(failure.code, 'UNEXPECTED')
    assert.match(String(failure.facts.at), /program\.test\.ts:\d+:\d+/)
    assert.equal(failureFrom('text').message, 'text')
    assert.equal(failureFrom(undefined).message, 'undefined')
    assert.equal(failureFrom(Object.assign(new Error('x'), { code: 'EEXIST' })).code, 'UNEXPECTED')
  })

  it('are JSON whatever their facts hold', () => {
    const facts = { big: 1n, symbol: Symbol('s'), none: undefined, run: () => 1 }
    const json = JSON.parse(failureJson(new CommandFailure({ code: 'USAGE', message: 'm', facts }))) as {
      readonly error: { readonly facts: { readonly big: string } }
    }
    assert.equal(json.error.facts.big, '1')
  })
})
