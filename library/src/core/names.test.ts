import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  categoryOf,
  legalCategory,
  legalName,
  legalStream,
  streamIdOf,
  streamName,
  utf8Length,
} from './names.ts'

test('a name is 1 to 255 bytes of well-formed Unicode without control characters', () => {
  for (const name of ['a', ' ', '%', '_', 'žluťoučký', '日本', '😀', 'a'.repeat(255), '€'.repeat(85)]) {
    assert.equal(legalName('tag', name), name)
  }
  const illegal = [
    '',
    'a'.repeat(256),
    '€'.repeat(86),
    'a\u0000',
    'a\nb',
    '\u007f',
    '\ud800',
    'a\udc00b',
    1,
    null,
  ]
  for (const name of illegal) {
    assert.throws(() => legalName('tag', name), { code: 'ILLEGAL_NAME' }, JSON.stringify(name))
  }
})

test('a stream is category-id; only the first hyphen separates', () => {
  assert.equal(legalStream('account-42'), 'account-42')
  assert.equal(categoryOf('account-4-2'), 'account')
  assert.equal(streamIdOf('account-4-2'), '4-2')
  assert.equal(streamIdOf('account--2'), '-2')
  for (const stream of ['account', '-42', 'account-', '-', '']) {
    assert.throws(() => legalStream(stream), { code: 'ILLEGAL_NAME' }, stream)
  }
})

test('the stream of a subject is made of a category without a hyphen and any id', () => {
  assert.equal(streamName('account', '4-2'), 'account-4-2')
  assert.throws(() => streamName('account', ''), { code: 'ILLEGAL_NAME' })
  assert.throws(() => streamName('account', JSON.parse('42')), { code: 'ILLEGAL_NAME' })
  assert.throws(() => legalCategory('bank-account'), { code: 'ILLEGAL_NAME' })
})

test('the length in UTF-8 is that of the encoder, lone surrogates included', () => {
  const encoder = new TextEncoder()
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => utf8Length(text) === encoder.encode(text).length),
    { numRuns: 1_000 },
  )
  for (const text of ['\ud800', '\udc00\ud800', 'a\ud83d', '\ud83d\ude00']) {
    assert.equal(utf8Length(text), encoder.encode(text).length)
  }
})
