import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Column, PagedTable, wrapped } from './tables.ts'
import { displayWidth, visible } from './text.ts'

describe('wrapping a text', () => {
  const cases: readonly (readonly [string, string, number, string])[] = [
    ['what fits stays', 'short', 8, 'short'],
    ['at a space', 'cents 200000 → 4040000', 14, 'cents 200000 →\n4040000'],
    ['in a word where there is no space', '{"bank":"ZP"}', 5, '{"ban\nk":"Z\nP"}'],
    ['exactly as wide', 'abcd efgh', 4, 'abcd\nefgh'],
    ['lines of their own', 'a b\nc d', 3, 'a b\nc d'],
    ['wide characters', '日本語 日本語', 6, '日本語\n日本語'],
    ['nothing', '', 4, ''],
    ['one too wide for the column', '日', 1, '日'],
  ]
  for (const [name, text, width, expected] of cases)
    it(name, () => assert.equal(wrapped(text, width), expected))

  it('takes a long text in its stride', () => {
    const startMs = performance.now()
    const lines = wrapped('x'.repeat(1_000_000), 30).split('\n')
    assert.equal(lines.length, Math.ceil(1_000_000 / 30))
    assert.ok(performance.now() - startMs < 5_000)
  })
})

describe('a table', () => {
  interface Row {
    readonly name: string
    readonly count: number
  }
  const columns: readonly Column<Row>[] = [
    { title: 'Name', text: ({ name }) => name },
    { title: 'Count', text: ({ count }) => String(count), isNumber: true },
  ]
  const plain = (text: string): string => text

  it('puts names left and numbers right, the head once', () => {
    const table = new PagedTable(columns, 80)
    assert.equal(table.page([{ name: 'a', count: 5 }], plain), 'Name  Count\na         5\n')
    assert.equal(table.page([{ name: 'b', count: 12345 }], plain), 'b     12345\n')
  })

  it('cuts the widest text, never a number, to fit the terminal', () => {
    const table = new PagedTable(columns, 20)
    const [, row = ''] = table.page([{ name: 'x'.repeat(50), count: 1234567 }], plain).split('\n')
    assert.ok(displayWidth(row) <= 20, row)
    assert.match(row, /^x+… +1234567$/)
  })

  it('grows with wider rows and never narrows again', () => {
    const table = new PagedTable(columns, 80)
    table.page([{ name: 'a', count: 1 }], plain)
    table.page([{ name: 'much longer', count: 1 }], plain)
    assert.equal(table.page([{ name: 'a', count: 1 }], plain), 'a                1\n')
  })
})

describe('text on a terminal', () => {
  it('shows control characters instead of obeying them', () => {
    assert.equal(
      visible('\u001b[31mred\u0007\n\u202eevil\u009b'),
      '\\u001b[31mred\\u0007\\n\\u202eevil\\u009b',
    )
  })

  it('counts columns', () => {
    assert.equal(displayWidth('Štěpán'), 6)
    assert.equal(displayWidth('日本'), 4)
    assert.equal(displayWidth('e\u0301'), 1)
  })
})
