import assert from 'node:assert/strict'
import type { AppendRequest } from '../../core/append-request.ts'
import { ConcurrencyError } from '../../core/errors.ts'
import type { ExpectedVersion } from '../../core/expected-version.ts'
import type { ConformanceGroup } from './case.ts'
import { acceptedRows, type ConformanceContext, event, one, range, refusal } from './context.ts'

/** Whether a stream of version 0, 1, 2, 3 is as expected: written out, so that it shares no code with the rules. */
const truth: readonly (readonly [ExpectedVersion, readonly boolean[]])[] = [
  ['any', [true, true, true, true]],
  ['none', [true, false, false, false]],
  ['exists', [false, true, true, true]],
  [0, [true, false, false, false]],
  [1, [false, true, false, false]],
  [2, [false, false, true, false]],
  [3, [false, false, false, true]],
  [4, [false, false, false, false]],
]

interface Pair {
  readonly stream: string
  readonly held: number
  readonly expected: ExpectedVersion
  readonly isMet: boolean
}

const pairs: readonly Pair[] = truth.flatMap(([expected, row]) =>
  row.map((isMet, held) => ({ stream: `held${held}-${expected}`, held, expected, isMet })),
)

/** The whole truth table, and that of two appends at one version exactly one wins. */
export const expectedVersions: ConformanceGroup = {
  name: 'expected versions',
  cases: [
    {
      name: 'every expectation is met by the right versions, one append at a time',
      run: async (book) => {
        for (const { stream, held, expected, isMet } of pairs) {
          if (held > 0) await book.add(stream, ...range(1, held).map(() => event()))
          const [outcome] = await book.log.append([book.request(one(stream, expected))])
          const name = `${expected} at version ${held}`
          assert.equal(outcome?.kind, isMet ? 'appended' : 'refused', name)
          const { rows } = await book.readStream(stream)
          assert.equal(rows.length, held + (isMet ? 1 : 0), name)
        }
        await book.assertSound()
      },
    },
    {
      name: 'every expectation is met by the right versions, all in one batch',
      run: async (book) => {
        const requests: AppendRequest[] = []
        const last: number[] = []
        for (const { stream, held, expected } of pairs) {
          if (held > 0) requests.push(book.request({ stream, events: range(1, held).map(() => event()) }))
          last.push(requests.push(book.request(one(stream, expected))) - 1)
        }
        const outcomes = await book.log.append(requests)
        for (const [index, { held, expected, isMet }] of pairs.entries()) {
          const kind = outcomes[last[index] ?? -1]?.kind
          assert.equal(kind, isMet ? 'appended' : 'refused', `${expected} at version ${held}`)
        }
        await book.assertSound()
      },
    },
    {
      name: 'a conflict names the stream, what was expected and what is',
      run: async (book) => {
        await book.add('a-1', event(), event())
        for (const expected of [0, 1, 3, 'none'] as const) {
          const error = await book.refuse(book.request(one('a-1', expected)), 'CONCURRENCY_CONFLICT')
          assert.ok(error instanceof ConcurrencyError)
          assert.deepEqual([error.stream, error.expected, error.actual], ['a-1', expected, 2])
        }
      },
    },
    {
      name: 'an expectation about a stream that gets no events guards the append',
      run: async (book) => {
        await book.add('guard-1', event())
        const guarded = (expectedVersion: ExpectedVersion): AppendRequest =>
          book.request([{ stream: 'guard-1', expectedVersion, events: [] }, one('a-1')])
        await book.refuse(guarded(0), 'CONCURRENCY_CONFLICT')
        await book.refuse(guarded(2), 'CONCURRENCY_CONFLICT')
        await book.accept(guarded(1))
        await book.assertSound()
      },
    },
    {
      name: 'names that look alike are different streams',
      run: async (book) => {
        await book.add('a-1', event())
        const others = ['a-10', 'a-11', 'A-1', 'a-1 ', 'a-%', 'a-_', 'a-*', 'a-?', 'aa-1', 'a-é', 'a-e\u0301']
        for (const stream of others) await book.accept(book.request(one(stream, 'none')))
        assert.equal((await book.assertSound()).length, 1 + others.length)
      },
    },
    {
      name: 'of many appends at one version at once exactly one wins',
      run: async (book) => {
        for (const expected of ['none', 1, 2, 3] as const) await race(book, expected)
        assert.equal((await book.assertSound()).length, 4)
      },
    },
    {
      name: 'of many appends at one version in one batch the first wins',
      run: async (book) => {
        const outcomes = await book.log.append(range(1, 8).map(() => book.request(one('a-1', 0))))
        acceptedRows(outcomes[0])
        for (const outcome of outcomes.slice(1)) refusal(outcome, 'CONCURRENCY_CONFLICT')
        assert.equal((await book.assertSound()).length, 1)
      },
    },
  ],
}

async function race(book: ConformanceContext, expected: ExpectedVersion): Promise<void> {
  const other = await book.open()
  const logs = [book.log, other.log]
  const answers = range(1, 16).map((n) => {
    const log = logs[n % 2] ?? assert.fail()
    return log.append([book.request(one('a-1', expected))])
  })
  const outcomes = (await Promise.all(answers)).flat()
  const winners = outcomes.filter(({ kind }) => kind === 'appended')
  assert.equal(winners.length, 1, `${winners.length} of 16 appends at ${expected} won`)
  for (const outcome of outcomes) if (outcome !== winners[0]) refusal(outcome, 'CONCURRENCY_CONFLICT')
}
