import assert from 'node:assert/strict'
import { type CursorPlace, placeOf, queriesAfter } from '../../core/document-cursor.ts'
import { type DocumentQuery, selectDocuments } from '../../core/document-query.ts'
import type { ColumnValue, DocumentRow, ReadModelStore } from '../../core/ports/read-models.ts'
import { seededRandom } from '../test-host.ts'
import type { ConformanceGroup } from './case.ts'
import { range } from './context.ts'
import { at, balances, change, subscription } from './read-models.ts'

const names = Object.keys(balances.columns)
const most = Number.MAX_SAFE_INTEGER

/** A document that holds what its columns do: cents, owner, rate, isOpen. */
function row(key: string, columns: readonly ColumnValue[]): DocumentRow {
  const fields = Object.fromEntries(names.map((name, nth) => [name, columns[nth] ?? null]))
  return { key, document: JSON.stringify(fields), columns }
}

function pick<Item>(random: () => number, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item
}

function randomRow(random: () => number, key: string): DocumentRow {
  return row(key, [
    pick(random, [null, 0, 1, -1, 7, most, -most]),
    pick(random, [null, '', 'a', 'A', 'ab', 'ž', '🦉', '\uff5e', '10', '9']),
    pick(random, [null, 0, 0.1, -0.5, 5e-324, 1e300, -Number.MAX_VALUE]),
    pick(random, [null, true, false]),
  ])
}

/** The keys of all documents of a query, page by page: each page begins behind the last document of the one before. */
async function walk(
  models: ReadModelStore,
  query: DocumentQuery,
  documents: number,
): Promise<readonly string[]> {
  const keys: string[] = []
  for (let place: CursorPlace | undefined; ; ) {
    const page: { readonly key: string; readonly document: string }[] = []
    for (const part of queriesAfter(balances, query, place)) {
      const left = query.limit - page.length
      if (left > 0) page.push(...(await models.find(balances, { ...part, limit: left })))
    }
    const last = page.at(-1)
    if (last === undefined) return keys
    assert.ok(keys.length < documents, `the pages do not end: ${JSON.stringify(query)}`)
    keys.push(...page.map(({ key }) => key))
    place = placeOf(query, last)
  }
}

const orders: readonly DocumentQuery['orderBy'][] = [
  [],
  ...['key', ...names].flatMap((column) => [
    [{ column, direction: 'asc' } as const],
    [{ column, direction: 'desc' } as const],
  ]),
  [
    { column: 'isOpen', direction: 'desc' },
    { column: 'owner', direction: 'asc' },
  ],
  [
    { column: 'owner', direction: 'desc' },
    { column: 'rate', direction: 'desc' },
    { column: 'key', direction: 'desc' },
  ],
]

/** Reading on behind a document, in any order: what pages with a cursor rest on. */
export const pages: ConformanceGroup = {
  name: 'pages of documents',
  cases: [
    {
      name: 'pages in the order of columns of any type give every document once, nulls and ties included',
      run: async ({ store: { readModels } }) => {
        const random = seededRandom(23)
        const all = range(1, 60).map((n) => randomRow(random, `${pick(random, ['k', 'ž', '🦉'])}${n}`))
        await readModels.prepare(balances, subscription, at(0))
        await readModels.change(change(0, 1, all))
        const held = all.map(({ key, columns }) => ({
          key,
          columns: Object.fromEntries(names.map((name, nth) => [name, columns[nth] ?? null])),
        }))
        for (const orderBy of orders) {
          for (const limit of [1, 7, 60]) {
            const query: DocumentQuery = { where: [], orderBy, limit }
            const expected = selectDocuments(held, { ...query, limit: 100 }).map(({ key }) => key)
            assert.deepEqual(await walk(readModels, query, all.length), expected, JSON.stringify(query))
          }
        }
      },
    },
    {
      name: 'documents that come and go between pages do not move the others',
      run: async ({ store: { readModels } }) => {
        const keys = ['b', 'd', 'f', 'h']
        await readModels.prepare(balances, subscription, at(0))
        await readModels.change(
          change(
            0,
            1,
            keys.map((key, nth) => row(key, [nth, null, null, null])),
          ),
        )
        const query: DocumentQuery = {
          where: [{ column: 'cents', operator: 'gte', value: 0 }],
          orderBy: [{ column: 'cents', direction: 'asc' }],
          limit: 2,
        }
        const first = await readModels.find(balances, query)
        const last = first.at(-1) ?? assert.fail()
        assert.equal(last.key, 'd')
        // The last one of the page itself goes; one comes before it and one after.
        const came = [row('a', [0, null, null, null]), row('e', [1, null, null, null])]
        await readModels.change(change(1, 2, came, ['d']))
        const rest: string[] = []
        for (const part of queriesAfter(balances, query, placeOf(query, last)))
          rest.push(...(await readModels.find(balances, part)).map(({ key }) => key))
        assert.deepEqual(rest, ['e', 'f', 'h'])
      },
    },
  ],
}
