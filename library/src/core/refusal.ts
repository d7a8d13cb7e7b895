import { DaybookError } from './errors.ts'

/** A business answer of "no": not an error, nothing is appended. */
export interface Refusal<Reason extends string = string, Facts = unknown> {
  readonly [refusalMark]: true
  readonly reason: Reason
  readonly facts: Facts
}

const refusalMark: unique symbol = Symbol.for('daybook.refusal')

/**
 * What a command returns when its rules say no: a reason for programs and facts for people.
 * `refuse('InsufficientFunds', { available: state.cents })`
 */
export function refuse<const Reason extends string>(reason: Reason): Refusal<Reason, undefined>
export function refuse<const Reason extends string, const Facts>(
  reason: Reason,
  facts: Facts,
): Refusal<Reason, Facts>
export function refuse(reason: string, facts?: unknown): Refusal {
  const refusal = { [refusalMark]: true as const, reason, facts }
  // Out of sight of whoever prints or compares it.
  Object.defineProperty(refusal, refusalMark, { enumerable: false })
  return Object.freeze(refusal)
}

/** True for what `refuse` made. */
export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && refusalMark in value
}

/** A refused command as an exception, for callers who asked for one by `accepted()`. */
export class CommandRefusedError extends DaybookError {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super('COMMAND_REFUSED', `the command was refused: ${refusal.reason}`, {
      reason: refusal.reason,
      facts: refusal.facts,
    })
    this.refusal = refusal
  }
}
