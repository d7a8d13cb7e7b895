import assert from 'node:assert/strict'
import type { AppendOutcome } from '../../core/append-plan.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { acceptedRows, event, fieldsOf, one, positions, range, refusal } from './context.ts'

const atOnce: readonly ConformanceCase[] = [
  {
    name: '64 appends at once are all written, each once',
    run: async (book) => {
      const appends = range(1, 64).map((n) => book.add(`a-${n % 4}`, event('Counted', { n }), event()))
      const rows = (await Promise.all(appends)).flat()
      const sound = await book.assertSound()
      assert.equal(sound.length, 128)
      assert.deepEqual(
        rows.map(fieldsOf).sort((left, right) => left.position - right.position),
        sound.map(fieldsOf),
      )
    },
  },
  {
    name: 'a book opened twice has one log',
    run: async (book) => {
      const other = await book.open()
      const logs = [book.log, other.log]
      const appends = range(1, 40).map((n) => {
        const log = logs[n % 2] ?? assert.fail()
        return book.accept(book.request(one(`a-${n % 3}`)), log)
      })
      await Promise.all(appends)
      const rows = await book.assertSound()
      assert.equal(rows.length, 40)
      assert.deepEqual((await book.assertSound(other.log)).map(fieldsOf), rows.map(fieldsOf))
    },
  },
]

const clocks: readonly ConformanceCase[] = [
  {
    name: 'the recorded time is what the clock shows',
    run: async (book) => {
      const [first] = await book.add('a-1', event())
      book.nowMs += 1_234
      const [second] = await book.add('a-1', event())
      assert.deepEqual([first?.recordedAtMs, second?.recordedAtMs], [book.nowMs - 1_234, book.nowMs])
      assert.equal((await book.log.head()).recordedAtMs, book.nowMs)
    },
  },
  {
    name: 'the recorded time never decreases, though the clock jumps back',
    run: async (book) => {
      const startMs = book.nowMs
      const seen: (number | undefined)[] = []
      for (const jumpMs of [0, -3_600_000, 1, 259_200_000, -1, 5]) {
        book.nowMs = startMs + jumpMs
        const [row] = await book.add('a-1', event())
        seen.push(row && row.recordedAtMs - startMs)
      }
      assert.deepEqual(seen, [0, 0, 1, 259_200_000, 259_200_000, 259_200_000])
      book.nowMs = startMs
      await book.reopen()
      await book.add('a-1', event())
      const rows = await book.assertSound()
      assert.equal(rows.at(-1)?.recordedAtMs, startMs + 259_200_000)
    },
  },
]

function kindOf(outcome: AppendOutcome): AppendOutcome['kind'] {
  return outcome.kind
}

/** What an append writes, and that it is all or nothing. */
export const appending: ConformanceGroup = {
  name: 'append',
  cases: [
    {
      name: 'an empty log has head 0, a chain hash of zeros and no rows',
      run: async (book) => {
        const head = await book.log.head()
        assert.deepEqual([head.position, head.recordedAtMs], [0, 0])
        assert.deepEqual([...head.chainHash], Array(32).fill(0))
        assert.deepEqual((await book.readLog()).rows, [])
        assert.deepEqual(await book.log.readHashes(0, 10), [])
      },
    },
    {
      name: 'positions and versions begin at 1 and have no gaps',
      run: async (book) => {
        for (const stream of ['a-1', 'b-1', 'a-1', 'a-1', 'b-1']) await book.add(stream, event(), event())
        const rows = await book.assertSound()
        assert.deepEqual(positions(rows), range(1, 10))
        const versions = rows.filter((row) => row.stream === 'a-1').map((row) => row.version)
        assert.deepEqual(versions, range(1, 6))
      },
    },
    {
      name: 'the answer to an append is what is read afterwards',
      run: async (book) => {
        await book.add('a-1', event())
        const request = book.request(
          [
            { stream: 'a-1', events: [event('Opened', { n: 1 }, 't:1')] },
            { stream: 'b-1', events: [{ ...event('Moved', { n: 2 }), schemaVersion: 3 }] },
          ],
          { actor: 'me' },
        )
        const [outcome] = await book.log.append([request])
        const rows = acceptedRows(outcome)
        assert.equal(outcome?.kind === 'appended' && outcome.head, 3)
        const read = await book.readThrough({ afterPosition: 1 })
        assert.deepEqual(rows.map(fieldsOf), read.map(fieldsOf))
        assert.deepEqual(
          read.map((row) => [row.stream, row.version, row.type, row.schemaVersion, row.data, row.tags]),
          [
            ['a-1', 2, 'Opened', 1, '{"n":1}', '["t:1"]'],
            ['b-1', 1, 'Moved', 3, '{"n":2}', '[]'],
          ],
        )
        assert.deepEqual(
          read.map((row) => row.id),
          request.events.map(({ id }) => id),
        )
      },
    },
    {
      name: 'an append to several streams writes all of them or none',
      run: async (book) => {
        await book.add('b-1', event())
        const half = [one('a-1', 'none'), one('b-1', 'none'), one('c-1', 'none')]
        await book.refuse(book.request(half), 'CONCURRENCY_CONFLICT')
        assert.deepEqual((await book.readStream('a-1')).rows, [])
        assert.deepEqual((await book.readStream('c-1')).rows, [])
        await book.accept(book.request([one('a-1', 'none'), one('b-1', 1), one('c-1', 'none')]))
        assert.deepEqual(
          (await book.assertSound()).map((row) => row.stream),
          ['b-1', 'a-1', 'b-1', 'c-1'],
        )
      },
    },
    {
      name: 'events of several streams keep the order in which they are given',
      run: async (book) => {
        const request = book.request([
          { stream: 'a-1', events: [event('A1'), event('A2')] },
          { stream: 'b-1', events: [event('B1'), event('B2')] },
        ])
        const order = [2, 0, 3, 1].map((index) => request.events[index] ?? assert.fail())
        await book.accept({ ...request, events: order })
        const rows = await book.assertSound()
        assert.deepEqual(
          rows.map((row) => `${row.type} ${row.stream} ${row.version}`),
          ['B1 b-1 1', 'A1 a-1 1', 'B2 b-1 2', 'A2 a-1 2'],
        )
      },
    },
    {
      name: 'a batch may hold many requests for one stream, numbered in turn',
      run: async (book) => {
        await book.add('a-1', event())
        const requests = range(1, 100).map((version) => book.request(one('a-1', version)))
        const outcomes = await book.log.append(requests)
        assert.deepEqual(
          outcomes.map((outcome) => acceptedRows(outcome)[0]?.version),
          range(2, 101),
        )
        assert.equal((await book.assertSound()).length, 101)
      },
    },
    {
      name: 'each request of a batch is accepted or refused alone',
      run: async (book) => {
        const outcomes = await book.log.append([
          book.request(one('a-1', 'none')),
          book.request([one('a-1', 'none'), one('b-1')]),
          book.request(one('a-1', 1)),
          book.request([one('c-1'), one('a-1', 1)]),
          book.request(one('b-1', 'none')),
        ])
        assert.deepEqual(outcomes.map(kindOf), ['appended', 'refused', 'appended', 'refused', 'appended'])
        refusal(outcomes[3], 'CONCURRENCY_CONFLICT')
        const rows = await book.assertSound()
        assert.deepEqual(
          rows.map((row) => row.stream),
          ['a-1', 'a-1', 'b-1'],
        )
      },
    },
    {
      name: 'an append without events is accepted and writes nothing, but its expectation counts',
      run: async (book) => {
        await book.add('a-1', event())
        const rows = await book.accept(book.request({ stream: 'a-1', expectedVersion: 1, events: [] }))
        assert.deepEqual(rows, [])
        await book.refuse(
          book.request({ stream: 'a-1', expectedVersion: 2, events: [] }),
          'CONCURRENCY_CONFLICT',
        )
        assert.deepEqual(await book.log.append([]), [])
        assert.equal((await book.assertSound()).length, 1)
      },
    },
    {
      name: 'an append may hold 1,000 events',
      run: async (book) => {
        const events = range(1, 1_000).map((n) => event('Counted', { n }))
        assert.equal((await book.add('a-1', ...events)).length, 1_000)
        const rows = await book.assertSound()
        assert.deepEqual(
          rows.map((row) => row.data),
          range(1, 1_000).map((n) => `{"n":${n}}`),
        )
      },
    },
    {
      name: 'when one request of a chain is refused, so are those after it, but not the others',
      run: async (book) => {
        const chain = Symbol('chain')
        const outcomes = await book.log.append([
          { ...book.request(one('a-1', 0)), chain },
          book.request(one('a-1', 1)),
          { ...book.request(one('a-1', 1)), chain },
          { ...book.request(one('a-1', 2)), chain },
          { ...book.request(one('a-1', 2)), chain: Symbol('another chain') },
        ])
        assert.deepEqual(outcomes.map(kindOf), ['appended', 'appended', 'refused', 'refused', 'appended'])
        refusal(outcomes[3], 'CONCURRENCY_CONFLICT')
        assert.equal((await book.assertSound()).length, 3)
      },
    },
    ...atOnce,
    ...clocks,
  ],
}
