import assert from 'node:assert/strict'
import type { AppendRequest } from '../../core/append-request.ts'
import { defaultLimits, maxDepth } from '../../core/limits.ts'
import type { EventRow } from '../../core/row-hash.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, fieldsOf, range, rawRequest } from './context.ts'

const id = (n: number): string => `01890a5d-ac96-774b-bcce-${n.toString(16).padStart(12, '0')}`

/** Legal JSON that a store which parses and prints again would change. */
export const texts: readonly string[] = [
  '{"b":1,"a":2,"10":3,"9":4}',
  '{"a":1,"a":2}',
  '{ "spaced" : [ 1 , 2 ] }\n',
  '{"number":1.0,"big":12345678901234567890,"exponent":1E+2,"tiny":5e-324,"minus":-0,"zero":-0.0}',
  '{"escaped":"\\u0041\\/\\u00e9"}',
  '{"nul":"\\u0000 in \\u0000 the middle","high":"\\ud800","low":"\\udc00","turned":"\\udc00\\ud800"}',
  '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"":0}',
  '{"date":"2026-01-01T00:00:00.000Z","almost":"2026-13-45","number":"007","bool":"true"}',
  '{"text":"žluťoučký 🦉 \u2028\u2029\u200b\ufeff e\u0301 \u00e9 👩‍👩‍👧"}',
  '{"quote":"\'; DROP TABLE event; --","percent":"%s %_ \\\\ $1 ?1"}',
]

/** Values that come to the store through the checks of a book. */
const values: readonly object[] = [
  { minus: -0, zero: 0, list: [-0, 0.1, 5e-324, Number.MAX_SAFE_INTEGER] },
  JSON.parse('{"__proto__":{"isAdmin":true},"toString":"x"}'),
  { nul: 'a\u0000b', lone: '\ud800', pair: '🦉', reversed: '\udc00\ud800' },
  { '': '', ' ': null, ключ: [], '\u0000': {} },
]

/** The rows must hold the texts of the request, and read the same everywhere, also after reopening. */
async function assertBytes(
  book: ConformanceContext,
  request: AppendRequest,
  appended: readonly EventRow[],
): Promise<void> {
  for (const [index, { data, metadata, tags }] of request.events.entries()) {
    const row = appended[index]
    assert.ok(row?.data === data, `data of event ${index} was changed`)
    assert.ok(row.metadata === metadata, `metadata of event ${index} was changed`)
    assert.equal(row.tags, JSON.stringify(tags))
  }
  const wanted = appended.map(fieldsOf)
  for (const _ of ['as opened', 'reopened']) {
    assert.deepEqual((await book.readThrough()).map(fieldsOf), wanted)
    assert.deepEqual((await book.readStream('thing-1')).rows.map(fieldsOf), wanted)
    await book.reopen()
  }
}

const sizes: readonly ConformanceCase[] = [
  {
    name: 'data may be nested to the limit',
    run: async (book) => {
      const arrays = { deep: JSON.parse('['.repeat(maxDepth - 1) + ']'.repeat(maxDepth - 1)) }
      let objects: object = {}
      for (const _ of range(2, maxDepth)) objects = { in: objects }
      const events = [event('Deep', arrays), event('Deep', objects)]
      const request = book.request({ stream: 'thing-1', events })
      const rows = await book.accept(request)
      assert.deepEqual(
        rows.map((row) => JSON.parse(row.data)),
        [arrays, objects],
      )
      await assertBytes(book, request, rows)
    },
  },
  {
    name: 'an event may have as many bytes as the limit allows',
    run: async (book) => {
      // Two bytes in UTF-8 and one UTF-16 unit each, so that counting the wrong thing shows.
      const around = '{"text":""}'.length + '{"correlationId":"c"}'.length
      const bytes = defaultLimits.eventBytes - around
      const data = { text: 'é'.repeat(Math.floor(bytes / 2)) + 'x'.repeat(bytes % 2) }
      const request = book.request(
        { stream: 'thing-1', events: [event('Large', data)] },
        { correlationId: 'c' },
      )
      assert.equal(request.bytes, defaultLimits.eventBytes)
      await assertBytes(book, request, await book.accept(request))
    },
  },
  {
    name: 'metadata comes back byte for byte, however large',
    run: async (book) => {
      const metadata = { note: 'ž'.repeat(10_000), minus: -0, nested: { list: [1, 'two', null] } }
      const events = [event('Noted')]
      const request = book.request({ stream: 'thing-1', events }, { actor: 'me', reason: '🦉', metadata })
      await assertBytes(book, request, await book.accept(request))
    },
  },
]

/** What is read is what was written, byte for byte. */
export const bytes: ConformanceGroup = {
  name: 'bytes',
  cases: [
    {
      name: 'data text comes back byte for byte',
      run: async (book) => {
        const events = texts.map((data, n) => ({ id: id(n), data, type: `T${n}` }))
        const request = rawRequest(...events)
        await assertBytes(book, request, await book.accept(request))
      },
    },
    {
      name: 'metadata text comes back byte for byte',
      run: async (book) => {
        const request = rawRequest(...texts.map((metadata, n) => ({ id: id(n), metadata })))
        await assertBytes(book, request, await book.accept(request))
      },
    },
    {
      name: 'values come back as they are: minus zero, __proto__, NUL, lone surrogates',
      run: async (book) => {
        const events = values.map((value) => event('Odd', value))
        const request = book.request({ stream: 'thing-1', events })
        await assertBytes(book, request, await book.accept(request))
        for (const [index, row] of (await book.readThrough()).entries()) {
          // Strict equality tells minus zero from zero, and an own __proto__ from a prototype.
          assert.deepStrictEqual(JSON.parse(row.data), values[index])
        }
      },
    },
    {
      name: 'tags come back sorted and each once, with any Unicode',
      run: async (book) => {
        const given = ['z', 'a', 'ž', '🦉', 'a', "it's", '"', '%', '\\', ' a']
        const request = book.request({ stream: 'thing-1', events: [event('Tagged', {}, ...given)] })
        const rows = await book.accept(request)
        const sorted = [...new Set(given)].sort()
        assert.equal(rows[0]?.tags, JSON.stringify(sorted))
        await assertBytes(book, request, rows)
        for (const tag of sorted) {
          assert.equal((await book.readThrough({ items: [{ tags: [tag] }] })).length, 1, tag)
        }
      },
    },
    {
      name: 'an event may carry 64 tags of 255 bytes, a type and a stream name of 255',
      run: async (book) => {
        const given = range(1, 64).map((n) => `${n}:`.padEnd(255, 't'))
        const rows = await book.add(`s-${'s'.repeat(253)}`, event('T'.repeat(255), {}, ...given))
        const [read] = await book.readThrough({ items: [{ tags: given }] })
        assert.deepEqual(read && fieldsOf(read), rows[0] && fieldsOf(rows[0]))
      },
    },
    ...sizes,
  ],
}
