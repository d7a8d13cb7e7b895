import assert from 'node:assert/strict'
import type {
  FollowingStore,
  FollowingTransaction,
  Lease,
  ReadModelRecord,
} from '../../core/ports/following.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, range } from './context.ts'
import { prepared, taken, takenAndOver } from './leases.ts'
import { parkedEvent } from './parked-events.ts'
import { at, balances, change, keys, row, subscription } from './read-models.ts'

const noLimit = { limit: 1_000 }
/** A record of the copies of a read model. */
function record(name: string, changedAtMs = 1): ReadModelRecord {
  const [serving, previous, next] = [2, 1, 3].map((version) => ({ version, generation: version * 2 }))
  return { name, serving: serving ?? assert.fail(), previous, next, changedAtMs }
}

/** Two openings of the book that have their connections, where a store has such: so that they meet. */
async function twoOpenings(book: ConformanceContext): Promise<readonly [FollowingStore, FollowingStore]> {
  const both = [book.store.following, (await book.open()).following] as const
  for (const following of both) await following.transaction(async () => undefined)
  return both
}

/**
 * Reads something in a transaction of each opening and raises it by one, many at once. Each goes on after
 * the other opening has answered some times: time for a second transaction to read the same, where it may.
 */
async function raisedByMany(
  book: ConformanceContext,
  raise: (transaction: FollowingTransaction, meanwhile: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const [one, other] = await twoOpenings(book)
  const raised = (by: FollowingStore, beside: FollowingStore): Promise<void> =>
    by.transaction((transaction) =>
      raise(transaction, async () => {
        for (const _ of range(1, 5)) await beside.parked(noLimit)
      }),
    )
  await Promise.all(range(1, 10).flatMap(() => [raised(one, other), raised(other, one)]))
}

/** Two subscriptions, one of which fills the balances. */
async function begun(book: ConformanceContext): Promise<FollowingStore> {
  await book.store.readModels.prepare(balances, subscription, at(0))
  return prepared(book)
}

/** Something of everything that a transaction can do; true when nothing of it was refused. */
async function everything(transaction: FollowingTransaction, lease?: Lease): Promise<boolean> {
  const answers = [
    await transaction.move('mails', 0, at(5), lease),
    await transaction.change(change(0, 5, [row('a', 1)])),
  ]
  await transaction.putParked(parkedEvent(3))
  await transaction.remember('mails', [{ id: 'e1', position: 1 }])
  await transaction.putReadModel(record('balances'))
  return answers.every((answer) => answer)
}

/** How much of `everything` is there. */
async function found(book: ConformanceContext): Promise<readonly unknown[]> {
  const { readModels, following } = book.store
  const seen = await following.transaction((transaction) => transaction.seen('mails', ['e1']))
  return [
    (await readModels.checkpoint('mails'))?.position,
    (await readModels.checkpoint(subscription))?.position,
    await keys(readModels),
    (await following.parked(noLimit)).map(({ position }) => position),
    [...seen],
    (await following.readModels()).map(({ name }) => name),
  ]
}

const nothing = [0, 0, [], [], [], []]
const all = [5, 5, ['a'], [3], ['e1'], ['balances']]

const wholeOrNot: readonly ConformanceCase[] = [
  {
    name: 'what a transaction changes is there when it is over, all of it',
    run: async (book) => {
      const following = await begun(book)
      const { lease } = await taken(following, 'a')
      assert.equal(await following.transaction((transaction) => everything(transaction, lease)), true)
      assert.deepEqual(await found(book), all)
      await book.reopen()
      assert.deepEqual(await found(book), all)
    },
  },
  {
    name: 'a durable transaction does the same',
    run: async (book) => {
      const following = await begun(book)
      assert.equal(await following.transaction((transaction) => everything(transaction), true), true)
      assert.deepEqual(await found(book), all)
      const failure = new Error('the work failed')
      await assert.rejects(
        following.transaction(async (transaction) => {
          await transaction.dropParked('mails', 3)
          throw failure
        }, true),
        failure,
      )
      assert.deepEqual(await found(book), all)
    },
  },
  {
    name: 'a transaction whose work throws changes nothing, and rejects with what was thrown',
    run: async (book) => {
      const following = await begun(book)
      for (const failure of [new Error('the work failed'), 'a text', undefined]) {
        const work = following.transaction(async (transaction) => {
          await everything(transaction)
          throw failure
        })
        const [settled] = await Promise.allSettled([work])
        assert.equal(settled.status, 'rejected')
        assert.equal(settled.reason, failure)
        assert.deepEqual(await found(book), nothing)
      }
      assert.equal(await following.transaction((transaction) => everything(transaction)), true)
    },
  },
  {
    name: 'a transaction in which something was refused changes nothing, whatever else it does',
    run: async (book) => {
      const following = await begun(book)
      const old = await takenAndOver(following, 'a')
      await taken(following, 'b')
      const refusals: readonly ((transaction: FollowingTransaction) => Promise<boolean>)[] = [
        (transaction) => transaction.move('mails', 7, at(8)),
        (transaction) => transaction.move('unknown', 0, at(8)),
        (transaction) => transaction.move('mails', 0, at(5), old),
        (transaction) => transaction.change(change(7, 8, [row('b')])),
        (transaction) => transaction.holds(old),
      ]
      for (const [index, refused] of refusals.entries()) {
        for (const isFirst of [true, false]) {
          const answer = await following.transaction(async (transaction) => {
            if (isFirst) assert.equal(await refused(transaction), false)
            await everything(transaction)
            if (!isFirst) assert.equal(await refused(transaction), false)
            return `answer ${index}`
          })
          assert.equal(answer, `answer ${index}`)
          assert.deepEqual(await found(book), nothing, `refusal ${index}`)
        }
      }
    },
  },
]

const isolation: readonly ConformanceCase[] = [
  {
    name: 'a transaction sees what it has changed, and nobody else does before its end',
    run: async (book) => {
      const following = await begun(book)
      const other = await book.open()
      await following.transaction(async (transaction) => {
        await everything(transaction)
        assert.deepEqual(await transaction.checkpoint('mails'), at(5))
        assert.deepEqual([...(await transaction.documents(balances, ['a', 'b'])).keys()], ['a'])
        assert.equal((await transaction.parked(noLimit)).length, 1)
        assert.deepEqual([...(await transaction.seen('mails', ['e1', 'e2']))], ['e1'])
        assert.deepEqual(await transaction.readModel('balances'), record('balances'))
        for (const { readModels, following: outside } of [book.store, other]) {
          assert.deepEqual(await readModels.checkpoint('mails'), at(0))
          assert.deepEqual(await keys(readModels), [])
          assert.deepEqual(await outside.parked(noLimit), [])
          assert.deepEqual(await outside.readModels(), [])
        }
      })
      assert.equal((await other.following.parked(noLimit)).length, 1)
    },
  },
  {
    name: 'what a transaction has read of the copies of a read model stays so until its end',
    run: async (book) => {
      await raisedByMany(book, async (transaction, meanwhile) => {
        const held = await transaction.readModel('balances')
        await meanwhile()
        await transaction.putReadModel(record('balances', (held?.changedAtMs ?? 0) + 1))
      })
      assert.deepEqual(await book.store.following.readModels(), [record('balances', 20)])
    },
  },
  {
    name: 'what a transaction has read of parked events stays so until its end',
    run: async (book) => {
      const { following } = book.store
      await following.transaction((transaction) => transaction.putParked(parkedEvent(1)))
      await raisedByMany(book, async (transaction, meanwhile) => {
        const [held] = await transaction.parked({ subscription: 'mails', ...noLimit })
        await meanwhile()
        if (held !== undefined) await transaction.putParked({ ...held, attempts: held.attempts + 1 })
      })
      assert.equal((await following.parked(noLimit))[0]?.attempts, parkedEvent(1).attempts + 20)
    },
  },
  {
    name: 'transactions, changes and appends of several openings at once lose nothing',
    run: async (book) => {
      const following = await begun(book)
      const other = await book.open()
      const work = range(0, 9).flatMap((n) => [
        following.transaction(async (transaction) => {
          await book.host.nextTurn()
          await transaction.putParked(parkedEvent(n + 1))
        }),
        other.following.transaction((transaction) =>
          transaction.remember('mails', [{ id: `e${n}`, position: n }]),
        ),
        other.readModels.prepareSubscription(`s${n}`, at(0)),
        book.add('a-1', { type: 'Happened', data: {} }),
      ])
      await Promise.all(work)
      assert.equal((await following.parked(noLimit)).length, 10)
      const ids = range(0, 9).map((n) => `e${n}`)
      const seen = await following.transaction((transaction) => transaction.seen('mails', ids))
      assert.equal(seen.size, 10)
      assert.equal((await book.store.readModels.checkpoints()).length, 12)
      assert.equal((await book.assertSound()).length, 10)
    },
  },
  {
    name: 'a transaction that is over does nothing more',
    run: async (book) => {
      const following = await begun(book)
      const { lease } = await taken(following, 'a')
      let kept: FollowingTransaction | undefined
      await following.transaction(async (transaction) => {
        kept = transaction
      })
      const over = kept ?? assert.fail()
      const uses: readonly (() => Promise<unknown>)[] = [
        () => over.checkpoint('mails'),
        () => over.documents(balances, ['a']),
        () => over.change(change(0, 1)),
        () => over.move('mails', 0, at(1)),
        () => over.holds(lease),
        () => over.putParked(parkedEvent(1)),
        () => over.dropParked('mails', 1),
        () => over.parked(noLimit),
        () => over.seen('mails', ['e1']),
        () => over.remember('mails', [{ id: 'e1', position: 1 }]),
        () => over.forgetSeen('mails', 1),
        () => over.readModel('balances'),
        () => over.putReadModel(record('balances')),
        ...(over.sql === undefined ? [] : [async () => over.sql?.query('')]),
      ]
      for (const use of uses) await assert.rejects(use, { code: 'TRANSACTION_INVALID' }, String(use))
      assert.deepEqual(await found(book), nothing)
    },
  },
]

/** Several changes of subscriptions in one transaction. */
export const followingTransactions: ConformanceGroup = {
  name: 'transactions of subscriptions',
  cases: [
    ...wholeOrNot,
    ...isolation,
    {
      name: 'which copies of a read model there are is kept by name, replaced and listed in byte order',
      run: async (book) => {
        const { following } = book.store
        assert.deepEqual(await following.readModels(), [])
        const plain = { ...record('ž'), previous: undefined, next: undefined }
        await following.transaction(async (transaction) => {
          assert.equal(await transaction.readModel('ž'), undefined)
          for (const each of [record('ž'), record('🦉'), record('\ufb01'), record('Z'), record('a'), plain])
            await transaction.putReadModel(each)
          assert.deepEqual(await transaction.readModel('ž'), plain)
        })
        const listed = [record('Z'), record('a'), plain, record('\ufb01'), record('🦉')]
        assert.deepEqual(await (await book.open()).following.readModels(), listed)
      },
    },
  ],
}
