import assert from 'node:assert/strict'
import { test } from 'node:test'
import { legalInstant, metadataFrom } from './metadata.ts'

test('named options win over free keys, and a cause gives causation and correlation', () => {
  const cause = { id: 'event-2', metadata: { correlationId: 'request-1' } }
  assert.deepEqual(metadataFrom({ actor: 'teller', metadata: { actor: 'other', branch: 7 } }), {
    actor: 'teller',
    branch: 7,
  })
  assert.deepEqual(metadataFrom({ causedBy: cause }), { causationId: 'event-2', correlationId: 'request-1' })
  assert.deepEqual(metadataFrom({ causedBy: { id: 'event-1', metadata: {} } }), {
    causationId: 'event-1',
    correlationId: 'event-1',
  })
  assert.deepEqual(metadataFrom({ causedBy: cause, correlationId: 'mine' }), {
    causationId: 'event-2',
    correlationId: 'mine',
  })
  assert.deepEqual(metadataFrom({ actor: undefined }), {})
})

test('business time is kept as an instant in UTC', () => {
  assert.equal(metadataFrom({ occurredAt: '1993-12-31' }).occurredAt, '1993-12-31T00:00:00.000Z')
  assert.equal(legalInstant('atTime', '1993-12-31T23:59:59+02:00'), '1993-12-31T21:59:59.000Z')
  for (const illegal of [
    '',
    'today',
    '1993',
    '31.12.1993',
    '1993-13-01',
    '1993-12-31T10:00',
    '1993-12-31 10:00Z',
  ]) {
    assert.throws(() => legalInstant('atTime', illegal), { code: 'ILLEGAL_ARGUMENT' }, illegal)
  }
  assert.throws(() => metadataFrom({ metadata: { actor: 5 } }), { code: 'ILLEGAL_ARGUMENT' })
  assert.throws(() => metadataFrom({ metadata: { occurredAt: 'soon' } }), { code: 'ILLEGAL_ARGUMENT' })
})

test('a day that no calendar has is refused, not taken for another day', () => {
  for (const illegal of [
    '2024-02-30',
    '2023-02-29',
    '1900-02-29',
    '2024-04-31',
    '2024-02-30T12:00Z',
    '2024-02-30T23:59:59+02:00',
    '2024-00-10',
    '2024-01-00',
  ]) {
    assert.throws(() => metadataFrom({ occurredAt: illegal }), { code: 'ILLEGAL_ARGUMENT' }, illegal)
  }
  assert.equal(legalInstant('atTime', '2024-02-29'), '2024-02-29T00:00:00.000Z')
  assert.equal(legalInstant('atTime', '2000-02-29T23:30:00-01:00'), '2000-03-01T00:30:00.000Z')
})
