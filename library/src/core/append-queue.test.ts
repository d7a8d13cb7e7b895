import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendOutcome } from './append-plan.ts'
import { AppendQueue, isStoreFault } from './append-queue.ts'
import type { AppendRequest } from './append-request.ts'
import { DaybookError } from './errors.ts'

function request(key: string, events = 1, bytes = 10): AppendRequest {
  const event = {
    stream: 'a-1',
    type: 'T',
    schemaVersion: 1,
    id: '',
    isIdGiven: false,
    data: '{}',
    metadata: '{}',
  }
  return {
    events: Array.from({ length: events }, () => ({ ...event, tags: [] })),
    expectations: [],
    conditions: [],
    key: { key, fingerprint: '' },
    bytes,
  }
}

/** A store that notes its batches; `fails` says which of them it refuses as a whole. */
function noting(fails: (keys: string) => unknown = () => undefined, bounds = { events: 10, bytes: 100 }) {
  const batches: string[] = []
  let head = 0
  const queue = new AppendQueue(
    {
      commit: async (requests) => {
        const keys = requests.map(({ key }) => key?.key).join('')
        batches.push(keys)
        const error = fails(keys)
        if (error !== undefined) throw error
        return requests.map((): AppendOutcome => ({ kind: 'appended', rows: [], head: ++head }))
      },
      nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
    },
    bounds,
  )
  return { queue, batches }
}

test('appends that start together share a transaction, in their order; later ones share the next', async () => {
  const { queue, batches } = noting()
  const first = [queue.append(request('a')), queue.append(request('b'))]
  await Promise.all(first)
  await Promise.all([queue.append(request('c')), queue.append(request('d'))])
  assert.deepEqual(batches, ['ab', 'cd'])
})

test('a batch is bounded by events and bytes; a larger request goes alone', async () => {
  const { queue, batches } = noting()
  const sizes = [
    ['a', 6, 10],
    ['b', 4, 10],
    ['c', 1, 10],
    ['d', 1, 95],
    ['e', 500, 10],
    ['f', 1, 10],
  ] as const
  await Promise.all(sizes.map(([key, events, bytes]) => queue.append(request(key, events, bytes))))
  assert.deepEqual(batches, ['ab', 'c', 'd', 'e', 'f'])
})

test('requests given together stay in one transaction and get their own outcomes', async () => {
  const { queue, batches } = noting()
  const [together, alone] = await Promise.all([
    queue.appendTogether([request('a', 8), request('b', 8)]),
    queue.append(request('c')),
  ])
  assert.deepEqual(batches, ['ab', 'c'])
  assert.deepEqual(
    [...together, alone].map((outcome) => outcome.kind === 'appended' && outcome.head),
    [1, 2, 3],
  )
})

test('when what one request carries fails the batch, each is tried alone', async () => {
  const { queue, batches } = noting((keys) => (keys.includes('b') ? new Error('poison') : undefined))
  const settled = await Promise.allSettled(['a', 'b', 'c'].map((key) => queue.append(request(key))))
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(batches, ['abc', 'a', 'b', 'c'])
})

test('a fault of the store fails the batch at once, and the next batch is tried again', async () => {
  let isFull = true
  const { queue, batches } = noting(() => (isFull ? new DaybookError('STORE_FULL', 'full') : undefined))
  const settled = await Promise.allSettled(['a', 'b'].map((key) => queue.append(request(key))))
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  isFull = false
  await queue.append(request('c'))
  assert.deepEqual(batches, ['ab', 'c'])
  assert.equal(isStoreFault(new DaybookError('STORE_BUSY', 'busy')), true)
  assert.equal(isStoreFault(new DaybookError('PROJECTION_FAILED', 'no')), false)
})

/** A store that lets the next batch begin at once, and answers the oldest when it is told to. */
function overlapping() {
  const batches: string[] = []
  const answers: (() => void)[] = []
  const queue = new AppendQueue(
    {
      commit: async (requests, next) => {
        batches.push(requests.map(({ key }) => key?.key).join(''))
        next?.()
        await new Promise<void>((resolve) => answers.push(resolve))
        return requests.map((): AppendOutcome => ({ kind: 'appended', rows: [], head: 0 }))
      },
      nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
    },
    { events: 100, bytes: 10_000 },
  )
  const append = (keys: string): Promise<unknown> =>
    Promise.all(keys.split('').map((key) => queue.append(request(key))))
  const given = async (count: number): Promise<readonly string[]> => {
    while (batches.length < count) await new Promise((resolve) => setImmediate(resolve))
    return batches
  }
  return { append, given, answer: () => answers.shift()?.() }
}

test('a batch is given while the one before is not answered, if the store asks for it', async () => {
  const { append, given, answer } = overlapping()
  const first = append('ab')
  await given(1)
  const second = append('cd')
  assert.deepEqual(await given(2), ['ab', 'cd'])
  answer()
  await first
  answer()
  await second
})

test('many that wait while nothing is under way go in two groups, where batches overlap', async () => {
  const { append, given, answer } = overlapping()
  const first = append('a')
  await given(1)
  answer()
  await first
  const many = append('abcdefghijklmnopq')
  assert.deepEqual(await given(3), ['a', 'abcdefghi', 'jklmnopq'])
  answer()
  answer()
  await many
})
