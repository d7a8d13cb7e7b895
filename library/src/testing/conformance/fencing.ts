import assert from 'node:assert/strict'
import type { Lease } from '../../core/ports/following.ts'
import type { ReadModelChange } from '../../core/ports/read-models.ts'
import type { ConformanceGroup } from './case.ts'
import { type ConformanceContext, range } from './context.ts'
import { longMs, taken, takenAndOver } from './leases.ts'
import { at, balances, change, keys, row, subscription } from './read-models.ts'

/** A change of the balances, under a lease. */
function under(lease: Lease | undefined, fromPosition: number, key: string): ReadModelChange {
  return { ...change(fromPosition, fromPosition + 1, [row(key)]), lease }
}

async function withBalances({ store }: ConformanceContext): Promise<void> {
  await store.readModels.prepare(balances, subscription, at(0))
}

/** A lease of the balances that somebody else has taken over, and theirs. */
async function overtaken(book: ConformanceContext): Promise<{ readonly old: Lease; readonly held: Lease }> {
  const { following } = book.store
  const { lease: old } = await taken(following, 'a', { subscription, leaseMs: 0 })
  const { lease: held } = await taken(following, 'b', { subscription })
  return { old, held }
}

/** What an owner that has lost its lease must not be able to write. */
export const fencing: ConformanceGroup = {
  name: 'leases and what is written under them',
  cases: [
    {
      name: 'a change under a lease that somebody else has taken over is refused',
      run: async (book) => {
        await withBalances(book)
        const { old, held } = await overtaken(book)
        const { readModels } = book.store
        assert.equal(await readModels.change(under(old, 0, 'late')), false)
        assert.deepEqual(await keys(readModels), [])
        assert.deepEqual(await readModels.checkpoint(subscription), at(0))
        assert.equal(await readModels.change(under(held, 0, 'mine')), true)
        assert.equal(await readModels.change(under({ ...held, owner: 'a' }, 1, 'late')), false)
        assert.deepEqual(await keys(readModels), ['mine'])
      },
    },
    {
      name: 'a checkpoint is not moved under a lease that somebody else has taken over',
      run: async (book) => {
        await withBalances(book)
        const { old, held } = await overtaken(book)
        const { readModels } = book.store
        assert.equal(await readModels.moveCheckpoint(subscription, 0, at(1), old), false)
        assert.deepEqual(await readModels.checkpoint(subscription), at(0))
        assert.equal(await readModels.moveCheckpoint(subscription, 0, at(1), held), true)
        assert.equal(await readModels.moveCheckpoint(subscription, 0, at(2), held), false)
        assert.deepEqual(await readModels.checkpoint(subscription), at(1))
      },
    },
    {
      name: 'a transaction moves nothing, and holds nothing, under a lease that somebody else has taken over',
      run: async (book) => {
        await withBalances(book)
        const { old, held } = await overtaken(book)
        const { following, readModels } = book.store
        const answers = (lease: Lease): Promise<readonly boolean[]> =>
          Promise.all([
            following.transaction((transaction) => transaction.move(subscription, 0, at(0), lease)),
            following.transaction((transaction) => transaction.change(under(lease, 0, 'key'))),
            following.transaction((transaction) => transaction.holds(lease)),
          ])
        assert.deepEqual(await answers(old), [false, false, false])
        assert.deepEqual(await keys(readModels), [])
        assert.deepEqual(await answers(held), [true, true, true])
        assert.deepEqual(await readModels.checkpoint(subscription), at(1))
      },
    },
    {
      name: 'a lease that was given back moves nothing',
      run: async (book) => {
        await withBalances(book)
        const { following, readModels } = book.store
        const { lease } = await taken(following, 'a', { subscription })
        await following.release(lease)
        assert.equal(await readModels.change(under(lease, 0, 'late')), false)
        assert.equal(await readModels.moveCheckpoint(subscription, 0, at(1), lease), false)
        assert.equal(await following.transaction((transaction) => transaction.holds(lease)), false)
      },
    },
    {
      name: 'a lease whose time is over is still held, until somebody takes it',
      run: async (book) => {
        await withBalances(book)
        const { following, readModels } = book.store
        const { lease } = await taken(following, 'a', { subscription, leaseMs: 0 })
        assert.equal(await readModels.change(under(lease, 0, 'in time')), true)
        assert.equal(await following.transaction((transaction) => transaction.holds(lease)), true)
        await taken(following, 'b', { subscription })
        assert.equal(await readModels.change(under(lease, 1, 'late')), false)
      },
    },
    {
      name: 'a lease of one subscription gives no right to another',
      run: async (book) => {
        await withBalances(book)
        const { following, readModels } = book.store
        await readModels.prepareSubscription('mails', at(0))
        const { lease } = await taken(following, 'a')
        await taken(following, 'a', { subscription })
        assert.equal(await readModels.change(under(lease, 0, 'strange')), false)
        assert.equal(await readModels.moveCheckpoint(subscription, 0, at(1), lease), false)
        const isMoved = await following.transaction((transaction) =>
          transaction.move(subscription, 0, at(1), lease),
        )
        assert.equal(isMoved, false)
        assert.deepEqual(await readModels.checkpoint(subscription), at(0))
      },
    },
    {
      name: 'without a lease whoever finds a checkpoint where it was moves it, whoever holds one',
      run: async (book) => {
        await withBalances(book)
        const { readModels } = book.store
        await taken(book.store.following, 'a', { subscription })
        assert.equal(await readModels.change(under(undefined, 0, 'free')), true)
        assert.equal(await readModels.moveCheckpoint(subscription, 1, at(2)), true)
      },
    },
    {
      name: 'a reset and another preparation leave the lease with whoever holds it',
      run: async (book) => {
        await withBalances(book)
        const { following, readModels } = book.store
        const { lease } = await taken(following, 'a', { subscription })
        await readModels.change(under(lease, 0, 'old'))
        await readModels.reset(balances, subscription, at(0))
        await withBalances(book)
        assert.equal(await following.acquire(subscription, 'b', longMs), undefined)
        assert.equal(await readModels.change(under(lease, 0, 'new')), true)
        assert.deepEqual(await keys(readModels), ['new'])
      },
    },
    {
      name: 'a take-over and a move at once leave the checkpoint with the new owner',
      run: async (book) => {
        await book.store.readModels.prepareSubscription('mails', at(0))
        const other = await book.open()
        let position = 0
        for (const round of range(1, 10)) {
          const old = await takenAndOver(book.store.following, `old ${round}`)
          const move = (lease: Lease): Promise<boolean> =>
            book.store.readModels.moveCheckpoint('mails', position, at(position + 1), lease)
          const taking = taken(other.following, `new ${round}`, { leaseMs: 0 }).then(async ({ lease }) => {
            return { lease, found: await other.readModels.checkpoint('mails') }
          })
          const [isMoved, { lease, found }] = await Promise.all([move(old), taking])
          if (isMoved) position++
          assert.deepEqual(found, at(position), 'it moved after the take-over')
          assert.equal(await move(old), false, 'the old owner wrote after the take-over')
          assert.equal(await move(lease), true)
          position++
        }
      },
    },
    {
      name: 'a lease that is held in a transaction is not taken over before its end',
      run: async (book) => {
        await book.store.readModels.prepareSubscription('mails', at(0))
        const other = (await book.open()).following
        const { following } = book.store
        const lease = await takenAndOver(following, 'a')
        // It has a connection from now on, where a store has such.
        assert.equal(await other.acquire('unknown', 'b', longMs), undefined)
        let taking: ReturnType<typeof taken> | undefined
        const isMoved = await following.transaction(async (transaction) => {
          assert.equal(await transaction.holds(lease), true)
          taking ??= taken(other, 'b')
          // Time for the other to get as far as it can.
          for (const _ of range(1, 50)) await following.leases()
          return transaction.move('mails', 0, at(1), lease)
        })
        assert.equal(isMoved, true)
        assert.equal((await taking)?.isTakenOver, true)
        assert.equal(await book.store.readModels.moveCheckpoint('mails', 1, at(2), lease), false)
      },
    },
  ],
}
