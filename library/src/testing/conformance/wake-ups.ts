import assert from 'node:assert/strict'
import type { EventLog } from '../../core/ports/store.ts'
import type { ConformanceGroup } from './case.ts'
import { event, one, refusal } from './context.ts'

/** Resolves at the next wake-up. A case that waits in vain ends by its time-out. */
function wakeUp(log: EventLog): Promise<void> {
  return new Promise((resolve) => {
    const stop = log.onAppended(() => {
      stop()
      resolve()
    })
  })
}

/** Hints that there may be new events. */
export const wakeUps: ConformanceGroup = {
  name: 'wake-ups',
  cases: [
    {
      name: 'a wake-up comes when the events can be read',
      run: async (book) => {
        const heads: Promise<number>[] = []
        const stop = book.log.onAppended(() => {
          heads.push(book.log.head().then(({ position }) => position))
        })
        for (const last of [2, 4, 6]) {
          const woken = wakeUp(book.log)
          await Promise.all([book.add('a-1', event(), event()), woken])
          assert.ok((await Promise.all(heads)).includes(last), `no wake-up saw position ${last}`)
        }
        stop()
        // Sooner would be a reader told to look before there is anything to see.
        assert.ok((await Promise.all(heads)).every((position) => position % 2 === 0 && position > 0))
      },
    },
    {
      name: 'every listener is woken, until it stops',
      run: async (book) => {
        const counts = [0, 0]
        const stops = counts.map((_, index) => {
          return book.log.onAppended(() => {
            counts[index] = (counts[index] ?? 0) + 1
          })
        })
        await Promise.all([book.add('a-1', event()), wakeUp(book.log)])
        assert.ok(
          counts.every((count) => count > 0),
          `woken ${counts.join(' and ')} times`,
        )
        stops[0]?.()
        stops[0]?.()
        const before = counts[0]
        await Promise.all([book.add('a-1', event()), wakeUp(book.log)])
        assert.equal(counts[0], before)
        stops[1]?.()
      },
    },
    {
      name: 'a refused append, a repeated one and one that failed wake nobody',
      run: async (book) => {
        await book.accept(book.request(one('a-1'), { idempotencyKey: 'k' }))
        await book.reopen()
        let count = 0
        const stop = book.log.onAppended(() => count++)
        const [refused] = await book.log.append([book.request(one('a-1', 'none'))])
        refusal(refused, 'CONCURRENCY_CONFLICT')
        await book.log.append([book.request(one('a-1'), { idempotencyKey: 'k' })])
        const failed = book.log.append([book.request(one('a-1'))], () => Promise.reject(new Error('failed')))
        await assert.rejects(failed)
        assert.equal(count, 0)
        stop()
      },
    },
    {
      name: 'an append through another opening of the book wakes, too',
      run: async (book) => {
        const other = await book.open()
        const woken = wakeUp(book.log)
        await book.accept(book.request(one('a-1')), other.log)
        await woken
        assert.equal((await book.log.head()).position, 1)
      },
    },
  ],
}
