import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { daybook, daybookEvents, failureOf, newFolder } from '../test-bed.ts'

const file = join(newFolder(), 'book.db')
const store = `sqlite:${file}`

before(async () => {
  await using book = await openBook({ store: sqlite(file) })
  for (let n = 1; n <= 6; n++) {
    const event = {
      type: n % 2 === 1 ? 'Odd' : 'Even',
      data: { n },
      tags: n === 6 ? ['last', 'even'] : ['any'],
    }
    await book.append(n <= 4 ? 'a-1' : 'b-1', event)
  }
})

const numbers = async (...words: string[]): Promise<readonly unknown[]> =>
  (await daybookEvents(['read', ...words, '--store', store])).map(({ data }) => data.n)

describe('read', () => {
  const slices: readonly (readonly [string, readonly number[]])[] = [
    ['', [1, 2, 3, 4, 5, 6]],
    ['a-1', [1, 2, 3, 4]],
    ['a-1 --backwards', [4, 3, 2, 1]],
    ['a-1 --backwards --limit 1', [4]],
    ['a-1 --limit 0', []],
    ['a-1 --from-version 2 --to-version 3', [2, 3]],
    ['a-1 --from-version 3 --backwards', [4, 3]],
    ['a-1 --to-version 0', []],
    ['a-1 --type Even', [2, 4]],
    ['a-1 --type Even --type Odd --from-version 4', [4]],
    ['a-2', []],
    ['--after 2 --to 5', [3, 4, 5]],
    ['--after head', []],
    ['--after 4 --limit 1', [5]],
    ['--category b', [5, 6]],
    ['--category a --category b --type Odd', [1, 3, 5]],
    ['--tag even --tag last', [6]],
    ['--tag any --category b', [5]],
    ['--tag none', []],
    ['--limit 2', [1, 2]],
    ['--limit 0', []],
  ]
  for (const [words, expected] of slices) {
    it(`daybook read ${words}`, async () => {
      assert.deepEqual(await numbers(...words.split(' ').filter((word) => word !== '')), expected)
    })
  }

  it('prints lines with tabs in a pipe, a table on a terminal', async () => {
    const lines = await daybook(['read', 'a-1', '--limit', '1', '--store', store])
    assert.equal(lines.stdout.split('\t').length, 8)
    const { stdout } = await daybook(['read', 'a-1', '--limit', '1', '--store', store], { columns: 100 })
    const [head = '', row = '', ...rest] = stdout.split('\n')
    assert.equal(head, '\u001b[1mPosition  Recorded                  Stream  Version  Type  Data\u001b[22m')
    assert.match(row, /^ {7}1 {2}\S{24} {2}a-1 {11}1 {2}Odd {3}\{"n":1\}$/)
    assert.deepEqual(rest, [''])
  })

  it('uses no colour where NO_COLOR is set', async () => {
    const { stdout } = await daybook(['read', '--store', store], { columns: 100, env: { NO_COLOR: '1' } })
    assert.ok(!stdout.includes('\u001b'))
  })

  it('says when there is nothing, and is not wrong', async () => {
    const ran = await daybook(['read', 'a-2', '--store', store])
    assert.deepEqual(ran, { code: 0, stdout: '', stderr: 'a-2 has no events.\n' })
    const narrowed = await daybook(['read', '--type', 'None', '--store', store])
    assert.equal(narrowed.stderr, 'The log has no such events.\n')
    const json = await daybook(['read', 'a-2', '--store', store, '--json'])
    assert.deepEqual(json, { code: 0, stdout: '', stderr: '' })
  })

  it('ends following after --limit', async () => {
    assert.deepEqual(await numbers('a-1', '--follow', '--limit', '4'), [1, 2, 3, 4])
    assert.deepEqual(await numbers('--follow', '--limit', '6'), [1, 2, 3, 4, 5, 6])
  })

  const refused: readonly (readonly [string, string])[] = [
    ['account', 'ILLEGAL_NAME'],
    ['a-1 --category a', 'USAGE'],
    ['a-1 --after 3', 'USAGE'],
    ['--backwards', 'USAGE'],
    ['--from-version 1', 'USAGE'],
    ['a-1 --from-version 0', 'USAGE'],
    ['a-1 --from-version x', 'USAGE'],
    ['a-1 --limit -1', 'USAGE'],
    ['a-1 --limit 1e3', 'USAGE'],
    ['--after 9007199254740993', 'USAGE'],
    ['a-1 --follow --backwards', 'USAGE'],
    ['--category a-1', 'ILLEGAL_NAME'],
    ['a-1 b-1', 'USAGE'],
    ['--nonsense', 'USAGE'],
  ]
  for (const [words, code] of refused) {
    it(`refuses with 2: daybook read ${words}`, async () => {
      const ran = await daybook(['read', ...words.split(' '), '--store', store, '--json'])
      assert.equal(failureOf(ran).code, code)
      assert.equal(ran.code, 2)
    })
  }
})
