import assert from 'node:assert/strict'
import type {
  Checkpoint,
  ColumnValue,
  DocumentRow,
  ReadModelChange,
  ReadModelShape,
  ReadModelStore,
} from '../../core/ports/read-models.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { range } from './context.ts'

/** A read model with a column of every type. */
export const balances: ReadModelShape = {
  name: 'balances',
  version: 2,
  columns: { cents: 'integer', owner: 'text', rate: 'real', isOpen: 'boolean' },
}
/** The subscription that fills it. */
export const subscription = 'balances@2'

/** A checkpoint at a position. */
export function at(position: number, changed: Partial<Checkpoint> = {}): Checkpoint {
  return { position, epoch: 1, fingerprint: 'f', updatedAtMs: 1_767_225_600_000 + position, ...changed }
}

/** A document whose columns are given in the order of the shape: cents, owner, rate, isOpen. */
export function row(key: string, ...columns: readonly ColumnValue[]): DocumentRow {
  return { key, document: JSON.stringify({ key }), columns: [...columns, null, null, null, null].slice(0, 4) }
}

/** A change of the balances from one position to another. */
export function change(
  fromPosition: number,
  toPosition: number,
  upserts: readonly DocumentRow[] = [],
  deletes: readonly string[] = [],
): ReadModelChange {
  return { shape: balances, subscription, fromPosition, checkpoint: at(toPosition), upserts, deletes }
}

/** The keys of all documents. */
export async function keys(
  models: ReadModelStore,
  shape: ReadModelShape = balances,
): Promise<readonly string[]> {
  const found = await models.find(shape, { where: [], orderBy: [], limit: 10_000 })
  return found.map(({ key }) => key)
}

const checkpoints: readonly ConformanceCase[] = [
  {
    name: 'a change moves its checkpoint, and is refused when that has moved',
    run: async ({ store: { readModels } }) => {
      await readModels.prepare(balances, subscription, at(0))
      assert.equal(await readModels.change(change(0, 5, [row('a', 1)])), true)
      assert.equal(await readModels.change(change(0, 7, [row('a', 2), row('b', 2)], ['a'])), false)
      assert.equal(await readModels.change(change(4, 7, [row('b', 2)])), false)
      assert.equal(await readModels.change(change(6, 7, [row('b', 2)])), false)
      assert.deepEqual(await keys(readModels), ['a'])
      assert.deepEqual(await readModels.checkpoint(subscription), at(5))
      assert.equal(await readModels.change(change(5, 9)), true)
      assert.deepEqual(await readModels.checkpoint(subscription), at(9))
    },
  },
  {
    name: 'a change of a subscription without a checkpoint is refused',
    run: async ({ store: { readModels } }) => {
      await readModels.prepare(balances, 'other', at(0))
      assert.equal(await readModels.change(change(0, 5, [row('a')])), false)
      assert.deepEqual(await keys(readModels), [])
      assert.equal(await readModels.checkpoint(subscription), undefined)
    },
  },
  {
    name: 'of many changes from one position at once exactly one is made',
    run: async (book) => {
      const { readModels } = book.store
      const others = (await book.open()).readModels
      await readModels.prepare(balances, subscription, at(0))
      for (const step of range(0, 3)) {
        const changes = range(1, 8).map((n) =>
          (n % 2 === 0 ? readModels : others).change(change(step, step + 1, [row(`${step} by ${n}`)])),
        )
        const made = (await Promise.all(changes)).filter((isMade) => isMade === true)
        assert.equal(made.length, 1, `${made.length} of 8 changes from position ${step} were made`)
      }
      assert.equal((await keys(book.store.readModels)).length, 4)
    },
  },
  {
    name: 'a checkpoint without a read model is moved by comparing, too',
    run: async ({ store: { readModels } }) => {
      assert.equal(await readModels.moveCheckpoint('mails', 0, at(5)), false)
      await readModels.prepareSubscription('mails', at(3))
      await readModels.prepareSubscription('mails', at(0))
      assert.equal(await readModels.moveCheckpoint('mails', 0, at(5)), false)
      const moved = at(5, { epoch: 2, fingerprint: 'g', updatedAtMs: 7 })
      assert.equal(await readModels.moveCheckpoint('mails', 3, moved), true)
      assert.deepEqual(await readModels.checkpoint('mails'), moved)
    },
  },
  {
    name: 'all checkpoints are listed',
    run: async ({ store: { readModels } }) => {
      assert.deepEqual(await readModels.checkpoints(), [])
      await readModels.prepareSubscription('mails', at(3))
      await readModels.prepare(balances, subscription, at(1))
      const listed = await readModels.checkpoints()
      assert.deepEqual(
        new Map(listed.map((entry) => [entry.subscription, entry.checkpoint])),
        new Map([
          ['mails', at(3)],
          [subscription, at(1)],
        ]),
      )
    },
  },
]

const documents: readonly ConformanceCase[] = [
  {
    name: 'documents come back byte for byte, replaced and deleted by key',
    run: async (book) => {
      const { readModels } = book.store
      await readModels.prepare(balances, subscription, at(0))
      const odd = '{"b":1,"a":1.0,"__proto__":{},"text":"ž🦉\\u0000\\ud800" }'
      const odds = ['a', 'A', 'ž', 'z\u030c', '%', "'", '🦉'].map((key) => ({ ...row(key), document: odd }))
      await readModels.change(change(0, 1, odds))
      await readModels.change(change(1, 2, [{ ...row('a'), document: '{"new":1}' }], ['%', 'unknown']))
      const loaded = await readModels.documents(balances, ['🦉', 'a', '%', 'unknown', "'"])
      assert.deepEqual(
        new Map(loaded),
        new Map([
          ['🦉', odd],
          ['a', '{"new":1}'],
          ["'", odd],
        ]),
      )
      assert.equal((await readModels.documents(balances, [])).size, 0)
      await book.reopen()
      assert.deepEqual(
        new Map(await book.store.readModels.documents(balances, ['🦉', 'a', "'"])),
        new Map(loaded),
      )
    },
  },
  {
    name: 'a change may bring 2,000 documents',
    run: async ({ store: { readModels } }) => {
      await readModels.prepare(balances, subscription, at(0))
      const many = range(1, 2_000).map((n) => row(`key ${n}`, n))
      await readModels.change(change(0, 1, many))
      const loaded = await readModels.documents(
        balances,
        many.map(({ key }) => key),
      )
      assert.equal(loaded.size, 2_000)
      await readModels.change(
        change(
          1,
          2,
          [],
          many.slice(0, 1_500).map(({ key }) => key),
        ),
      )
      assert.equal(await readModels.count(balances, { where: [], orderBy: [], limit: 1 }), 500)
    },
  },
  {
    name: 'versions of a read model, and models whose names look alike, are apart',
    run: async ({ store: { readModels } }) => {
      const shapes = [
        balances,
        { ...balances, version: 3, columns: {} },
        { ...balances, version: 22, columns: {} },
        { name: 'balances-2', version: 2, columns: {} },
        { name: 'balances_2', version: 2, columns: {} },
      ]
      for (const [index, shape] of shapes.entries()) {
        const columns = Object.keys(shape.columns).map(() => null)
        const upserts = [{ key: `of ${index}`, document: '{}', columns }]
        await readModels.prepare(shape, `s${index}`, at(0))
        const own = { shape, subscription: `s${index}`, fromPosition: 0, checkpoint: at(1), deletes: [] }
        assert.equal(await readModels.change({ ...own, upserts }), true)
      }
      for (const [index, shape] of shapes.entries()) {
        assert.deepEqual(await keys(readModels, shape), [`of ${index}`])
      }
    },
  },
]

/** Read models and checkpoints, changed together or not at all. */
export const readModels: ConformanceGroup = {
  name: 'read models',
  cases: [
    {
      name: 'preparing a read model twice changes nothing',
      run: async ({ store: { readModels } }) => {
        assert.equal(await readModels.checkpoint(subscription), undefined)
        await readModels.prepare(balances, subscription, at(3))
        await readModels.change(change(3, 4, [row('a', 1)]))
        await readModels.prepare(balances, subscription, at(0))
        assert.deepEqual(await readModels.checkpoint(subscription), at(4))
        assert.deepEqual(await keys(readModels), ['a'])
      },
    },
    {
      name: 'which declared columns a copy has, of the same type',
      run: async ({ store: { readModels } }) => {
        const asked = {
          ...balances,
          columns: { ...balances.columns, owner: 'integer', since: 'text' },
        } as const
        assert.deepEqual([...(await readModels.storedColumns(asked))], [])
        await readModels.prepare(balances, subscription, at(0), false)
        assert.deepEqual([...(await readModels.storedColumns(asked))].sort(), ['cents', 'isOpen', 'rate'])
        assert.deepEqual([...(await readModels.storedColumns({ ...asked, generation: 2 }))], [])
        await readModels.drop(balances, subscription)
        assert.deepEqual([...(await readModels.storedColumns(asked))], [])
      },
    },
    {
      name: 'many may prepare one read model at once',
      run: async (book) => {
        const others = await Promise.all(range(1, 4).map(() => book.open()))
        await Promise.all(others.map(({ readModels }) => readModels.prepare(balances, subscription, at(0))))
        assert.equal(await book.store.readModels.change(change(0, 1, [row('a')])), true)
        assert.deepEqual(await keys(others[3]?.readModels ?? assert.fail()), ['a'])
      },
    },
    {
      name: 'a reset empties the read model and sets its checkpoint',
      run: async ({ store: { readModels } }) => {
        await readModels.prepare(balances, subscription, at(0))
        await readModels.prepare({ ...balances, version: 3 }, 'balances@3', at(0))
        await readModels.change(change(0, 9, [row('a'), row('b')]))
        await readModels.reset(balances, subscription, at(0, { fingerprint: 'g' }))
        assert.deepEqual(await keys(readModels), [])
        assert.deepEqual(await readModels.checkpoint(subscription), at(0, { fingerprint: 'g' }))
        assert.deepEqual(await readModels.checkpoint('balances@3'), at(0))
        assert.equal(await readModels.change(change(0, 1, [row('c')])), true)
        assert.deepEqual(await keys(readModels), ['c'])
      },
    },
    {
      name: 'a reset also begins what was never prepared',
      run: async ({ store: { readModels } }) => {
        await readModels.reset(balances, subscription, at(2))
        assert.equal(await readModels.change(change(2, 3, [row('a')])), true)
      },
    },
    ...checkpoints,
    ...documents,
  ],
}
