import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { unpackedRows, unpackedWholeRows } from './packed-rows.ts'

/** The columns of a page of two rows, but for those given. */
function page(given: { readonly [column: number]: string } = {}): readonly string[] {
  const columns = [
    '[9,10]',
    '["a-1","b\\"2"]',
    '[3,1]',
    '["Done","Begun"]',
    '[1,2]',
    '[{"text":"two\\nlines","zero":-0},{"__proto__":1}]',
    '[70,80]',
  ]
  return Object.assign(columns, given)
}

describe('rows packed by column', () => {
  it('are the rows that were put in, their data parsed', () => {
    const rows = [
      {
        position: 9,
        stream: 'a-1',
        version: 3,
        type: 'Done',
        schemaVersion: 1,
        data: { text: 'two\nlines', zero: -0 },
        recordedAtMs: 70,
      },
      {
        position: 10,
        stream: 'b"2',
        version: 1,
        type: 'Begun',
        schemaVersion: 2,
        data: JSON.parse('{"__proto__":1}'),
        recordedAtMs: 80,
      },
    ]
    assert.deepEqual(unpackedRows(page()), rows)
    assert.deepEqual(unpackedRows(page().map(() => '[]')), [])
  })

  it('are whole rows with ids, metadata and tags', () => {
    const whole = [...page(), '["id 1","id 2"]', '[{"actor":"teller:7"},{}]', '[["a","b"],[]]']
    const rows = unpackedRows(page()) ?? []
    assert.deepEqual(unpackedWholeRows(whole), [
      { ...rows[0], id: 'id 1', metadata: { actor: 'teller:7' }, tags: ['a', 'b'] },
      { ...rows[1], id: 'id 2', metadata: {}, tags: [] },
    ])
    const wrongWhole: readonly { readonly [column: number]: string }[] = [
      { 0: '[10,9]' },
      { 5: '[{},1]' },
      { 7: '["id 1"]' },
      { 8: '[{},"text"]' },
      { 8: '[null,{}]' },
      { 9: '[[],{}]' },
      { 9: '[[],[]' },
    ]
    for (const wrong of wrongWhole)
      assert.equal(unpackedWholeRows(Object.assign([...whole], wrong)), undefined)
    assert.equal(unpackedWholeRows(page()), undefined)
    assert.equal(unpackedRows(whole), undefined)
  })

  const wrong: Readonly<Record<string, readonly string[]>> = {
    'a column that is short': page({ 1: '["a"]' }),
    'a column that is long': page({ 3: '["a","b","c"]' }),
    'a column that is missing': page().slice(0, 6),
    'a column too many': [...page(), '[1,2]'],
    'positions out of order': page({ 0: '[10,9]' }),
    'a position that comes twice': page({ 0: '[9,9]' }),
    'a column that is no JSON': page({ 5: '[{},{]' }),
    'data that is a number': page({ 5: '[{},1]' }),
    'data that is a text': page({ 5: '["",{}]' }),
    'data that is null': page({ 5: '[null,{}]' }),
  }
  for (const [what, columns] of Object.entries(wrong)) {
    it(`are not taken for rows with ${what}`, () => {
      assert.equal(unpackedRows(columns), undefined)
    })
  }

  it('keep nothing of their page alive but themselves', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const used = (): number => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = used()
    const kept: unknown[] = []
    for (let nth = 0; nth < 50; nth++) {
      const names = JSON.stringify([`first-${nth}-of-its-page`, 'x'.repeat(1_000_000)])
      const data = `[{"text":"the first data of page ${nth}"},{"text":"${'x'.repeat(1_000_000)}"}]`
      // Of bytes, as from a driver: texts of one piece.
      const columns = page({ 1: names, 3: names, 5: data }).map((column) => Buffer.from(column).toString())
      const [row] = unpackedRows(columns) ?? []
      kept.push(row?.stream, row?.type, row?.data)
    }
    // Of 150 MB; the last page may be alive still.
    assert.ok(used() - before < 20_000_000)
    assert.equal(kept.length, 150)
  })
})
