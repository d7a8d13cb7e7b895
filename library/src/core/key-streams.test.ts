import assert from 'node:assert/strict'
import { test } from 'node:test'
import { streamsOfKey } from './key-streams.ts'

interface Event {
  readonly stream: string
  readonly streamId: string
  readonly data: { readonly streamId: string }
}

function declared(event: Event): unknown {
  return event.stream
}

const other = { streamId: '7' }

test('a key that is the stream names it, one that is its id names one in each category', () => {
  const byStream: readonly ((event: Event) => unknown)[] = [
    (event) => event.stream,
    (e) => e.stream,
    ({ ...event }) => event.stream,
    (event: Event): unknown => event.stream,
    (event) => {
      return event.stream
    },
  ]
  for (const [nth, key] of byStream.entries()) {
    // A pattern in the place of the parameter is not read; nothing is claimed of it.
    const expected = nth === 2 ? undefined : ['account-42']
    assert.deepEqual(streamsOfKey(key, undefined)('account-42'), expected, String(key))
    assert.deepEqual(streamsOfKey(key, undefined)('no stream'), nth === 2 ? undefined : [])
  }
  const byId = streamsOfKey((event: Event) => event.streamId, ['account', 'loan'])
  assert.deepEqual(byId('4-2'), ['account-4-2', 'loan-4-2'])
  assert.deepEqual(byId(''), [])
  assert.equal(streamsOfKey((event: Event) => event.streamId, undefined)('42'), undefined)
})

test('of any other key nothing is claimed', () => {
  const keys: readonly ((event: Event) => unknown)[] = [
    (event) => event.data.streamId,
    (event) => event.stream.toLowerCase(),
    (event) => [event.stream],
    (_event) => other.streamId,
    (event) => (event.streamId === '' ? undefined : event.streamId),
    (event) => {
      if (event.stream === 'a-1') return undefined
      return event.stream
    },
    declared,
    ((event: Event) => event.stream).bind(undefined),
  ]
  for (const key of keys) assert.equal(streamsOfKey(key, ['account'])('account-42'), undefined, String(key))
  const lying = Object.assign((event: Event) => event.data.streamId, {
    toString: () => '(event) => event.stream',
  })
  assert.equal(streamsOfKey(lying, ['account'])('account-42'), undefined)
})
