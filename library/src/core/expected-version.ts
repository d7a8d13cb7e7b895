import { ConcurrencyError, DaybookError } from './errors.ts'
import { maxPosition, printable } from './limits.ts'

/**
 * The version a stream must have for an append to be accepted: a number (0 means "no events yet"), `'none'` (the
 * same as 0), `'exists'` (at least one event) or `'any'`.
 */
export type ExpectedVersion = number | 'none' | 'exists' | 'any'

/** Returns a legal expected version; throws `ILLEGAL_ARGUMENT`. */
export function legalExpectedVersion(expected: unknown): ExpectedVersion {
  if (expected === 'none' || expected === 'exists' || expected === 'any') return expected
  if (typeof expected === 'number' && Number.isInteger(expected) && expected >= 0 && expected <= maxPosition)
    return expected
  throw new DaybookError(
    'ILLEGAL_ARGUMENT',
    `expectedVersion must be 0, 1, 2 …, 'none', 'exists' or 'any', not ${printable(expected)}`,
    { argument: 'expectedVersion', value: expected },
  )
}

/**
 * The whole truth table: which expectation a stream at version `actual` satisfies.
 *
 * | expected | actual 0 | actual 1 | actual 2 |
 * | -------- | -------- | -------- | -------- |
 * | any      | yes      | yes      | yes      |
 * | none     | yes      | no       | no       |
 * | exists   | no       | yes      | yes      |
 * | 0        | yes      | no       | no       |
 * | 1        | no       | yes      | no       |
 */
export function isExpected(expected: ExpectedVersion, actual: number): boolean {
  if (expected === 'any') return true
  if (expected === 'none') return actual === 0
  if (expected === 'exists') return actual > 0
  return expected === actual
}

/** The conflict of an unmet expectation, or undefined when it is met. */
export function conflictOf(
  stream: string,
  expected: ExpectedVersion,
  actual: number,
): ConcurrencyError | undefined {
  if (expected === 'any' || isExpected(expected, actual)) return undefined
  return new ConcurrencyError(stream, expected, actual)
}
