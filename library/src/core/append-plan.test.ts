import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { type AppendOutcome, type AppendPlan, type HeldFacts, needsOf, planAppend } from './append-plan.ts'
import { type AppendOptions, prepareAppend, type StreamAppend } from './append-request.ts'
import { defaultLimits, maxPosition } from './limits.ts'
import { genesisHash, RowHasher } from './row-hash.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')
let ids = 0
const preparation = {
  limits: defaultLimits,
  newId: () => `00000000-0000-7000-8000-${String(++ids).padStart(12, '0')}`,
  fingerprint: (text: string) => text,
  validate: (_stream: string, { data, tags = [] }: StreamAppend['events'][number]) => ({
    data,
    schemaVersion: 1,
    tags,
  }),
}

const empty: HeldFacts = {
  head: { position: 0, recordedAtMs: 0, chainHash: genesisHash },
  versions: new Map(),
  keys: new Map(),
  ids: new Set(),
  matches: [],
}

const moved = (stream: string, expectedVersion: StreamAppend['expectedVersion'] = 'any', tag = 'red') => ({
  stream,
  expectedVersion,
  events: [{ type: 'Moved', data: {}, tags: [tag] }],
})

type Request = ReturnType<typeof prepareAppend>

function request(write: StreamAppend, options: AppendOptions = {}, chain?: symbol): Request {
  const made = prepareAppend([write], options, preparation)
  return chain === undefined ? made : { ...made, chain }
}

function plan(requests: readonly Request[], facts: Partial<HeldFacts> = {}, nowMs = 1_000): AppendPlan {
  const matches = requests.flatMap(({ conditions }) => conditions.map(() => undefined))
  return planAppend({ ...empty, matches, ...facts }, requests, nowMs, new RowHasher(sha256))
}

function verdicts({ outcomes }: AppendPlan): readonly string[] {
  return outcomes.map((outcome: AppendOutcome) =>
    outcome.kind === 'refused' ? outcome.error.code : outcome.kind,
  )
}

test('requests of one batch see those accepted before them, and stand or fall alone', () => {
  const made = plan([
    request(moved('a-1', 'none')),
    request(moved('a-1', 'none')),
    request(moved('a-1', 1)),
    request(moved('b-1', 'exists')),
    request(moved('b-1', 0)),
  ])
  assert.deepEqual(verdicts(made), [
    'appended',
    'CONCURRENCY_CONFLICT',
    'appended',
    'CONCURRENCY_CONFLICT',
    'appended',
  ])
  assert.deepEqual(
    made.rows.map(({ position, stream, version }) => [position, stream, version]),
    [
      [1, 'a-1', 1],
      [2, 'a-1', 2],
      [3, 'b-1', 1],
    ],
  )
  assert.equal(made.head.position, 3)
})

test('when one of a chain is not appended, the rest of that chain is refused, and no other request', () => {
  const lane = Symbol('lane')
  const other = Symbol('other')
  const made = plan([
    request(moved('a-1', 0), {}, lane),
    request(moved('a-1', 9), {}, lane),
    // Its version matches, but it was decided on an event that is not there.
    request(moved('a-1', 1), {}, lane),
    request(moved('a-1', 1), {}, other),
    request(moved('a-1', 2), {}, other),
    request(moved('c-1')),
  ])
  const conflict = 'CONCURRENCY_CONFLICT'
  assert.deepEqual(verdicts(made), ['appended', conflict, conflict, 'appended', 'appended', 'appended'])
})

test('a repeat breaks its chain, too', () => {
  const lane = Symbol('lane')
  const keyed = (): Request => request(moved('a-1', 0), { idempotencyKey: 'k' }, lane)
  const made = plan([
    request(moved('a-1', 0), { idempotencyKey: 'k' }),
    keyed(),
    request(moved('a-1', 1), {}, lane),
  ])
  assert.deepEqual(verdicts(made), ['appended', 'repeated', 'CONCURRENCY_CONFLICT'])
})

test('the same key in one batch has one effect; with other content it is refused', () => {
  const made = plan([
    request(moved('a-1'), { idempotencyKey: 'k' }),
    request(moved('a-1'), { idempotencyKey: 'k' }),
    request(moved('a-2'), { idempotencyKey: 'k' }),
  ])
  assert.deepEqual(verdicts(made), ['appended', 'repeated', 'IDEMPOTENCY_KEY_REUSED'])
  assert.deepEqual(made.keys, [
    { key: 'k', fingerprint: made.keys[0]?.fingerprint, firstPosition: 1, eventCount: 1 },
  ])
})

test('a refused request uses up neither its key nor a position', () => {
  const made = plan([
    request(moved('a-1', 5), { idempotencyKey: 'k' }),
    request(moved('a-1', 0), { idempotencyKey: 'k' }),
  ])
  assert.deepEqual(verdicts(made), ['CONCURRENCY_CONFLICT', 'appended'])
  assert.equal(made.rows[0]?.position, 1)
})

test('a condition counts what the log holds and what the batch has accepted, after its position', () => {
  const red = { unless: { query: { tags: ['red'] }, after: 0 } }
  const later = { unless: { query: { tags: ['red'] }, after: 1 } }
  assert.deepEqual(verdicts(plan([request(moved('a-1'), red), request(moved('a-2'), red)])), [
    'appended',
    'CONDITION_FAILED',
  ])
  assert.deepEqual(verdicts(plan([request(moved('a-1')), request(moved('a-2'), later)])), [
    'appended',
    'appended',
  ])
  assert.deepEqual(verdicts(plan([request(moved('a-1'), red)], { matches: [7] })), ['CONDITION_FAILED'])
})

test('conditions stay with their request when an earlier one is refused or repeated', () => {
  const lane = Symbol('lane')
  const guarded = (after: number): AppendOptions => ({ unless: { query: { tags: ['green'] }, after } })
  const made = plan(
    [
      request(moved('a-1', 9), guarded(0), lane),
      request(moved('a-1'), guarded(0), lane),
      request(moved('b-1'), guarded(0)),
      request(moved('c-1'), guarded(0)),
    ],
    { matches: [undefined, undefined, 3, undefined] },
  )
  assert.deepEqual(verdicts(made).slice(2), ['CONDITION_FAILED', 'appended'])
})

test('an id that is in the log, in the batch or twice in one append is refused', () => {
  const id = '00000000-0000-7000-8000-00000000abcd'
  const given = (stream: string): StreamAppend => ({ stream, events: [{ type: 'Moved', data: {}, id }] })
  const twice = { stream: 'a-1', events: [...given('a-1').events, ...given('a-1').events] }
  const duplicate = 'DUPLICATE_EVENT_ID'
  assert.deepEqual(verdicts(plan([request(given('a-1'))], { ids: new Set([id]) })), [duplicate])
  assert.deepEqual(verdicts(plan([request(given('a-1')), request(given('b-1'))])), ['appended', duplicate])
  assert.deepEqual(verdicts(plan([request(twice)])), [duplicate])
})

test('recorded time never goes back, and the log ends at the last exact integer', () => {
  const head = { position: 4, recordedAtMs: 5_000, chainHash: genesisHash }
  assert.equal(plan([request(moved('a-1'))], { head }, 1_000).rows[0]?.recordedAtMs, 5_000)
  assert.equal(plan([request(moved('a-1'))], { head }, 9_000).rows[0]?.recordedAtMs, 9_000)
  const full = { ...head, position: maxPosition - 1 }
  const made = plan([request(moved('a-1')), request(moved('a-1'))], { head: full })
  assert.deepEqual(verdicts(made), ['appended', 'EVENT_CAPACITY_REACHED'])
})

test('what must be looked up is named once', () => {
  const unless = { query: { types: ['Moved'] }, after: 3 }
  const needs = needsOf([
    request(moved('a-1'), { idempotencyKey: 'k', unless }),
    request(moved('a-1'), { idempotencyKey: 'k' }),
    request(moved('b-1')),
  ])
  assert.deepEqual(needs, {
    streams: ['a-1', 'b-1'],
    keys: ['k'],
    ids: [],
    conditions: [{ items: [{ types: ['Moved'] }], after: 3 }],
  })
})
