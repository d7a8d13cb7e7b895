import assert from 'node:assert/strict'
import type { ConformanceGroup } from './case.ts'
import { event, fieldsOf, one, positions, refusal } from './context.ts'
import { at, balances, change, keys, row, subscription } from './read-models.ts'

/** Appending in a transaction that the caller has begun, beside the caller's own rows. */
export const callerTransactions: ConformanceGroup = {
  name: "joining the caller's transaction",
  cases: [
    {
      name: 'what is appended within a transaction is there when it commits',
      run: async (book) => {
        await book.add('a-1', event())
        const caller = await book.begin()
        const rows = await book.accept(book.request(one('a-1', 1)), book.log.within(caller.transaction))
        assert.equal((await book.log.head()).position, 1)
        await caller.commit()
        assert.deepEqual((await book.assertSound()).slice(1).map(fieldsOf), rows.map(fieldsOf))
        await book.accept(book.request(one('a-1', 2)))
      },
    },
    {
      name: 'what is appended within a transaction is gone when it rolls back',
      run: async (book) => {
        await book.add('a-1', event())
        const caller = await book.begin()
        const joined = book.log.within(caller.transaction)
        await book.accept(book.request(one('a-1'), { idempotencyKey: 'k' }), joined)
        await caller.rollback()
        assert.equal(await book.log.findKey('k'), undefined)
        assert.equal((await book.assertSound()).length, 1)
        await book.accept(book.request(one('a-1', 1), { idempotencyKey: 'k' }))
        assert.equal((await book.assertSound()).length, 2)
      },
    },
    {
      name: 'the joined log sees its own uncommitted events, keys and versions',
      run: async (book) => {
        await book.add('a-1', event('Opened', {}, 'red'))
        const caller = await book.begin()
        const joined = book.log.within(caller.transaction)
        const events = [event('Moved', {}, 'red')]
        await book.accept(book.request({ stream: 'a-1', events }, { idempotencyKey: 'k' }), joined)
        await book.accept(book.request(one('a-1', 2)), joined)
        const unless = { query: { tags: ['red'] }, after: 1 }
        const outcomes = await joined.append([
          book.request(one('a-1', 1)),
          book.request(one('b-1'), { unless }),
          book.request({ stream: 'a-1', events }, { idempotencyKey: 'k' }),
        ])
        refusal(outcomes[0], 'CONCURRENCY_CONFLICT')
        refusal(outcomes[1], 'CONDITION_FAILED')
        assert.equal(outcomes[2]?.kind, 'repeated')
        assert.equal((await book.assertSound(joined)).length, 3)
        assert.deepEqual(positions((await book.readStream('a-1', {}, joined)).rows), [1, 2, 3])
        assert.deepEqual(positions(await book.readThrough({ items: [{ tags: ['red'] }] }, joined)), [1, 2])
        assert.equal((await joined.findKey('k'))?.firstPosition, 2)
        await caller.commit()
        assert.equal((await book.assertSound()).length, 3)
      },
    },
    {
      name: 'an inline step that throws within a transaction takes back only its own append',
      run: async (book) => {
        await book.store.readModels.prepare(balances, subscription, at(0))
        const caller = await book.begin()
        const joined = book.log.within(caller.transaction)
        await joined.append([book.request(one('a-1'))], async (_rows, transaction) => {
          await transaction.change(change(0, 1, [row('kept')]))
        })
        const failing = joined.append([book.request(one('a-1'))], async (_rows, transaction) => {
          await transaction.change(change(1, 2, [row('lost')]))
          throw new Error('the step failed')
        })
        await assert.rejects(failing, /the step failed/)
        await caller.commit()
        assert.equal((await book.assertSound()).length, 1)
        assert.deepEqual(await keys(book.store.readModels), ['kept'])
      },
    },
    {
      name: 'what is no open transaction on this book is refused',
      run: async (book) => {
        const caller = await book.begin()
        await caller.rollback()
        for (const wrong of [undefined, null, {}, 'begin', 1, caller.transaction]) {
          assert.throws(() => book.log.within(wrong), { code: 'TRANSACTION_INVALID' })
        }
      },
    },
  ],
}
