import assert from 'node:assert/strict'
import type { AppendOutcome } from '../../core/append-plan.ts'
import type { AppendOptions, AppendRequest } from '../../core/append-request.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { acceptedRows, type ConformanceContext, event, one, range, refusal } from './context.ts'

function keyed(book: ConformanceContext, key: string, data = 1, options: AppendOptions = {}): AppendRequest {
  const events = [event('Paid', { data }), event('Booked', { data })]
  return book.request({ stream: 'pay-1', events }, { ...options, idempotencyKey: key })
}

/** The repeat must point to the first effect, and to as many events. */
function assertRepeat(outcome: AppendOutcome | undefined, firstPosition: number, eventCount = 2): void {
  if (outcome?.kind === 'refused') throw outcome.error
  assert.equal(outcome?.kind, 'repeated')
  assert.deepEqual([outcome.record.firstPosition, outcome.record.eventCount], [firstPosition, eventCount])
}

const refusals: readonly ConformanceCase[] = [
  {
    name: 'a key with other content is refused',
    run: async (book) => {
      await book.accept(keyed(book, 'k'))
      const error = await book.refuse(keyed(book, 'k', 2), 'IDEMPOTENCY_KEY_REUSED')
      assert.equal(error.facts.firstPosition, 1)
      const [first, second] = await book.log.append([keyed(book, 'l', 1), keyed(book, 'l', 2)])
      acceptedRows(first)
      refusal(second, 'IDEMPOTENCY_KEY_REUSED')
      await book.reopen()
      await book.refuse(keyed(book, 'k', 2), 'IDEMPOTENCY_KEY_REUSED')
      assert.equal((await book.assertSound()).length, 4)
    },
  },
  {
    name: 'a refused append does not use up its key',
    run: async (book) => {
      await book.add('pay-1', event('Begun', {}, 'begun'))
      const behind = book.request(one('pay-1', 0), { idempotencyKey: 'k' })
      await book.refuse(behind, 'CONCURRENCY_CONFLICT')
      const unless = { query: { tags: ['begun'] }, after: 0 }
      await book.refuse(keyed(book, 'l', 1, { unless }), 'CONDITION_FAILED')
      assert.equal(await book.log.findKey('k'), undefined)
      assert.equal(await book.log.findKey('l'), undefined)
      const outcomes = await book.log.append([
        book.request(one('pay-1', 0), { idempotencyKey: 'm' }),
        keyed(book, 'k', 7),
        keyed(book, 'l', 8),
        keyed(book, 'm', 9),
      ])
      refusal(outcomes[0], 'CONCURRENCY_CONFLICT')
      for (const outcome of outcomes.slice(1)) acceptedRows(outcome)
      assert.equal((await book.assertSound()).length, 7)
    },
  },
]

/** One key, one effect, one answer. */
export const idempotency: ConformanceGroup = {
  name: 'idempotency keys',
  cases: [
    {
      name: 'a repeat in the same batch has no second effect',
      run: async (book) => {
        const outcomes = await book.log.append([
          book.request(one('a-1')),
          keyed(book, 'k'),
          keyed(book, 'k'),
          book.request(one('a-1')),
          keyed(book, 'k'),
        ])
        assert.equal(acceptedRows(outcomes[1])[0]?.position, 2)
        assertRepeat(outcomes[2], 2)
        assertRepeat(outcomes[4], 2)
        assert.equal((await book.assertSound()).length, 4)
      },
    },
    {
      name: 'a repeat later, also after reopening, gets the first answer',
      run: async (book) => {
        await book.add('a-1', event())
        await book.accept(keyed(book, 'k'))
        await book.add('a-1', event())
        assertRepeat((await book.log.append([keyed(book, 'k')]))[0], 2)
        await book.reopen()
        assertRepeat((await book.log.append([keyed(book, 'k')]))[0], 2)
        const record = await book.log.findKey('k')
        assert.deepEqual([record?.key, record?.firstPosition, record?.eventCount], ['k', 2, 2])
        assert.equal((await book.assertSound()).length, 4)
      },
    },
    {
      name: '64 uses of one key at once have one effect',
      run: async (book) => {
        const other = await book.open()
        const logs = [book.log, other.log]
        for (const key of ['k', 'l', 'm']) {
          const uses = range(1, 64).map((n) => (logs[n % 2] ?? book.log).append([keyed(book, key)]))
          const outcomes = (await Promise.all(uses)).flat()
          const first = outcomes.filter(({ kind }) => kind === 'appended')
          assert.equal(first.length, 1, `${first.length} of 64 uses of one key had an effect`)
          const at = acceptedRows(first[0])[0]?.position ?? 0
          for (const outcome of outcomes) if (outcome !== first[0]) assertRepeat(outcome, at)
        }
        assert.equal((await book.assertSound()).length, 6)
      },
    },
    {
      name: 'a repeat is answered, whatever has changed meanwhile',
      run: async (book) => {
        const unless = { query: { types: ['Paid'] }, after: 0 }
        const first = (): AppendRequest =>
          book.request(
            { stream: 'pay-1', expectedVersion: 'none', events: [event('Paid')] },
            { idempotencyKey: 'k', unless },
          )
        await book.accept(first())
        await book.add('pay-1', event('Paid'))
        assertRepeat((await book.log.append([first()]))[0], 1, 1)
      },
    },
    {
      name: 'a key works on an append without events',
      run: async (book) => {
        const nothing = (): AppendRequest =>
          book.request({ stream: 'a-1', events: [] }, { idempotencyKey: 'k' })
        await book.accept(nothing())
        await book.add('a-1', event())
        const [outcome] = await book.log.append([nothing()])
        assert.equal(outcome?.kind === 'repeated' && outcome.record.eventCount, 0)
        await book.refuse(book.request(one('a-1'), { idempotencyKey: 'k' }), 'IDEMPOTENCY_KEY_REUSED')
      },
    },
    {
      name: 'keys that look alike are different keys',
      run: async (book) => {
        const keys = ['k', 'K', 'k ', 'k1', '%', '_', 'é', 'e\u0301', '🦉', `${'k'.repeat(254)}x`]
        for (const key of keys) await book.accept(book.request(one('a-1'), { idempotencyKey: key }))
        for (const [index, key] of keys.entries()) {
          assert.equal((await book.log.findKey(key))?.firstPosition, index + 1)
        }
        assert.equal(await book.log.findKey('unknown'), undefined)
      },
    },
    ...refusals,
  ],
}
