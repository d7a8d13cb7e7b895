import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { csvLine } from '../csv.ts'
import { changesBetween } from '../state-changes.ts'
import { daybook, daybookJson, exampleFolder, failureOf } from '../test-bed.ts'

const base = ['--config', join(exampleFolder(), 'daybook.config.ts')]

before(async () => {
  const commands: readonly (readonly string[])[] = [
    ['open', '{"owner":"Ada"}', '--actor', 'bank', '--occurred-at', '1993-01-01'],
    [
      'deposit',
      '{"cents":500}',
      '--actor',
      'teller-7',
      '--reason',
      '=HYPERLINK("x")',
      '--occurred-at',
      '1993-02-01',
    ],
    ['withdraw', '{"cents":200}', '--actor', 'teller-8', '--reason', 'for "milk",\nand bread'],
  ]
  for (const words of commands) await daybook(['run', 'account', '42', ...words, ...base])
  await daybook(['append', 'note-1', 'NoteTaken', '{"text":"\\u001b[31mred"}', ...base])
})

const versions = async (...words: string[]): Promise<readonly unknown[]> =>
  (await daybookJson(['history', 'account-42', ...words, ...base])).map(({ version }) => version)

describe('history', () => {
  it('tells what each event changed in the state', async () => {
    const entries = await daybookJson(['history', 'account-42', ...base])
    assert.deepEqual(
      entries.map(({ changes }) => changes),
      [
        [{ path: 'isOpen', before: false, after: true }],
        [{ path: 'cents', before: 0, after: 500 }],
        [{ path: 'cents', before: 500, after: 300 }],
      ],
    )
  })

  it('filters by type, actor, version and time, and still folds what is left out', async () => {
    assert.deepEqual(await versions('--type', 'MoneyDeposited', '--type', 'AccountOpened'), [1, 2])
    assert.deepEqual(await versions('--actor', 'teller-7'), [2])
    assert.deepEqual(await versions('--from-version', '2', '--to-version', '2'), [2])
    assert.deepEqual(await versions('--since', '1993-01-15', '--until', '1993-02-01'), [2])
    assert.deepEqual(await versions('--until', '1999-01-01'), [1, 2])
    assert.deepEqual(await versions('--until', '1999-01-01', '--recorded'), [])
    const [last] = await daybookJson(['history', 'account-42', '--from-version', '3', ...base])
    assert.deepEqual(last?.changes, [{ path: 'cents', before: 500, after: 300 }])
  })

  it('lists the events of a category without a decider', async () => {
    const [entry] = await daybookJson(['history', 'note-1', ...base])
    assert.equal(entry?.type, 'NoteTaken')
    assert.equal('changes' in entry, false)
  })

  it('shows on a terminal what, when, who, why and the change, and obeys no control characters', async () => {
    const { stdout } = await daybook(['history', 'account-42', ...base], {
      columns: 100,
      env: { NO_COLOR: '1' },
    })
    for (const part of [
      'Version  Event',
      'MoneyWithdrawn',
      'by teller-8',
      'cents 500 → 300',
      'cents 200',
      'position 3',
    ])
      assert.ok(stdout.includes(part), `${part} in\n${stdout}`)
    assert.match(stdout, /1993-02-01T00:00:00\.000Z\n\s+recorded 2/)
    const note = await daybook(['history', 'note-1', ...base], { columns: 100, env: { NO_COLOR: '1' } })
    assert.ok(!note.stdout.includes('\u001b'))
  })

  it('prints a line with tabs for each event in a pipe', async () => {
    const { stdout } = await daybook(['history', 'account-42', '--from-version', '3', ...base])
    const cells = stdout.trimEnd().split('\t')
    assert.equal(cells.length, 9)
    assert.deepEqual(cells.slice(4), [
      'MoneyWithdrawn',
      'teller-8',
      'for "milk",\\nand bread',
      '{"cents":200}',
      'cents 500 → 300',
    ])
  })

  it('prints CSV that a spreadsheet reads and does not run', async () => {
    const { stdout } = await daybook(['history', 'account-42', '--csv', ...base])
    const [head, first, second = '', ...third] = stdout.split('\r\n')
    assert.equal(head, 'stream,version,position,recordedAt,occurredAt,type,id,actor,reason,ip,data,changes')
    assert.match(
      first ?? '',
      /^account-42,1,1,\S+Z,1993-01-01T00:00:00.000Z,AccountOpened,[0-9a-f-]{36},bank,,,/,
    )
    assert.ok(second.includes(`,"'=HYPERLINK(""x"")",`), second)
    assert.ok(third.join('\r\n').includes(',"for ""milk"",\nand bread",'))
  })

  it('refuses what contradicts itself, and says when there is nothing', async () => {
    assert.equal((await daybook(['history', 'account-42', '--csv', '--json', ...base])).code, 2)
    assert.equal(failureOf(await daybook(['history', 'account', '--json', ...base])).code, 'ILLEGAL_NAME')
    const none = await daybook(['history', 'account-99', ...base])
    assert.deepEqual(none, { code: 0, stdout: '', stderr: 'account-99 has no events.\n' })
  })
})

describe('the changes between two states', () => {
  const cases: readonly (readonly [string, unknown, unknown, readonly unknown[]])[] = [
    ['none', { a: 1, b: [1] }, { a: 1, b: [1] }, []],
    ['a field', { a: 1 }, { a: 2 }, [{ path: 'a', before: 1, after: 2 }]],
    ['a new field', {}, { a: null }, [{ path: 'a', before: undefined, after: null }]],
    ['a field gone', { a: 1 }, {}, [{ path: 'a', before: 1, after: undefined }]],
    ['deeper', { a: { b: { c: 1 } } }, { a: { b: { c: 2 } } }, [{ path: 'a.b.c', before: 1, after: 2 }]],
    [
      'in a list',
      { a: [1, 2] },
      { a: [1, 3, 4] },
      [
        { path: 'a[1]', before: 2, after: 3 },
        { path: 'a[2]', before: undefined, after: 4 },
      ],
    ],
    ['another kind', { a: [] }, { a: {} }, [{ path: 'a', before: [], after: {} }]],
    ['no objects', 1, 2, [{ path: '', before: 1, after: 2 }]],
    ['zeros of two signs', { a: 0 }, { a: -0 }, [{ path: 'a', before: 0, after: -0 }]],
  ]
  for (const [name, before, after, expected] of cases)
    it(name, () => assert.deepEqual(changesBetween(before, after), expected))
})

describe('a line of CSV', () => {
  it('quotes what must be quoted', () => {
    assert.equal(csvLine(['a', 'b,c', 'd"e', 'f\ng', '']), 'a,"b,c","d""e","f\ng",\r\n')
    assert.equal(csvLine(['=1', '+1', '-1', '@x', '1-1']), "'=1,'+1,'-1,'@x,1-1\r\n")
  })
})
