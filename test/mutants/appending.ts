/** Stores that do not append as they should. */

import type { AppendRequest } from '../../library/src/core/append-request.ts'
import { conflictOf, type ExpectedVersion } from '../../library/src/core/expected-version.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { memory } from '../../library/src/memory/index.ts'
import {
  alteredStore,
  brokenLog,
  brokenRequests,
  brokenRows,
  delegating,
  type Mutant,
  oneByOne,
  versionOf,
} from './altered-store.ts'

const truthTable = 'every expectation is met by the right versions, one append at a time'

function expecting(
  request: AppendRequest,
  change: (expected: ExpectedVersion, stream: string, index: number) => ExpectedVersion,
): AppendRequest {
  const expectations = request.expectations.map(({ stream, expected }, index) => ({
    stream,
    expected: change(expected, stream, index),
  }))
  return { ...request, expectations }
}

const versions: readonly Mutant[] = [
  brokenRequests('no expected version is checked', truthTable, (request) => expecting(request, () => 'any')),
  brokenRequests("'none' is not checked", truthTable, (request) =>
    expecting(request, (expected) => (expected === 'none' ? 'any' : expected)),
  ),
  brokenRequests("'exists' is taken for 'any'", truthTable, (request) =>
    expecting(request, (expected) => (expected === 'exists' ? 'any' : expected)),
  ),
  brokenRequests('expected version 0 is taken for false', truthTable, (request) =>
    expecting(request, (expected) => expected || 'any'),
  ),
  brokenLog('a stream may be one version further than expected', truthTable, (log) => ({
    append: async (requests, inline) => {
      const eased: AppendRequest[] = []
      for (const request of requests) {
        const held = new Map<string, number>()
        for (const { stream } of request.expectations) held.set(stream, await versionOf(log, stream))
        eased.push(
          expecting(request, (expected, stream) =>
            typeof expected === 'number' && held.get(stream) === expected + 1 ? 'any' : expected,
          ),
        )
      }
      return log.append(eased, inline)
    },
  })),
  brokenRequests(
    'only the first stream of an append is checked',
    'an append to several streams writes all of them or none',
    (request) => expecting(request, (expected, _stream, index) => (index === 0 ? expected : 'any')),
  ),
  brokenRequests(
    'streams that get no events are not checked',
    'an expectation about a stream that gets no events guards the append',
    (request) => {
      const written = new Set(request.events.map(({ stream }) => stream))
      return expecting(request, (expected, stream) => (written.has(stream) ? expected : 'any'))
    },
  ),
  brokenLog(
    'the version is checked before the lock is taken',
    'of many appends at one version at once exactly one wins',
    (log) => ({
      append: async (requests, inline) => {
        for (const { stream, expected } of requests.flatMap((request) => request.expectations)) {
          const error = conflictOf(stream, expected, await versionOf(log, stream))
          if (error !== undefined) return requests.map(() => ({ kind: 'refused', error }))
        }
        return log.append(
          requests.map((request) => expecting(request, () => 'any')),
          inline,
        )
      },
    }),
  ),
]

const batches: readonly Mutant[] = [
  brokenLog(
    'half of a refused append is kept',
    'an append to several streams writes all of them or none',
    (log) => ({
      append: async (requests, inline) => {
        const outcomes = await log.append(requests, inline)
        for (const [index, outcome] of outcomes.entries()) {
          const events = requests[index]?.events.slice(0, 1) ?? []
          if (outcome.kind !== 'refused' || events.length === 0) continue
          await log.append([{ events, expectations: [], conditions: [], key: undefined, bytes: 0 }])
        }
        return outcomes
      },
    }),
  ),
  brokenLog(
    'one refused request takes the rest of its batch along',
    'each request of a batch is accepted or refused alone',
    (log) => ({
      append: (requests) =>
        oneByOne(
          log,
          requests,
          (request, answers) => answers.find(({ kind }) => kind === 'refused') ?? request,
        ),
    }),
  ),
  brokenRequests(
    'the events of an append are sorted by stream',
    'events of several streams keep the order in which they are given',
    (request) => ({
      ...request,
      events: request.events.toSorted((one, other) => (one.stream < other.stream ? -1 : 1)),
    }),
  ),
  brokenRequests(
    'chains of requests are not known',
    'when one request of a chain is refused, so are those after it, but not the others',
    ({ events, expectations, conditions, key, bytes }) => ({ events, expectations, conditions, key, bytes }),
  ),
  brokenRequests('ids are not compared with the log', 'an id that the log holds is refused', (request) => ({
    ...request,
    events: request.events.map((event) => ({ ...event, isIdGiven: false })),
  })),
]

const rows: readonly Mutant[] = [
  brokenRows(
    'the recorded time is the clock, wherever it jumps',
    'the recorded time never decreases, though the clock jumps back',
    (host) => {
      const times = new Map<number, number>()
      return (row) => {
        if (!times.has(row.position)) times.set(row.position, host.now())
        return { ...row, recordedAtMs: times.get(row.position) ?? 0 }
      }
    },
  ),
  brokenRows('positions have a gap', 'positions and versions begin at 1 and have no gaps', () => (row) => ({
    ...row,
    position: row.position > 3 ? row.position + 1 : row.position,
  })),
  brokenRows('versions begin at 0', 'positions and versions begin at 1 and have no gaps', () => (row) => ({
    ...row,
    version: row.version - 1,
  })),
]

/** Keeps what was appended, and fills a new book with all but the last of it each time that it is opened. */
function forgetful(): Mutant {
  const factory: Mutant['factory'] = () => {
    let batches: (readonly AppendRequest[])[] = []
    let current = memory()
    const refill = async (): Promise<void> => {
      current = memory()
      const { log } = await current.open(nodeHost())
      batches = batches.slice(0, -1)
      for (const batch of batches) await log.append(batch)
    }
    const store = {
      name: 'memory:',
      open: async (host: Parameters<typeof current.open>[0]) => {
        const opened = await current.open(host)
        const log = delegating(opened.log)
        const append: typeof log.append = (requests, inline) => {
          batches.push(requests)
          return log.append(requests, inline)
        }
        return { ...opened, log: { ...log, append }, close: refill }
      },
    }
    return { store }
  }
  return {
    name: 'the last append before closing is lost',
    caughtBy: 'a book that is opened again holds everything',
    factory,
  }
}

const openings: readonly Mutant[] = [
  forgetful(),
  {
    name: 'a book gets a new identity each time that it is opened',
    caughtBy: 'a book keeps its identity',
    factory: () => ({
      store: alteredStore(memory(), (opened, host) => ({
        ...opened,
        identity: { ...opened.identity, bookId: host.newId() },
      })),
    }),
  },
  brokenLog('each opening has a head of its own', 'a book opened twice has one log', (log) => {
    let head = log.head()
    return {
      head: () => head,
      append: async (requests, inline) => {
        const outcomes = await log.append(requests, inline)
        head = log.head()
        return outcomes
      },
    }
  }),
]

export const appendingMutants: readonly Mutant[] = [...versions, ...batches, ...rows, ...openings]
