/** Values of every kind that somebody will one day put into an event. */
import fc from 'fast-check'

class Money {
  readonly cents = 5
}

function withHole(): unknown[] {
  const array = [1, 2, 3]
  Reflect.deleteProperty(array, '1')
  return array
}

const surrogates = fc.constantFrom('\ud800', '\udfff', 'a\udc00b', '\ud83d', '\ud83d\ude00', '\ude00\ud83d')
const awkwardStrings = fc.constantFrom(
  '',
  '\u0000',
  'a\u0000b',
  '\u2028\u2029',
  '\ufeff',
  '\uffff\ufffe',
  'é', // composed
  'é', // decomposed
  '2024-02-30T25:61:00Z',
  '1e999',
  '-0',
  '__proto__',
  'constructor',
  '"\\\b\f\n\r\t',
  "'; DROP TABLE event; --",
)
const strings = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 24 }),
  fc.string({ unit: 'grapheme', maxLength: 24 }),
  surrogates,
  awkwardStrings,
)

const numbers = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(
    0,
    -0,
    2 ** 53 - 1,
    2 ** 53,
    2 ** 53 + 2,
    -(2 ** 53 - 1),
    -(2 ** 53),
    5e-324,
    Number.MAX_VALUE,
    1e21,
    1e-7,
    0.1 + 0.2,
    Number.EPSILON,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ),
)

const legalScalars = fc.oneof(
  { weight: 4, arbitrary: strings },
  {
    weight: 4,
    arbitrary: numbers.filter(
      (value) => Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value)),
    ),
  },
  fc.boolean(),
  fc.constant(null),
)

/** What JSON cannot hold, or would change. */
const illegal: fc.Arbitrary<unknown> = fc.oneof(
  numbers,
  fc.bigInt(),
  fc.constant(undefined),
  fc.constant(Symbol('s')),
  fc.date({ noInvalidDate: false }),
  fc
    .constantFrom<() => unknown>(
      () => new Money(),
      () => new Map([[1, 2]]),
      () => new Set([1]),
      () => new Uint8Array([1, 2]),
      () => /a/,
      () => new Error('e'),
      () => Object('boxed'),
      () => Object(-0),
      () => withHole(),
      () => Object.assign([1], { name: 'named' }),
      () => ({ [Symbol('hidden')]: 1 }),
      () => Object.defineProperty({}, 'hidden', { value: 1, enumerable: false }),
      () => Object.create({ inherited: 1 }),
      () => () => 1,
      () => Object.defineProperty({}, 'computed', { get: () => 1, enumerable: true }),
      () => ({ toJSON: () => 'something else' }),
      () => Promise.resolve(1),
    )
    .map((make) => make()),
)

const keys = fc.oneof(
  { weight: 5, arbitrary: strings },
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'toJSON',
    'hasOwnProperty',
    '0',
    '10',
    '2',
    'then',
    '',
  ),
)

/** An object that owns these properties, also `__proto__`, which a literal could not give it. */
function owning(entries: readonly (readonly [string, unknown])[], isBare: boolean): object {
  const made: object = isBare ? Object.create(null) : {}
  for (const [key, value] of entries)
    Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true })
  return made
}

function objectsOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc
    .tuple(fc.array(fc.tuple(keys, value), { maxLength: 5 }), fc.integer({ min: 0, max: 19 }))
    .map(([entries, dice]) => owning(entries, dice === 0))
}

function treesOf(scalars: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: false },
      { weight: 3, arbitrary: scalars },
      { weight: 1, arbitrary: objectsOf(tie('tree')) },
      { weight: 1, arbitrary: fc.array(tie('tree'), { maxLength: 4 }) },
    ),
  }))
  return tree
}

/** Wraps a value in so many layers. */
function nested(value: unknown, depth: number): unknown {
  let wrapped = value
  for (let level = 0; level < depth; level++) wrapped = level % 2 === 0 ? { in: wrapped } : [wrapped]
  return wrapped
}

const depths = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 3, arbitrary: fc.integer({ min: 120, max: 135 }) },
  { weight: 1, arbitrary: fc.constantFrom(1_000, 10_000) },
)

const large = fc.integer({ min: 1_000, max: 60_000 }).map((length) => ({ text: '€'.repeat(length) }))

/** The data of an event: mostly legal, sometimes with something in it that is not. */
export const hostileData: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 120, arbitrary: objectsOf(treesOf(legalScalars)) },
  { weight: 40, arbitrary: objectsOf(fc.oneof({ weight: 3, arbitrary: treesOf(legalScalars) }, illegal)) },
  { weight: 6, arbitrary: fc.tuple(legalScalars, depths).map(([value, depth]) => nested(value, depth)) },
  { weight: 4, arbitrary: illegal },
  { weight: 4, arbitrary: treesOf(legalScalars) },
  { weight: 1, arbitrary: large },
)

/** A name as somebody may try it: for streams, types and tags. */
export const hostileNames: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: strings },
  fc.integer({ min: 250, max: 260 }).map((length) => 'n'.repeat(length)),
  fc.integer({ min: 120, max: 130 }).map((length) => 'é'.repeat(length)),
)
