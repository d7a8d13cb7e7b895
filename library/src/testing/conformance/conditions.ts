import assert from 'node:assert/strict'
import type { AppendRequest } from '../../core/append-request.ts'
import { ConditionError } from '../../core/errors.ts'
import type { Query } from '../../core/query.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { acceptedRows, type ConformanceContext, event, one, range, refusal } from './context.ts'

function unless(book: ConformanceContext, query: Query, after = 0): AppendRequest {
  return book.request({ stream: 'new-1', events: [event('Added', {}, 'new')] }, { unless: { query, after } })
}

/** Appended before each case about matching: positions 1 to 4. */
async function seats(book: ConformanceContext): Promise<void> {
  await book.add('course-1', event('Defined', {}, 'course:1'))
  await book.add('course-2', event('Defined', {}, 'course:2'))
  await book.add('student-1', event('Joined', {}, 'course:1', 'student:1'))
  await book.add('courses-1', event('Left', {}, 'course:1', 'student:2'))
}

/** A query over the four events above, and the position of the first that matches. */
const matching: readonly (readonly [Query, number | undefined])[] = [
  [{ tags: ['course:2'] }, 2],
  [{ tags: ['course:1', 'student:1'] }, 3],
  [{ tags: ['student:1', 'course:1'] }, 3],
  [{ tags: ['course:2', 'student:1'] }, undefined],
  [{ tags: ['student:1', 'course:2'] }, undefined],
  [{ tags: ['course'] }, undefined],
  [{ tags: ['course:%'] }, undefined],
  [{ tags: ['COURSE:2'] }, undefined],
  [{ types: ['Joined'] }, 3],
  [{ types: ['Left', 'Joined'] }, 3],
  [{ types: ['joined'] }, undefined],
  [{ categories: ['course'] }, 1],
  [{ categories: ['courses'] }, 4],
  [{ categories: ['cours'] }, undefined],
  [{ categories: ['student', 'courses'] }, 3],
  [{ types: ['Left'], categories: ['course'] }, undefined],
  [{ types: ['Left'], categories: ['courses'], tags: ['student:2'] }, 4],
  [{ types: ['Defined'], tags: ['student:1'] }, undefined],
  [[{ tags: ['student:2'] }, { types: ['Joined'] }], 3],
  [[{ types: ['Unknown'] }, { tags: ['student:2'] }], 4],
  [[{ types: ['Unknown'] }, { tags: ['unknown'] }], undefined],
]

const inOneBatch: readonly ConformanceCase[] = [
  {
    name: 'a condition sees what was accepted before it in the same batch, and only that',
    run: async (book) => {
      await book.add('a-1', event())
      const outcomes = await book.log.append([
        unless(book, { tags: ['new'] }, 1),
        unless(book, { tags: ['new'] }, 1),
        unless(book, { tags: ['new'] }, 2),
        unless(book, { tags: ['new'] }, 2),
        book.request([one('b-1', 7), { stream: 'c-1', events: [event('Lost', {}, 'lost')] }]),
        unless(book, { tags: ['lost'] }),
      ])
      acceptedRows(outcomes[0])
      assert.equal(matchedBy(refusal(outcomes[1], 'CONDITION_FAILED')), 2)
      acceptedRows(outcomes[2])
      assert.equal(matchedBy(refusal(outcomes[3], 'CONDITION_FAILED')), 3)
      refusal(outcomes[4], 'CONCURRENCY_CONFLICT')
      acceptedRows(outcomes[5])
      assert.equal((await book.assertSound()).length, 4)
    },
  },
  {
    name: 'each request of a batch is held to its own conditions',
    run: async (book) => {
      await seats(book)
      const outcomes = await book.log.append([
        unless(book, { tags: ['student:9'] }),
        unless(book, { tags: ['student:1'] }),
        book.request(one('b-1')),
        unless(book, { tags: ['student:8'] }),
        unless(book, { tags: ['student:2'] }),
      ])
      const kinds = outcomes.map(({ kind }) => kind)
      assert.deepEqual(kinds, ['appended', 'refused', 'appended', 'appended', 'refused'])
    },
  },
  {
    name: 'of several conditions each must hold',
    run: async (book) => {
      await seats(book)
      const both = (first: string, second: string): AppendRequest => {
        const conditions = [first, second].map((tag) => ({ query: { tags: [tag] }, after: 0 }))
        return book.request(one('a-1'), { unless: conditions })
      }
      await book.refuse(both('student:1', 'student:9'), 'CONDITION_FAILED')
      await book.refuse(both('student:9', 'student:1'), 'CONDITION_FAILED')
      await book.accept(both('student:9', 'student:8'))
    },
  },
]

/** An append on condition that no event matches a query after a position. */
export const conditions: ConformanceGroup = {
  name: 'tag conditions',
  cases: [
    {
      name: 'a condition is matched by types, categories and tags',
      run: async (book) => {
        await seats(book)
        for (const [query, matched] of matching) {
          const [outcome] = await book.log.append([unless(book, query)])
          const found = outcome?.kind === 'refused' ? matchedBy(outcome.error) : undefined
          assert.equal(found, matched, JSON.stringify(query))
        }
      },
    },
    {
      name: 'a condition looks only after its position, which is not included',
      run: async (book) => {
        await seats(book)
        const query = { tags: ['student:1'] }
        for (const after of [0, 1, 2]) {
          const error = await book.refuse(unless(book, query, after), 'CONDITION_FAILED')
          assert.ok(error instanceof ConditionError)
          assert.deepEqual([error.afterPosition, error.matchedPosition], [after, 3])
        }
        await book.accept(unless(book, query, 3))
        await book.accept(unless(book, query, 1_000))
      },
    },
    {
      name: 'a condition on an empty log, and on what the append itself writes, is met',
      run: async (book) => {
        await book.accept(unless(book, { tags: ['new'] }))
        await book.refuse(unless(book, { tags: ['new'] }), 'CONDITION_FAILED')
        assert.equal((await book.assertSound()).length, 1)
      },
    },
    {
      name: 'a condition guards an append without events',
      run: async (book) => {
        await seats(book)
        const check = (tag: string): AppendRequest =>
          book.request({ stream: 'a-1', events: [] }, { unless: { query: { tags: [tag] }, after: 0 } })
        await book.refuse(check('student:1'), 'CONDITION_FAILED')
        await book.accept(check('student:9'))
      },
    },
    {
      name: 'of many appends on one condition at once exactly one wins',
      run: async (book) => {
        const other = await book.open()
        const logs = [book.log, other.log]
        for (const seat of range(1, 5)) {
          const tag = `seat:${seat}`
          const answers = range(1, 16).map((n) => {
            const events = [event('Taken', {}, tag)]
            const condition = { query: { tags: [tag] }, after: seat - 1 }
            const request = book.request({ stream: `guest-${n}`, events }, { unless: condition })
            return (logs[n % 2] ?? book.log).append([request])
          })
          const won = (await Promise.all(answers)).flat().filter(({ kind }) => kind === 'appended')
          assert.equal(won.length, 1, `${won.length} of 16 took one seat`)
        }
        assert.equal((await book.assertSound()).length, 5)
      },
    },
    ...inOneBatch,
  ],
}

function matchedBy(error: unknown): number | undefined {
  assert.ok(error instanceof ConditionError, 'something else instead of a failed condition')
  return error.matchedPosition
}
