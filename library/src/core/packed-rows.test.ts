import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { briefRow, packedSeparator, unpackedRows } from './packed-rows.ts'

const separator = String.fromCharCode(packedSeparator)

function packed(...columns: readonly (readonly unknown[])[]): readonly string[] {
  return columns.map((cells) => cells.join(separator))
}

describe('rows packed by column', () => {
  const positions = [9, 10]

  it('are the rows that were put in', () => {
    const data = ['{"text":"two\\u001elines"}', '[]']
    const brief = packed(positions, ['a-1', 'b-2'], [3, 1], ['Done', 'Begun'], [1, 2], data, [70, 80])
    assert.deepEqual(unpackedRows(brief)?.map(briefRow), [
      {
        position: 9,
        stream: 'a-1',
        version: 3,
        type: 'Done',
        schemaVersion: 1,
        data: data[0],
        recordedAtMs: 70,
      },
      {
        position: 10,
        stream: 'b-2',
        version: 1,
        type: 'Begun',
        schemaVersion: 2,
        data: '[]',
        recordedAtMs: 80,
      },
    ])
  })

  it('are not taken for rows where they do not fit together, or are not in order', () => {
    assert.deepEqual(unpackedRows(packed(positions, ['a', 'b'])), [
      ['9', 'a'],
      ['10', 'b'],
    ])
    assert.equal(unpackedRows(packed(positions, ['a'])), undefined)
    assert.equal(unpackedRows(packed(positions, ['a', 'b', 'c'])), undefined)
    assert.equal(unpackedRows(packed([10, 9], ['a', 'b'])), undefined)
    assert.equal(unpackedRows(packed([9, 9], ['a', 'b'])), undefined)
  })

  it('keep nothing of their page alive but themselves', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const used = (): number => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = used()
    const kept: unknown[] = []
    for (let page = 0; page < 50; page++) {
      // Of bytes, as from a driver: a text of one piece.
      const names = Buffer.from(
        [`first-${page}-of-its-page`, 'x'.repeat(1_000_000)].join(separator),
      ).toString()
      const columns = [
        ...packed(positions),
        names,
        ...packed([1, 1]),
        names,
        ...packed([1, 1], ['', ''], [1, 1]),
      ]
      const [row] = unpackedRows(columns)?.map(briefRow) ?? []
      kept.push(row?.stream, row?.type)
    }
    assert.ok(used() - before < 5_000_000)
    assert.equal(kept.length, 100)
  })
})
