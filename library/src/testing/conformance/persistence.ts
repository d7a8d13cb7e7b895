import assert from 'node:assert/strict'
import { isDaybookError } from '../../core/errors.ts'
import type { ConformanceGroup } from './case.ts'
import { event, fieldsOf, hexOf, one, positions, range } from './context.ts'
import { at, balances, change, keys, row, subscription } from './read-models.ts'

/** What is still there after closing and opening. */
export const persistence: ConformanceGroup = {
  name: 'closing and opening again',
  cases: [
    {
      name: 'a book keeps its identity',
      run: async (book) => {
        const { bookId, epoch } = book.store.identity
        assert.ok(bookId.length > 0 && epoch >= 1)
        const other = await book.open()
        assert.deepEqual({ ...other.identity }, { bookId, epoch })
        await book.add('a-1', event())
        const reopened = await book.reopen()
        assert.deepEqual({ ...reopened.identity }, { bookId, epoch })
      },
    },
    {
      name: 'a book that is opened again holds everything',
      run: async (book) => {
        await book.accept(book.request(one('a-1'), { idempotencyKey: 'k' }))
        for (const n of range(1, 5))
          await book.add(`b-${n}`, event('Counted', { n }, 'odd', `n:${n}`), event())
        await book.store.readModels.prepare(balances, subscription, at(0))
        await book.store.readModels.change(change(0, 11, [row('a', 5)]))
        const rows = (await book.assertSound()).map(fieldsOf)
        const head = await book.log.head()
        for (const _ of range(1, 2)) {
          await book.reopen()
          assert.deepEqual((await book.assertSound()).map(fieldsOf), rows)
          const again = await book.log.head()
          assert.deepEqual([again.position, again.recordedAtMs], [11, head.recordedAtMs])
          assert.equal(hexOf(again.chainHash), hexOf(head.chainHash))
          assert.equal((await book.log.readHashes(0, 100)).length, 11)
          assert.equal((await book.log.findKey('k'))?.firstPosition, 1)
          assert.deepEqual(positions(await book.readThrough({ items: [{ tags: ['n:3', 'odd'] }] })), [6])
          assert.deepEqual(await keys(book.store.readModels), ['a'])
          assert.deepEqual(await book.store.readModels.checkpoint(subscription), at(11))
        }
        await book.accept(book.request(one('b-5', 2)))
        assert.equal((await book.assertSound()).length, 12)
      },
    },
    {
      name: 'closing twice, and closing one of two openings, does no harm',
      run: async (book) => {
        const other = await book.open()
        await other.close()
        await other.close()
        await book.add('a-1', event())
        await Promise.all([book.store.close(), book.store.close()])
        await book.store.close()
        await book.reopen()
        assert.equal((await book.assertSound()).length, 1)
      },
    },
    {
      name: 'closing waits for appends under way: what is acknowledged is there, what is refused is not',
      run: async (book) => {
        const appends = range(1, 10).map((n) => book.log.append([book.request(one(`a-${n}`))]))
        const closing = book.store.close()
        const settled = await Promise.allSettled(appends)
        await closing
        const done = settled.filter(({ status }) => status === 'fulfilled')
        for (const each of settled) {
          if (each.status === 'rejected')
            assert.ok(isDaybookError(each.reason, 'BOOK_CLOSED'), `${each.reason}`)
        }
        await book.reopen()
        assert.equal((await book.assertSound()).length, done.length)
      },
    },
    {
      name: 'a store that is closed refuses to be used, with BOOK_CLOSED',
      run: async (book) => {
        await book.add('a-1', event())
        const { following, log, readModels, snapshots } = book.store
        await book.store.close()
        const closed = { code: 'BOOK_CLOSED' }
        await assert.rejects(log.append([book.request(one('a-1'))]), closed)
        await assert.rejects(log.head(), closed)
        await assert.rejects(book.readStream('a-1', {}, log), closed)
        await assert.rejects(readModels.checkpoint(subscription), closed)
        await assert.rejects(readModels.moveCheckpoint(subscription, 0, at(1)), closed)
        await assert.rejects(snapshots.load('a-1', 'a'), closed)
        await assert.rejects(following.leases(), closed)
        await assert.rejects(following.acquire('mails', 'a', 1_000), closed)
        await assert.rejects(
          following.transaction(async () => undefined),
          closed,
        )
      },
    },
    {
      name: 'a store tells of itself, and finds nothing wrong with a new book',
      run: async (book) => {
        await book.add('a-1', event())
        const report = await book.store.inspect()
        assert.equal(report.facts.events, 1)
        assert.deepEqual(report.problems, [])
        assert.ok(book.store.name.length > 0)
      },
    },
  ],
}
