import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { documentQuery, selectDocuments } from './document-query.ts'
import type { ReadModelShape } from './ports/read-models.ts'

const shape: ReadModelShape = {
  name: 'balances',
  version: 1,
  columns: { cents: 'integer', rate: 'real', owner: 'text', isOpen: 'boolean' },
}

const documents = [
  { key: 'a', columns: { cents: 5, rate: 0.5, owner: 'Žofie', isOpen: true } },
  { key: 'b', columns: { cents: 10, rate: null, owner: 'Adam', isOpen: false } },
  { key: 'c', columns: { cents: null, rate: -1, owner: null, isOpen: null } },
  { key: 'd', columns: { cents: 5, rate: 2, owner: '', isOpen: true } },
]

type Options = Parameters<typeof documentQuery>[1]

function keys(options: Options): string {
  return selectDocuments(documents, documentQuery(shape, options))
    .map(({ key }) => key)
    .join('')
}

const answers: readonly (readonly [Options, string])[] = [
  [{}, 'abcd'],
  [{ where: { cents: 5 } }, 'ad'],
  [{ where: { cents: { gt: 5 } } }, 'b'],
  [{ where: { cents: { gte: 5, lt: 10 } } }, 'ad'],
  [{ where: { cents: { lte: 5 } } }, 'ad'],
  [{ where: { cents: null } }, 'c'],
  [{ where: { cents: { ne: 5 } } }, 'bc'],
  [{ where: { cents: { ne: null } } }, 'abd'],
  [{ where: { cents: { in: [10, 11] } } }, 'b'],
  [{ where: { cents: { in: [] } } }, ''],
  [{ where: { owner: '' } }, 'd'],
  [{ where: { isOpen: false } }, 'b'],
  [{ where: { isOpen: true, cents: 5, rate: { gt: 1 } } }, 'd'],
  [{ where: { key: { gt: 'b' } } }, 'cd'],
  [{ where: { key: { in: ['a', 'x'] } } }, 'a'],
  [{ orderBy: { cents: 'asc' } }, 'cadb'],
  [{ orderBy: { cents: 'desc' } }, 'badc'],
  [{ orderBy: { cents: 'asc', rate: 'desc' } }, 'cdab'],
  [{ orderBy: { owner: 'asc' } }, 'cdba'],
  [{ orderBy: { key: 'desc' }, limit: 2 }, 'dc'],
  [{ where: { cents: undefined, owner: undefined } }, 'abcd'],
]

test('conditions all hold, nulls come first, ties are ordered by key', () => {
  for (const [options, expected] of answers) assert.equal(keys(options), expected, JSON.stringify(options))
})

test('text is ordered by code point, as the bytes of its UTF-8 are', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '\uffff', '\u{10000}', '\u{1f600}', '\ue000') })
  fc.assert(
    fc.property(fc.uniqueArray(text, { maxLength: 8 }), (texts) => {
      const held = texts.map((key) => ({ key, columns: {} }))
      const ordered = selectDocuments(held, documentQuery(shape, {})).map(({ key }) => key)
      const byBytes = texts.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      assert.deepEqual(ordered, byBytes)
    }),
  )
})

test('unknown columns, operators, directions and values of another type are refused', () => {
  const illegal = [
    '{"where":{"unknown":1}}',
    '{"where":{"constructor":1}}',
    '{"where":{"cents":{"like":"a"}}}',
    '{"where":{"cents":"5"}}',
    '{"where":{"cents":1.5}}',
    '{"where":{"owner":5}}',
    '{"where":{"isOpen":1}}',
    '{"where":{"cents":{"gt":null}}}',
    '{"where":{"cents":{"in":5}}}',
    '{"where":{"cents":{"in":[null]}}}',
    '{"where":{"key":5}}',
    '{"orderBy":{"unknown":"asc"}}',
    '{"orderBy":{"cents":"ASC"}}',
  ]
  for (const options of illegal) {
    assert.throws(() => documentQuery(shape, JSON.parse(options)), { code: 'ILLEGAL_QUERY' }, options)
  }
  for (const limit of [0, -1, 1.5, 10_001]) {
    assert.throws(() => documentQuery(shape, { limit }), { code: 'ILLEGAL_ARGUMENT' })
  }
})

test('text is compared as every store can hold it: without lone surrogates, and without NUL', () => {
  const { where } = documentQuery(shape, { where: { owner: { in: ['a\u0000b', '\ud800', '🦉'] } } })
  assert.deepEqual(where[0]?.value, ['a\ufffdb', '\ufffd', '🦉'])
})
