import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeLegalData, encodeLegalObject } from './legal-data.ts'

test('whatever JSON can hold comes back the same, also lone surrogates, minus zero and __proto__ keys', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      if (!isLegal(value)) return
      assert.deepEqual(JSON.parse(encodeLegalData(value)), value)
    }),
    { numRuns: 500 },
  )
  const parsed: unknown = JSON.parse(encodeLegalData({ minusZero: -0, lone: '\ud800', nul: '\u0000' }))
  assert.deepEqual(parsed, { minusZero: -0, lone: '\ud800', nul: '\u0000' })
  const hostile = '{"__proto__":{"isAdmin":true},"constructor":1}'
  assert.equal(encodeLegalData(JSON.parse(hostile)), hostile)
})

function isLegal(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value)
  if (value === null || typeof value !== 'object') return true
  return Object.values(value).every(isLegal)
}

class Money {
  readonly cents = 1
}

class List extends Array<number> {}

const withSymbol = { [Symbol('hidden')]: 1 }
const withHidden: object = Object.defineProperty({}, 'hidden', { value: 1, enumerable: false })
const withName: number[] & { total?: number } = [1]
withName.total = 1
const holey: number[] = []
holey[2] = 1
const circular: { self?: unknown } = {}
circular.self = circular

const illegal: readonly (readonly [value: unknown, path: string])[] = [
  [undefined, 'data'],
  [{ a: undefined }, 'data.a'],
  [{ a: [1, { b: Number.NaN }] }, 'data.a[1].b'],
  [{ 'a b': Number.POSITIVE_INFINITY }, 'data["a b"]'],
  [[2 ** 53], 'data[0]'],
  [{ n: -(2 ** 53) }, 'data.n'],
  [{ big: 1n }, 'data.big'],
  [{ f: () => 1 }, 'data.f'],
  [{ s: Symbol('s') }, 'data.s'],
  [{ at: new Date(0) }, 'data.at'],
  [{ map: new Map() }, 'data.map'],
  [{ money: new Money() }, 'data.money'],
  [{ list: new List() }, 'data.list'],
  [{ list: withName }, 'data.list'],
  [{ list: holey }, 'data.list'],
  [{ inner: withSymbol }, 'data.inner'],
  [{ inner: withHidden }, 'data.inner'],
  [{ boxed: Object(1) }, 'data.boxed'],
  [{ toJSON: () => ({}) }, 'data.toJSON'],
]

test('what JSON would change or drop is refused with the path of the offender', () => {
  for (const [value, path] of illegal) {
    assert.throws(
      () => encodeLegalData(value),
      (error: { code?: string; facts?: { path?: string } }) => {
        assert.equal(error.code, 'ILLEGAL_DATA')
        assert.equal(error.facts?.path, path)
        return true
      },
    )
  }
})

test('nesting is allowed to 128 levels, and a circle is refused like anything deeper', () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])
  assert.equal(encodeLegalData(nested(128)).length, 257)
  assert.throws(() => encodeLegalData(nested(129)), { code: 'ILLEGAL_DATA' })
  assert.throws(() => encodeLegalData(circular), { code: 'ILLEGAL_DATA' })
})

test('numbers are kept exactly up to 2^53 − 1 and as fractions', () => {
  for (const value of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0.1, 5e-324, 1e-7, 123.456]) {
    assert.equal(JSON.parse(encodeLegalData(value)), value)
  }
})

test('the outermost value of an event is a plain object', () => {
  assert.equal(encodeLegalObject({}, 'data'), '{}')
  assert.equal(encodeLegalObject(Object.create(null), 'data'), '{}')
  for (const value of [null, 1, 'text', [], undefined]) {
    assert.throws(() => encodeLegalObject(value, 'metadata'), {
      code: 'ILLEGAL_DATA',
      facts: { path: 'metadata' },
    })
  }
})

test('an object that is referred to again and again stops at the limit, not when memory is gone', () => {
  let shared: object = { text: 'x' }
  for (let level = 0; level < 60; level++) shared = { one: shared, other: shared }
  assert.throws(() => encodeLegalData(shared, 'data', { mostBytes: 100_000 }), { code: 'LIMIT_EXCEEDED' })
  const exact = { text: 'x'.repeat(10) }
  assert.equal(encodeLegalData(exact, 'data', { mostBytes: 21 }), JSON.stringify(exact))
})
