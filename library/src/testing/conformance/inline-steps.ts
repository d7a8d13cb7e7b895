import assert from 'node:assert/strict'
import type { InlineStep } from '../../core/ports/store.ts'
import type { EventRow } from '../../core/row-hash.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, fieldsOf, one, positions, range, refusal } from './context.ts'
import { at, balances, change, keys, row, subscription } from './read-models.ts'

async function prepare({ store }: ConformanceContext): Promise<void> {
  await store.readModels.prepare(balances, subscription, at(0))
}

/** Moves the read model of balances from one position to another, with a document to show for it. */
function step(fromPosition: number, toPosition: number): InlineStep {
  return async (_rows, transaction) => {
    const isMade = await transaction.change(change(fromPosition, toPosition, [row(`at ${toPosition}`)]))
    assert.equal(isMade, true)
  }
}

const failures: readonly ConformanceCase[] = [
  {
    name: 'an inline step that throws takes back the events, the keys and its own changes',
    run: async (book) => {
      await prepare(book)
      await book.log.append([book.request(one('a-1'))], step(0, 1))
      const failure = new Error('the step failed')
      const request = book.request([one('a-1', 1), one('b-1')], { idempotencyKey: 'k' })
      const append = book.log.append([request], async (rows, transaction, log) => {
        await step(1, 3)(rows, transaction, log)
        throw failure
      })
      await assert.rejects(append, failure)
      assert.deepEqual(await keys(book.store.readModels), ['at 1'])
      assert.deepEqual(await book.store.readModels.checkpoint(subscription), at(1))
      assert.equal(await book.log.findKey('k'), undefined)
      assert.equal((await book.assertSound()).length, 1)
      const [outcome] = await book.log.append([request], step(1, 3))
      assert.equal(outcome?.kind, 'appended')
      assert.equal((await book.assertSound()).length, 3)
    },
  },
  {
    name: 'an append whose inline step throws takes the others of its batch along, and no later ones',
    run: async (book) => {
      const failing = book.log.append([book.request(one('a-1')), book.request(one('b-1'))], () =>
        Promise.reject(new Error('the step failed')),
      )
      const later = book.log.append([book.request(one('c-1'))])
      await assert.rejects(failing, /the step failed/)
      await later
      const rows = await book.assertSound()
      assert.deepEqual(
        rows.map((each) => each.stream),
        ['c-1'],
      )
    },
  },
  {
    name: 'an append whose inline step swallows a failure is acknowledged only when it is there',
    run: async (book) => {
      await prepare(book)
      // A change of what was never prepared: it fails in a database, which may take the whole transaction along.
      const unprepared = {
        ...change(0, 1, [row('lost')]),
        shape: { name: 'nowhere', version: 1, columns: {} },
      }
      // First on an empty log, then by whoever was the last to append, and knows it.
      for (const _ of range(1, 2)) {
        const before = (await book.log.head()).position
        const append = book.log.append([book.request(one('a-1'))], async (_rows, transaction) => {
          await transaction.change(unprepared).catch(() => undefined)
        })
        const [settled] = await Promise.allSettled([append])
        const written = settled.status === 'fulfilled' ? 1 : 0
        assert.equal((await book.assertSound()).length, before + written)
        for (const _again of range(1, 2)) await book.accept(book.request(one('a-1')))
        assert.equal((await book.assertSound()).length, before + written + 2)
      }
    },
  },
  {
    name: 'a change in an inline step is refused when the checkpoint has moved',
    run: async (book) => {
      await prepare(book)
      await book.log.append([book.request(one('a-1'))], async (_rows, transaction) => {
        assert.equal(await transaction.change(change(5, 6, [row('lost')])), false)
        assert.equal(await transaction.change(change(0, 1, [row('kept')])), true)
        assert.equal(await transaction.change(change(0, 1, [row('lost')])), false)
      })
      assert.deepEqual(await keys(book.store.readModels), ['kept'])
    },
  },
]

const isolation: readonly ConformanceCase[] = [
  {
    name: 'nobody sees the events or the changes of an inline step that is not over',
    run: async (book) => {
      await prepare(book)
      const other = await book.open()
      await book.log.append([book.request(one('a-1'))], async (rows, transaction, log) => {
        await step(0, 1)(rows, transaction, log)
        for (const { log: outside, readModels } of [book.store, other]) {
          assert.equal((await outside.head()).position, 0)
          assert.deepEqual((await book.readLog({}, outside)).rows, [])
          assert.deepEqual((await book.readStream('a-1', {}, outside)).rows, [])
          assert.deepEqual(await keys(readModels), [])
        }
      })
      assert.deepEqual(await keys(other.readModels), ['at 1'])
    },
  },
  {
    name: 'an inline step and a change at the same time lose nothing',
    run: async (book) => {
      await prepare(book)
      await book.store.readModels.prepareSubscription('mails', at(0))
      const work = range(0, 9).flatMap((n) => [
        book.log.append([book.request(one('a-1'))], async (rows, transaction, log) => {
          await book.host.nextTurn()
          await step(n, n + 1)(rows, transaction, log)
        }),
        book.store.readModels.moveCheckpoint('mails', n, at(n + 1)),
      ])
      await Promise.all(work)
      assert.equal((await book.store.readModels.checkpoint(subscription))?.position, 10)
      assert.equal((await book.store.readModels.checkpoint('mails'))?.position, 10)
      assert.equal((await keys(book.store.readModels)).length, 10)
      assert.equal((await book.assertSound()).length, 10)
    },
  },
]

/** What runs in the append's own transaction. */
export const inlineSteps: ConformanceGroup = {
  name: 'inline steps',
  cases: [
    {
      name: 'an inline step gets the rows that are written, in order, and no others',
      run: async (book) => {
        await book.add('a-1', event())
        const seen: (readonly EventRow[])[] = []
        const watch: InlineStep = async (rows) => {
          if (rows.length > 0) seen.push(rows)
        }
        await book.log.append(
          [
            book.request([one('a-1'), one('b-1')]),
            book.request(one('a-1', 'none')),
            book.request(one('c-1')),
          ],
          watch,
        )
        assert.deepEqual(positions(seen[0] ?? []), [2, 3, 4])
        const written = (await book.assertSound()).slice(1)
        assert.deepEqual(seen[0]?.map(fieldsOf), written.map(fieldsOf))
        const [refused] = await book.log.append([book.request(one('a-1', 'none'))], watch)
        refusal(refused, 'CONCURRENCY_CONFLICT')
        assert.equal(seen.length, 1)
      },
    },
    {
      name: 'an inline step reads the events that are being appended',
      run: async (book) => {
        await book.add('a-1', event('Opened', {}, 'red'))
        const requests = [
          book.request({ stream: 'a-1', events: [event('Moved', {}, 'red')] }, { idempotencyKey: 'k' }),
          book.request(one('b-1')),
        ]
        await book.log.append(requests, async (rows, _transaction, log) => {
          assert.deepEqual((await book.assertSound(log)).slice(1).map(fieldsOf), rows.map(fieldsOf))
          assert.deepEqual(positions((await book.readStream('a-1', {}, log)).rows), [1, 2])
          const back = await book.readStream('a-1', { direction: 'backwards', limit: 1 }, log)
          assert.deepEqual(positions(back.rows), [2])
          assert.deepEqual(positions(await book.readThrough({ items: [{ tags: ['red'] }] }, log)), [1, 2])
          assert.equal((await log.readHashes(0, 10)).length, 3)
          assert.equal((await log.head()).position, 3)
        })
      },
    },
    {
      name: 'an inline step sees and changes read models, together with the events',
      run: async (book) => {
        await prepare(book)
        await book.store.readModels.change(change(0, 1, [row('old', 1), row('gone', 1)]))
        await book.log.append([book.request(one('a-1'))], async (_rows, transaction) => {
          assert.equal((await transaction.checkpoint(subscription))?.position, 1)
          assert.equal(await transaction.checkpoint('unknown'), undefined)
          assert.equal((await transaction.documents(balances, ['old', 'new'])).size, 1)
          assert.equal(await transaction.change(change(1, 2, [row('new', 2)], ['gone'])), true)
          const seen = await transaction.documents(balances, ['old', 'new', 'gone'])
          assert.deepEqual([...seen.keys()].sort(), ['new', 'old'])
          assert.equal((await transaction.checkpoint(subscription))?.position, 2)
        })
        assert.deepEqual(await keys(book.store.readModels), ['new', 'old'])
        assert.deepEqual(await book.store.readModels.checkpoint(subscription), at(2))
      },
    },
    ...failures,
    ...isolation,
  ],
}
