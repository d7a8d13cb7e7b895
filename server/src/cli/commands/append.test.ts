import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import {
  daybook,
  daybookEvents,
  daybookJson,
  exampleFolder,
  failureOf,
  type Json,
  jsonLines,
  newFolder,
} from '../test-bed.ts'

let folder = ''
let store = ''
beforeEach(() => {
  folder = newFolder()
  store = `sqlite:${join(folder, 'book.db')}`
})

const append = (...words: string[]): ReturnType<typeof daybook> =>
  daybook(['append', ...words, '--store', store])
const events = (): ReturnType<typeof daybookEvents> => daybookEvents(['read', '--store', store])

describe('append', () => {
  it('appends an event and prints it', async () => {
    const { code, stdout } = await append('account-42', 'MoneyDeposited', '{"cents":500}')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^1\t\S+Z\taccount-42\t1\tMoneyDeposited\t{"cents":500}\t{"correlationId":"[^"]+"}\t\[\]\n$/,
    )
  })

  it('takes who, why, when, tags and metadata', async () => {
    const words =
      'a-1 B {} --actor teller-7 --occurred-at 1993-01-05 --metadata {"ticket":"A-17"} --tag x --tag y'
    await append(...words.split(' '), '--reason', 'counted again')
    const [event] = await events()
    assert.ok(event !== undefined)
    assert.deepEqual(event.tags, ['x', 'y'])
    const { correlationId, ...metadata } = event.metadata
    assert.equal(typeof correlationId, 'string')
    assert.deepEqual(metadata, {
      ticket: 'A-17',
      actor: 'teller-7',
      reason: 'counted again',
      occurredAt: '1993-01-05T00:00:00.000Z',
    })
  })

  it('reads data from standard input, and takes {} for none', async () => {
    await daybook(['append', 'a-1', 'B', '-', '--store', store], { input: ' {"from":"stdin"}\n' })
    await append('a-1', 'C')
    assert.deepEqual(
      (await events()).map(({ data }) => data),
      [{ from: 'stdin' }, {}],
    )
  })

  it('prints the outcome as one JSON object', async () => {
    const [outcome] = await daybookJson(['append', 'a-1', 'B', '{}', '--store', store])
    assert.deepEqual(Object.keys(outcome ?? {}), ['events', 'position', 'isRepeat'])
  })

  it('ends with 4 on a conflict, and tells the versions', async () => {
    await append('a-1', 'B')
    for (const expected of ['none', '0', '2']) {
      const ran = await append('a-1', 'B', '{}', '--expected-version', expected, '--json')
      assert.equal(ran.code, 4, expected)
      assert.equal(failureOf(ran).code, 'CONCURRENCY_CONFLICT')
      assert.equal(failureOf(ran).facts.actual, 1)
    }
    for (const expected of ['exists', 'any', '3']) {
      assert.equal((await append('a-1', 'B', '{}', '--expected-version', expected)).code, 0, expected)
    }
    assert.equal((await append('a-2', 'B', '{}', '--expected-version', 'exists')).code, 4)
  })

  it('has one effect for one idempotency key, and refuses it for other content', async () => {
    const key = ['--idempotency-key', 'k']
    assert.equal((await append('a-1', 'B', '{"n":1}', ...key)).code, 0)
    const again = await append('a-1', 'B', '{"n":1}', ...key)
    assert.match(again.stderr, /nothing new was appended/)
    assert.equal((await events()).length, 1)
    const other = await append('a-1', 'B', '{"n":2}', ...key, '--json')
    assert.equal(other.code, 4)
    assert.equal(failureOf(other).code, 'IDEMPOTENCY_KEY_REUSED')
  })

  const refused: readonly (readonly [string, readonly string[], string])[] = [
    ['no type', ['a-1'], 'USAGE'],
    ['data that is not JSON', ['a-1', 'B', '{cents:5}'], 'USAGE'],
    ['data that is no object', ['a-1', 'B', '[1]'], 'ILLEGAL_DATA'],
    ['an integer that a number cannot hold', ['a-1', 'B', '{"n":9007199254740993}'], 'ILLEGAL_DATA'],
    ['a number beyond all', ['a-1', 'B', '{"n":1e999}'], 'ILLEGAL_DATA'],
    ['a stream without an id', ['account', 'B'], 'ILLEGAL_NAME'],
    ['a control character in a name', ['a-1\n', 'B'], 'ILLEGAL_NAME'],
    ['a name too long', [`a-${'x'.repeat(300)}`, 'B'], 'ILLEGAL_NAME'],
    ['an empty tag', ['a-1', 'B', '{}', '--tag', ''], 'ILLEGAL_NAME'],
    ['a version that is none', ['a-1', 'B', '{}', '--expected-version', '-1'], 'USAGE'],
    ['a time that is none', ['a-1', 'B', '{}', '--occurred-at', 'yesterday'], 'ILLEGAL_ARGUMENT'],
    ['metadata that is no object', ['a-1', 'B', '{}', '--metadata', '[]'], 'USAGE'],
    ['an empty key', ['a-1', 'B', '{}', '--idempotency-key', ''], 'ILLEGAL_NAME'],
    ['a file and a stream', ['a-1', 'B', '--file', 'x'], 'USAGE'],
    ['a file and a tag', ['--file', 'x', '--tag', 't'], 'USAGE'],
  ]
  for (const [name, words, code] of refused) {
    it(`refuses ${name} with 2`, async () => {
      const ran = await append(...words, '--json')
      assert.equal(failureOf(ran).code, code, ran.stderr)
      assert.equal(ran.code, 2)
    })
  }

  it('checks data by the decider of the category, where there is a configuration', async () => {
    const config = join(exampleFolder(), 'daybook.config.ts')
    const ran = await append('account-1', 'MoneyDeposited', '{"cents":-5}', '--config', config, '--json')
    assert.equal(failureOf(ran).code, 'EVENT_INVALID')
    assert.equal(ran.code, 1)
    const unknown = await append('account-1', 'MoneyLost', '{}', '--config', config, '--json')
    assert.match(failureOf(unknown).message, /MoneyLost is no event of "account"/)
  })
})

describe('append --file', () => {
  const line = (stream: string, data: unknown, more: Json = {}): string =>
    `${JSON.stringify({ stream, type: 'Counted', data, ...more })}\n`
  const file = (content: string | Uint8Array): string => {
    const path = join(folder, 'events.ndjson')
    writeFileSync(path, content)
    return path
  }

  it('appends the lines in the order of the file', async () => {
    const lines = Array.from({ length: 1_234 }, (_, n) => line(`s-${n % 3}`, { n }, { actor: `a${n % 2}` }))
    const ran = await append('--file', file(lines.join('')))
    assert.equal(ran.stdout, 'Appended 1,234 events. The log is at position 1234.\n')
    const appended = await events()
    assert.deepEqual(
      appended.map(({ data }) => data.n),
      lines.map((_, n) => n),
    )
    assert.equal(appended[7]?.metadata.actor, 'a1')
  })

  it('reads standard input, skips empty lines, takes CR LF and a last line without an end', async () => {
    const input = `\n${line('s-1', { text: 'a\u2028b' }).trimEnd()}\r\n\r\n${line('s-1', {}).trimEnd()}`
    const ran = await daybook(['append', '--file', '-', '--store', store, '--json'], { input })
    assert.deepEqual(jsonLines(ran.stdout), [{ appended: 2, repeated: 0, position: 2 }])
    assert.deepEqual((await events())[0]?.data, { text: 'a\u2028b' })
  })

  it('takes back what read --json printed', async () => {
    await append('a-1', 'B', '{"n":1}', '--tag', 't', '--actor', 'me')
    await append('b-1', 'C', '{"n":2}')
    const { stdout } = await daybook(['read', '--json', '--store', store])
    const copy = `sqlite:${join(folder, 'copy.db')}`
    await daybook(['append', '--file', '-', '--store', copy], { input: stdout })
    const timeless = (all: readonly Json[]): unknown => all.map((event) => ({ ...event, recordedAt: '' }))
    assert.deepEqual(timeless(await daybookJson(['read', '--store', copy])), timeless(jsonLines(stdout)))
  })

  it('stops at the first bad line: what stands before it is appended, and it goes on from there', async () => {
    const lines = Array.from({ length: 700 }, (_, n) => line('s-1', { n }))
    lines[601] = line('s', { bad: 'stream' })
    const path = file(lines.join(''))
    const ran = await append('--file', path, '--json')
    assert.equal(ran.code, 2)
    const { code, facts, hint } = failureOf(ran)
    assert.equal(code, 'ILLEGAL_NAME')
    assert.equal(facts.line, 602)
    assert.equal(facts.appended, 601)
    assert.match(hint, /--from-line 602/)
    assert.equal((await events()).length, 601)
    lines[601] = line('s-1', { n: 601 })
    assert.equal((await append('--file', file(lines.join('')), '--from-line', '602')).code, 0)
    assert.deepEqual(
      (await events()).map(({ data }) => data.n),
      lines.map((_, n) => n),
    )
  })

  const bad: readonly (readonly [string, string | Uint8Array, string, RegExp])[] = [
    ['no JSON', '{"stream":', 'USAGE', /line 2 .*: the line is not JSON/],
    ['no object', '[]', 'USAGE', /no JSON object/],
    ['no stream', '{"type":"B"}', 'USAGE', /no stream/],
    ['an unknown field', '{"stream":"a-1","type":"B","dta":{}}', 'USAGE', /unknown field "dta"/],
    [
      'metadata that is none',
      '{"stream":"a-1","type":"B","metadata":1}',
      'USAGE',
      /metadata is no JSON object/,
    ],
    ['tags that are no list', '{"stream":"a-1","type":"B","tags":"x"}', 'USAGE', /tags is no array/],
    ['tags that are none', '{"stream":"a-1","type":"B","tags":[1]}', 'ILLEGAL_NAME', /tag 1 is not a string/],
    ['bytes that are no text', Buffer.from([0x7b, 0xff, 0x7d]), 'USAGE', /not UTF-8/],
  ]
  for (const [name, content, code, message] of bad) {
    it(`names the line of ${name}`, async () => {
      const ran = await append(
        '--file',
        file(Buffer.concat([Buffer.from(line('s-1', {})), Buffer.from(content)])),
        '--json',
      )
      assert.equal(failureOf(ran).code, code)
      assert.match(failureOf(ran).message, message)
      assert.equal((await events()).length, 1)
    })
  }

  it('keeps what a line expects of its stream', async () => {
    const first = line('s-1', {}, { expectedVersion: 'none' })
    const ran = await append('--file', file(`${first}${line('s-2', {})}${first}${line('s-3', {})}`), '--json')
    assert.equal(ran.code, 4)
    assert.equal(failureOf(ran).facts.line, 3)
    assert.equal((await events()).length, 2)
  })

  it('makes appending a file again harmless by one key for the file', async () => {
    const path = file(line('s-1', { n: 1 }) + line('s-1', { n: 2 }))
    await append('--file', path, '--idempotency-key', 'import')
    const again = await append('--file', path, '--idempotency-key', 'import')
    assert.equal(again.stdout, 'Appended 0 events; 2 were there already. The log is at position 2.\n')
    const other = await append(
      '--file',
      file(line('s-1', { n: 9 }) + line('s-1', { n: 3 })),
      '--idempotency-key',
      'import',
      '--json',
    )
    assert.equal(other.code, 4)
    assert.equal(failureOf(other).facts.line, 1)
  })

  it('names a file that is not there, and makes no book for it', async () => {
    const ran = await append('--file', join(folder, 'none.ndjson'), '--json')
    assert.equal(failureOf(ran).code, 'FILE_FAILED')
    assert.equal((await append('--file', folder, '--json')).code, 1)
    assert.equal(existsSync(join(folder, 'book.db')), false)
  })

  it('stops when it is interrupted, and tells where to go on', async () => {
    const ran = await daybook(['append', '--file', file(line('s-1', {})), '--store', store, '--json'], {
      signal: AbortSignal.abort(),
    })
    assert.equal(ran.code, 130)
    assert.equal(failureOf(ran).code, 'INTERRUPTED')
    assert.match(failureOf(ran).hint, /--from-line 1/)
  })
})
