/** Histories of every kind of append, legal ones and others, that any store must answer in the same way. */
import { hash } from 'node:crypto'
import fc from 'fast-check'
import {
  type AppendRequest,
  prepareAppend,
  type StreamAppend,
} from '../../library/src/core/append-request.ts'
import type { ExpectedVersion } from '../../library/src/core/expected-version.ts'
import { defaultLimits } from '../../library/src/core/limits.ts'
import type { Host } from '../../library/src/core/ports/host.ts'

/** One append, as it is tried. */
export interface Attempt {
  /** How far the clock went since the one before, in ms; it may go backwards. */
  readonly passedMs: number
  readonly writes: readonly StreamAppend[]
  readonly key: string | undefined
  readonly actor: string | undefined
  readonly metadata: { readonly [key: string]: string | number }
  readonly unless: { readonly tags: readonly string[]; readonly after: number } | undefined
}

// Few names, so that streams, keys and conditions meet.
const streams = fc.constantFrom('a-1', 'a-2', 'A-1', 'ž-é', 'ž-e\u0301', '🦉-1', 'a-%')
const tags = fc.constantFrom('red', 'Red', 'ž', '🦉', "it's", '{"x"}', ' a')
const keys = fc.constantFrom('k', 'K', 'ž', 'other')
const types = fc.constantFrom('Opened', 'Přejmenováno', '🦉')

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('\u0000', '\ud800', '2026-01-01T00:00:00.000Z', '"\\\b\f\n\r\t', "'; DROP TABLE event; --"),
)
const numbers = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -0, 0.1 + 0.2, 5e-324, 1e-7, 2 ** 53 - 1))
const data = fc.dictionary(
  fc.oneof(texts, fc.constantFrom('__proto__', 'b', 'a', '10', '9', '')),
  fc.oneof(texts, numbers, fc.boolean(), fc.constant(null), fc.array(numbers, { maxLength: 3 })),
  { maxKeys: 5, noNullPrototype: true },
)

const expected: fc.Arbitrary<ExpectedVersion> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<ExpectedVersion>('any') },
  { weight: 2, arbitrary: fc.constantFrom<ExpectedVersion>('none', 'exists') },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 4 }) },
)

const write: fc.Arbitrary<StreamAppend> = fc.record({
  stream: streams,
  expectedVersion: expected,
  events: fc.array(
    fc.record({
      type: types,
      data,
      tags: fc.array(tags, { maxLength: 3 }),
      schemaVersion: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 3 },
  ),
})

function sometimes<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })
}

const attempt: fc.Arbitrary<Attempt> = fc.record({
  passedMs: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.constant(-3_600_000)),
  writes: fc.uniqueArray(write, { minLength: 1, maxLength: 3, selector: ({ stream }) => stream }),
  key: sometimes(keys),
  actor: fc.option(fc.constantFrom('teller-7', 'ž'), { nil: undefined }),
  metadata: fc.dictionary(fc.constantFrom('note', 'reference', '🦉'), fc.oneof(texts, numbers), {
    maxKeys: 2,
    noNullPrototype: true,
  }),
  unless: sometimes(
    fc.record({
      tags: fc.array(tags, { minLength: 1, maxLength: 2 }),
      after: fc.integer({ min: 0, max: 12 }),
    }),
  ),
})

/** Batches of attempts; each batch is one transaction. */
export const history: fc.Arbitrary<readonly (readonly Attempt[])[]> = fc.array(
  fc.array(attempt, { minLength: 1, maxLength: 4 }),
  { minLength: 3, maxLength: 12 },
)

/** The request that a book would make of an attempt. */
export function requestOf({ writes, key, actor, metadata, unless }: Attempt, host: Host): AppendRequest {
  const options = {
    idempotencyKey: key,
    metadata,
    ...(actor === undefined ? {} : { actor }),
    ...(unless === undefined ? {} : { unless: { query: { tags: unless.tags }, after: unless.after } }),
  }
  return prepareAppend(writes, options, {
    limits: defaultLimits,
    newId: () => host.newId(),
    fingerprint: (text) => hash('sha256', text),
    validate: (_stream, event) => ({
      data: event.data,
      tags: event.tags ?? [],
      schemaVersion: event.schemaVersion ?? 1,
    }),
  })
}
