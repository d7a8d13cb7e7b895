import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeCursor, encodeCursor, placeOf, queriesAfter } from './document-cursor.ts'
import { columnText, type DocumentQuery, documentQuery, selectDocuments } from './document-query.ts'
import type { ColumnValue, ReadModelShape } from './ports/read-models.ts'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
const shape: ReadModelShape = {
  name: 'balances',
  version: 1,
  columns: { cents: 'integer', owner: 'text', rate: 'real', isOpen: 'boolean' },
}
const all: DocumentQuery = { where: [], orderBy: [], limit: 10 }

interface Held {
  readonly key: string
  readonly document: string
  readonly columns: { readonly [column: string]: ColumnValue }
}

function held(key: string, fields: { readonly [column: string]: unknown }): Held {
  const columns = Object.fromEntries(
    Object.keys(shape.columns).map((column) => {
      const value = fields[column] ?? null
      return [column, typeof value === 'string' ? columnText(value) : (value as ColumnValue)]
    }),
  )
  return { key, document: JSON.stringify(fields), columns }
}

/** Everything page by page, each begun from the cursor of the one before. */
function walk(documents: readonly Held[], query: DocumentQuery, pageSize: number): string[] {
  const keys: string[] = []
  for (let cursor: string | undefined; ; ) {
    const place = cursor === undefined ? undefined : decodeCursor(shape, query, cursor, digest)
    const page = queriesAfter(shape, query, place)
      .flatMap((part) => selectDocuments(documents, { ...part, limit: 1_000 }))
      .slice(0, pageSize)
    keys.push(...page.map(({ key }) => key))
    const last = page.at(-1)
    if (last === undefined) return keys
    cursor = encodeCursor(shape, query, placeOf(query, last), digest)
  }
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 3 }),
  fc.constantFrom('', 'a', '\0', '\ud800', '🦉'),
)
const documents = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ minLength: 1, maxLength: 3 }),
      fc.record(
        {
          cents: fc.constantFrom(null, 0, 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
          owner: fc.option(text),
          rate: fc.constantFrom(null, 0, -0, 0.5, -Number.MAX_VALUE, 5e-324),
          isOpen: fc.constantFrom(null, true, false),
        },
        { requiredKeys: [] },
      ),
    ),
    { selector: ([key]) => key, maxLength: 30 },
  )
  .map((entries) => entries.map(([key, fields]) => held(key, fields)))
const orders = fc.uniqueArray(
  fc.record({
    column: fc.constantFrom('cents', 'owner', 'rate', 'isOpen', 'key'),
    direction: fc.constantFrom('asc' as const, 'desc' as const),
  }),
  { selector: ({ column }) => column, maxLength: 3 },
)

describe('cursors', () => {
  test('pages of any size give every document once, in order, whatever the columns hold', () => {
    fc.assert(
      fc.property(documents, orders, fc.integer({ min: 1, max: 5 }), (given, orderBy, pageSize) => {
        const query = { ...all, orderBy }
        const expected = selectDocuments(given, { ...query, limit: 1_000 }).map(({ key }) => key)
        assert.deepEqual(walk(given, query, pageSize), expected)
      }),
      { numRuns: 200 },
    )
  })

  test('each query after a place is a range of one column behind fixed ones', () => {
    const query = documentQuery(shape, { where: { isOpen: true }, orderBy: { owner: 'desc', cents: 'asc' } })
    const parts = queriesAfter(shape, query, ['b', null, 'k'])
    const isOpen = { column: 'isOpen', operator: 'eq', value: true }
    const owner = { column: 'owner', operator: 'eq', value: 'b' }
    assert.deepEqual(
      parts.map(({ where, orderBy }) => [where, orderBy.map(({ column }) => column)]),
      [
        [
          [
            isOpen,
            owner,
            { column: 'cents', operator: 'eq', value: null },
            { column: 'key', operator: 'gt', value: 'k' },
          ],
          [],
        ],
        [[isOpen, owner, { column: 'cents', operator: 'gte', value: Number.MIN_SAFE_INTEGER }], ['cents']],
        [
          [isOpen, { column: 'owner', operator: 'lt', value: 'b' }],
          ['owner', 'cents'],
        ],
        [
          [isOpen, { column: 'owner', operator: 'eq', value: null }],
          ['owner', 'cents'],
        ],
      ],
    )
  })

  test('a cursor is good for its query only, in whatever order its conditions are written', () => {
    const query = documentQuery(shape, {
      where: { isOpen: true, cents: { gt: 5 } },
      orderBy: { owner: 'asc' },
    })
    const cursor = encodeCursor(shape, query, ['ž', 'k'], digest)
    assert.match(cursor, /^[A-Za-z0-9_-]+$/)
    const turned = documentQuery(shape, {
      where: { cents: { gt: 5 }, isOpen: true },
      orderBy: { owner: 'asc' },
    })
    assert.deepEqual(decodeCursor(shape, { ...turned, limit: 7 }, cursor, digest), ['ž', 'k'])
    const others: readonly (readonly [ReadModelShape, DocumentQuery])[] = [
      [{ ...shape, name: 'others' }, query],
      [shape, { ...query, where: query.where.slice(1) }],
      [shape, { ...query, where: [] }],
      [shape, documentQuery(shape, { where: { isOpen: true, cents: { gt: 6 } }, orderBy: { owner: 'asc' } })],
      [
        shape,
        documentQuery(shape, { where: { isOpen: true, cents: { gt: 5 } }, orderBy: { owner: 'desc' } }),
      ],
      [shape, documentQuery(shape, { where: { isOpen: true, cents: { gt: 5 } } })],
    ]
    for (const [other, otherQuery] of others)
      assert.throws(() => decodeCursor(other, otherQuery, cursor, digest), { code: 'CURSOR_INVALID' })
  })

  test('whatever is no cursor is refused', () => {
    const cursor = encodeCursor(shape, all, ['k'], digest)
    const odd: readonly unknown[] = [
      undefined,
      null,
      7,
      '',
      'x',
      `${cursor}A`,
      cursor.slice(1),
      cursor.slice(0, -4),
      '🦉',
      btoa('{}'),
      btoa('[]'),
      btoa('\xff'),
      // Of the right query, with values that its columns do not hold.
      ...[[7], [null], [], ['k', 'k']].map((place) => encodeCursor(shape, all, place, digest)),
    ]
    for (const given of odd)
      assert.throws(() => decodeCursor(shape, all, given, digest), { code: 'CURSOR_INVALID' }, String(given))
    const byCents = { ...all, orderBy: [{ column: 'cents', direction: 'asc' as const }] }
    for (const value of ['7', 1.5, true, 2 ** 53]) {
      const bad = encodeCursor(shape, byCents, [value, 'k'], digest)
      assert.throws(() => decodeCursor(shape, byCents, bad, digest), { code: 'CURSOR_INVALID' })
    }
  })
})
