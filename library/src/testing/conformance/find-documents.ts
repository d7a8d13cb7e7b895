import assert from 'node:assert/strict'
import { type ColumnCondition, type DocumentQuery, selectDocuments } from '../../core/document-query.ts'
import type { ColumnValue, DocumentRow, ReadModelStore } from '../../core/ports/read-models.ts'
import { seededRandom } from '../test-host.ts'
import type { ConformanceGroup } from './case.ts'
import { range } from './context.ts'
import { at, balances, change, row, subscription } from './read-models.ts'

const most = Number.MAX_SAFE_INTEGER

/** Keys a to h: cents, owner, rate, isOpen. */
const rows: readonly DocumentRow[] = [
  row('a', 10, 'Žofie', 0.5, true),
  row('b', 5, 'anna', -0.25, false),
  row('c', null, 'Anna', null, null),
  row('d', most, null, 4503599627370495.5, true),
  row('e', -most, '', 5e-324, false),
  row('f', 10, 'Ann', 0, true),
  // By bytes in UTF-8 the emoji comes last; by UTF-16 units it would come before the full-width tilde.
  row('g', 0, '🦉', -0, null),
  row('h', -1, '\uff5e', -1e-7, false),
]

async function prepared(models: ReadModelStore, all: readonly DocumentRow[] = rows): Promise<ReadModelStore> {
  await models.prepare(balances, subscription, at(0))
  await models.change(change(0, 1, all.toReversed()))
  return models
}

async function found(models: ReadModelStore, query: Partial<DocumentQuery>): Promise<string> {
  const documents = await models.find(balances, { where: [], orderBy: [], limit: 100, ...query })
  for (const { key, document } of documents) assert.equal(document, JSON.stringify({ key }))
  return documents.map(({ key }) => key).join('')
}

function where(
  column: string,
  operator: ColumnCondition['operator'],
  value: ColumnCondition['value'],
): ColumnCondition {
  return { column, operator, value }
}

const comparisons: readonly (readonly [ColumnCondition, string])[] = [
  [where('cents', 'eq', 10), 'af'],
  [where('cents', 'eq', most), 'd'],
  [where('cents', 'eq', most - 1), ''],
  [where('cents', 'eq', null), 'c'],
  [where('cents', 'ne', 10), 'bcdegh'],
  [where('cents', 'ne', null), 'abdefgh'],
  [where('cents', 'gt', 5), 'adf'],
  [where('cents', 'gte', 5), 'abdf'],
  [where('cents', 'lt', 0), 'eh'],
  [where('cents', 'lte', 0), 'egh'],
  [where('cents', 'in', [5, 10, -most]), 'abef'],
  [where('cents', 'in', []), ''],
  [where('owner', 'eq', 'Anna'), 'c'],
  [where('owner', 'eq', ''), 'e'],
  [where('owner', 'ne', 'Anna'), 'abdefgh'],
  [where('owner', 'gt', 'Anna'), 'abgh'],
  [where('owner', 'gte', '\uff5e'), 'gh'],
  [where('owner', 'gt', '\uff5e'), 'g'],
  [where('owner', 'lt', 'Anna'), 'ef'],
  [where('owner', 'in', ['🦉', 'anna', "x' OR '1'='1"]), 'bg'],
  [where('rate', 'eq', 0), 'fg'],
  [where('rate', 'gt', 0), 'ade'],
  [where('rate', 'gte', 4503599627370495.5), 'd'],
  [where('rate', 'lt', 0), 'bh'],
  [where('rate', 'in', [0.5, -1e-7, 5e-324]), 'aeh'],
  [where('isOpen', 'eq', true), 'adf'],
  [where('isOpen', 'eq', false), 'beh'],
  [where('isOpen', 'ne', true), 'bcegh'],
  [where('isOpen', 'eq', null), 'cg'],
  [where('isOpen', 'gt', false), 'adf'],
  [where('isOpen', 'in', [false]), 'beh'],
  [where('key', 'eq', 'c'), 'c'],
  [where('key', 'gte', 'g'), 'gh'],
  [where('key', 'ne', 'c'), 'abdefgh'],
  [where('key', 'in', ['h', 'a', 'x']), 'ah'],
]

type Order = DocumentQuery['orderBy'][number]

function by(column: string, direction: Order['direction'] = 'asc'): Order {
  return { column, direction }
}

const orders: readonly (readonly [readonly Order[], string])[] = [
  [[], 'abcdefgh'],
  [[by('cents')], 'cehgbafd'],
  [[by('cents', 'desc')], 'dafbghec'],
  [[by('owner')], 'defcbahg'],
  [[by('owner', 'desc')], 'ghabcfed'],
  [[by('rate')], 'cbhfgead'],
  [[by('isOpen')], 'cgbehadf'],
  [[by('isOpen', 'desc'), by('cents', 'desc')], 'dafbhegc'],
  [[by('key', 'desc')], 'hgfedcba'],
]

/** Finding documents by their declared columns. */
export const findDocuments: ConformanceGroup = {
  name: 'finding documents',
  cases: [
    {
      name: 'every comparison finds the right documents, and counts them',
      run: async ({ store }) => {
        const models = await prepared(store.readModels)
        for (const [condition, keys] of comparisons) {
          const query = { where: [condition] }
          assert.equal(await found(models, query), keys, JSON.stringify(condition))
          const count = await models.count(balances, { ...query, orderBy: [], limit: 1 })
          assert.equal(count, keys.length, `count of ${JSON.stringify(condition)}`)
        }
      },
    },
    {
      name: 'all conditions must hold',
      run: async ({ store }) => {
        const models = await prepared(store.readModels)
        const open = where('isOpen', 'eq', true)
        assert.equal(await found(models, { where: [open, where('cents', 'lt', 100)] }), 'af')
        const between = [where('cents', 'gte', 0), where('cents', 'lte', 5)]
        assert.equal(await found(models, { where: between }), 'bg')
      },
    },
    {
      name: 'documents are ordered: nulls first ascending, text by its bytes, ties by key',
      run: async ({ store }) => {
        const models = await prepared(store.readModels)
        for (const [orderBy, keys] of orders) {
          assert.equal(await found(models, { orderBy }), keys, JSON.stringify(orderBy))
        }
      },
    },
    {
      name: 'the limit is taken after the order',
      run: async ({ store }) => {
        const models = await prepared(store.readModels)
        assert.equal(await found(models, { orderBy: [by('cents', 'desc')], limit: 3 }), 'daf')
        assert.equal(await found(models, { limit: 1 }), 'a')
        assert.equal(await models.count(balances, { where: [], orderBy: [], limit: 1 }), 8)
      },
    },
    {
      name: 'a replaced document is found by its new columns only',
      run: async ({ store }) => {
        const models = await prepared(store.readModels)
        await models.change(change(1, 2, [row('a', 77, null, null, false)], ['b']))
        assert.equal(await found(models, { where: [where('cents', 'eq', 10)] }), 'f')
        assert.equal(await found(models, { where: [where('cents', 'gte', 5)] }), 'adf')
        assert.equal(await found(models, { where: [where('isOpen', 'eq', false)] }), 'aeh')
      },
    },
    {
      name: 'random queries find what the rules say',
      run: async ({ store }) => {
        const random = seededRandom(11)
        const all = range(1, 120).map((n) => row(`k${n}`, ...randomColumns(random)))
        const models = await prepared(store.readModels, all)
        const names = Object.keys(balances.columns)
        const held = all.map(({ key, columns }) => ({
          key,
          columns: Object.fromEntries(names.map((name, index) => [name, columns[index] ?? null])),
        }))
        for (const _ of range(1, 150)) {
          const query = randomQuery(random, all)
          const expected = selectDocuments(held, query).map(({ key }) => key)
          const keys = (await models.find(balances, query)).map(({ key }) => key)
          assert.deepEqual(keys, expected, JSON.stringify(query))
        }
      },
    },
  ],
}

function pick<Item>(random: () => number, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item
}

function randomColumns(random: () => number): ColumnValue[] {
  return [
    pick(random, [null, 0, 1, -1, 7, Math.floor(random() * 1e15), most, -most]),
    pick(random, [null, '', 'a', 'A', 'ab', 'ž', '🦉', '\uff5e', '10', '9', 'true']),
    pick(random, [null, 0, -0, 0.1, random(), random() * 1e15, -random() * 1e-17, 1]),
    pick(random, [null, true, false]),
  ]
}

function randomQuery(random: () => number, all: readonly DocumentRow[]): DocumentQuery {
  const names = Object.keys(balances.columns)
  const conditions = range(1, Math.floor(random() * 3)).flatMap(() => {
    const index = Math.floor(random() * names.length)
    const values = range(1, 3).flatMap(() => pick(random, all).columns[index] ?? [])
    const operator = pick(random, ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in'] as const)
    const value = operator === 'in' ? values : values[0]
    return value === undefined ? [] : [where(names[index] ?? '', operator, value)]
  })
  const orderBy = range(1, Math.floor(random() * 3)).map(() =>
    by(pick(random, [...names, 'key']), pick(random, ['asc', 'desc'])),
  )
  return { where: conditions, orderBy, limit: pick(random, [1, 5, 1_000]) }
}
