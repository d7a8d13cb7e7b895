import assert from 'node:assert/strict'
import type { DocumentQuery } from '../../core/document-query.ts'
import type { ReadModelShape } from '../../core/ports/read-models.ts'
import type { ConformanceGroup } from './case.ts'
import { range } from './context.ts'
import { longMs, taken } from './leases.ts'
import { parkedEvent } from './parked-events.ts'
import { at, balances, change, keys, row, subscription } from './read-models.ts'

/** A copy of the balances. */
function copy(generation: number, changed: Partial<ReadModelShape> = {}): ReadModelShape {
  return { ...balances, generation, ...changed }
}

const few: DocumentQuery = {
  where: [{ column: 'cents', operator: 'gte', value: 3 }],
  orderBy: [{ column: 'cents', direction: 'desc' }],
  limit: 3,
}

/** Copies of a read model beside each other, and what is told from when a fold began. */
export const readModelCopies: ConformanceGroup = {
  name: 'copies of read models',
  cases: [
    {
      name: 'copies of a read model are apart, and the first is the one without a generation',
      run: async ({ store: { readModels } }) => {
        const long = { name: `balances${'_'.repeat(50)}` }
        const shapes = [
          balances,
          copy(2),
          copy(3),
          copy(22),
          copy(2, { version: 3 }),
          { ...balances, name: 'balances_v2_g2' },
          copy(1, long),
          copy(2, long),
          copy(3, long),
        ]
        for (const [index, shape] of shapes.entries()) {
          await readModels.prepare(shape, `s${index}`, at(0))
          const own = { ...change(0, 1, [row(`of ${index}`, index)]), shape, subscription: `s${index}` }
          assert.equal(await readModels.change(own), true)
        }
        for (const [index, shape] of shapes.entries()) {
          assert.deepEqual(await keys(readModels, shape), [`of ${index}`])
          assert.equal((await readModels.documents(shape, [`of ${index}`, 'of 0'])).size, index === 0 ? 1 : 1)
          assert.equal(await readModels.count(shape, { where: [], orderBy: [], limit: 9 }), 1)
        }
        assert.deepEqual(await keys(readModels, copy(1)), ['of 0'])
        await readModels.reset(copy(2), 's1', at(0))
        assert.deepEqual(await keys(readModels, copy(2)), [])
        for (const [index, shape] of shapes.entries()) {
          if (index !== 1) assert.deepEqual(await keys(readModels, shape), [`of ${index}`])
        }
      },
    },
    {
      name: 'a copy that was prepared without indexes is filled and found in, before it has them and after',
      run: async (book) => {
        const { readModels } = book.store
        await readModels.prepare(copy(2), 'balances@2.2', at(0), false)
        const filled = {
          ...change(
            0,
            1,
            range(1, 9).map((n) => row(`k${n}`, n)),
          ),
          shape: copy(2),
        }
        assert.equal(await readModels.change({ ...filled, subscription: 'balances@2.2' }), true)
        const found = async (): Promise<readonly string[]> =>
          (await readModels.find(copy(2), few)).map(({ key }) => key)
        assert.deepEqual(await found(), ['k9', 'k8', 'k7'])
        for (const _ of range(1, 2)) {
          await readModels.index(copy(2))
          assert.deepEqual(await found(), ['k9', 'k8', 'k7'])
        }
        await (await book.open()).readModels.prepare(copy(2), 'balances@2.2', at(0))
        assert.deepEqual(await readModels.checkpoint('balances@2.2'), at(1))
        const again = { ...change(1, 2, [row('k0', 10)]), shape: copy(2), subscription: 'balances@2.2' }
        assert.equal(await readModels.change(again), true)
        assert.deepEqual(await found(), ['k0', 'k9', 'k8'])
      },
    },
    {
      name: 'many may index one copy at once',
      run: async (book) => {
        const others = [book.store, await book.open(), await book.open()]
        await book.store.readModels.prepare(copy(2), 'balances@2.2', at(0), false)
        await Promise.all(others.map(({ readModels }) => readModels.index(copy(2))))
        await Promise.all(others.map(({ readModels }) => readModels.prepare(copy(2), 'balances@2.2', at(0))))
      },
    },
    {
      name: 'a copy is dropped with its checkpoint, its lease, and what is parked or seen; others stay',
      run: async (book) => {
        const { following, readModels } = book.store
        const names = [subscription, 'balances@2.2']
        for (const [index, name] of names.entries()) {
          const shape = copy(index + 1)
          await readModels.prepare(shape, name, at(0))
          await readModels.change({ ...change(0, 1, [row(name)]), shape, subscription: name })
          await taken(following, 'a', { subscription: name })
          await following.transaction(async (transaction) => {
            await transaction.putParked(parkedEvent(1, { subscription: name, status: 'skipped' }))
            await transaction.putParked(parkedEvent(2, { subscription: name }))
            await transaction.remember(name, [{ id: 'e1', position: 1 }])
          })
        }
        for (const _ of range(1, 2)) await readModels.drop(copy(2), 'balances@2.2')
        await readModels.drop(copy(7), 'never prepared')
        assert.equal(await readModels.checkpoint('balances@2.2'), undefined)
        assert.deepEqual((await readModels.checkpoints()).length, 1)
        assert.deepEqual(
          (await following.leases()).map((lease) => lease.subscription),
          [subscription],
        )
        assert.equal(await following.acquire('balances@2.2', 'a', longMs), undefined)
        assert.deepEqual(await keys(readModels), [subscription])
        assert.deepEqual(
          (await following.parked({ limit: 9 })).map((parked) => [parked.subscription, parked.position]),
          [
            [subscription, 1],
            [subscription, 2],
          ],
        )
        const seen = (name: string): Promise<number> =>
          following.transaction(async (transaction) => (await transaction.seen(name, ['e1'])).size)
        assert.deepEqual([await seen(subscription), await seen('balances@2.2')], [1, 0])
        // The same place can be used again, with other columns, too.
        await readModels.prepare(copy(2, { columns: { owner: 'text' } }), 'balances@2.2', at(3))
        assert.deepEqual(await keys(readModels, copy(2)), [])
        assert.deepEqual(await readModels.checkpoint('balances@2.2'), at(3))
      },
    },
    {
      name: 'a reset forgets what is parked or seen, but not what a person skipped',
      run: async ({ store: { following, readModels } }) => {
        await readModels.prepare(balances, subscription, at(0))
        const statuses = ['retrying', 'waiting', 'parked', 'skipped'] as const
        await following.transaction(async (transaction) => {
          for (const name of [subscription, 'mails']) {
            for (const [index, status] of statuses.entries())
              await transaction.putParked(parkedEvent(index + 1, { subscription: name, status }))
            await transaction.remember(name, [{ id: 'e1', position: 1 }])
          }
        })
        await readModels.reset(balances, subscription, at(0))
        const left = await following.parked({ limit: 9 })
        assert.deepEqual(
          left.map((parked) => [parked.subscription, parked.status]),
          [[subscription, 'skipped'], ...statuses.map((status) => ['mails', status])],
        )
        const seen = (name: string): Promise<number> =>
          following.transaction(async (transaction) => (await transaction.seen(name, ['e1'])).size)
        assert.deepEqual([await seen(subscription), await seen('mails')], [0, 1])
      },
    },
    {
      name: 'documents of another checkpoint than a fold began from are refused',
      run: async ({ store: { following, readModels } }) => {
        await readModels.prepare(balances, subscription, at(0))
        await readModels.change(change(0, 4, [row('a', 1)]))
        const from = (position: number) => ({ subscription, position })
        const inside = (position: number): Promise<ReadonlyMap<string, string>> =>
          following.transaction((transaction) => transaction.documents(balances, ['a'], from(position)))
        for (const loaded of [await readModels.documents(balances, ['a', 'b'], from(4)), await inside(4)])
          assert.deepEqual([...loaded.keys()], ['a'])
        assert.equal((await readModels.documents(balances, [], from(4))).size, 0)
        const aborted = { code: 'TRANSACTION_ABORTED' }
        for (const position of [0, 3, 5]) {
          await assert.rejects(readModels.documents(balances, ['a'], from(position)), aborted)
          await assert.rejects(readModels.documents(balances, [], from(position)), aborted)
          await assert.rejects(inside(position), aborted)
        }
      },
    },
  ],
}
