import type { Command } from './decider.ts'
import type { DecisionCommand } from './decision.ts'
import { DaybookError } from './errors.ts'
import { printable } from './limits.ts'
import { legalInstant } from './metadata.ts'

/** How long until a deadline; the parts add up, and may be fractions. */
export interface Duration {
  readonly days?: number
  readonly hours?: number
  readonly minutes?: number
  readonly seconds?: number
  readonly ms?: number
}

/** An instant: ISO 8601 text, or a `Date`. */
export interface At {
  readonly at: string | Date
}

/** Sets a deadline, or sets it anew. */
export interface SetDeadline<Name extends string = string> {
  readonly kind: 'set-deadline'
  readonly name: Name
  /** Ms after the moment that the decision is about, or … */
  readonly afterMs?: number
  /** … ms since 1970-01-01 UTC. */
  readonly atMs?: number
}

/** Cancels a deadline; nothing happens when it is not set. */
export interface CancelDeadline<Name extends string = string> {
  readonly kind: 'cancel-deadline'
  readonly name: Name
}

/** Ends an instance. */
export interface Finish {
  readonly kind: 'finish'
}

/** A command as a process manager may issue it: `account.withdraw('42', { cents: 500 })`, or one of a decision. */
export type AnyIssuable = Command<unknown, unknown, unknown> | DecisionCommand<unknown, unknown>

/** One thing a process manager decides. */
export type ProcessStep<DeadlineName extends string = string> =
  | AnyIssuable
  | SetDeadline<DeadlineName>
  | CancelDeadline<DeadlineName>
  | Finish

/** What a process manager decides: one step, several, or none. */
export type ProcessDecision<DeadlineName extends string = string> =
  | ProcessStep<DeadlineName>
  | readonly ProcessStep<DeadlineName>[]
  | undefined

/** Sets and cancels deadlines: steps for a process manager to return. Nothing happens until they are returned. */
export const deadline: {
  /**
   * Sets a deadline, or sets it anew. A duration counts from the moment that the decision is about: when the event was
   * recorded, when the last deadline was due, when the refusal came. Throws `ILLEGAL_ARGUMENT`.
   */
  readonly set: <const Name extends string>(name: Name, due: Duration | At) => SetDeadline<Name>
  readonly cancel: <const Name extends string>(name: Name) => CancelDeadline<Name>
} = Object.freeze({
  set: <const Name extends string>(name: Name, due: Duration | At): SetDeadline<Name> =>
    'at' in due
      ? { kind: 'set-deadline', name, atMs: instantMs(name, due.at) }
      : { kind: 'set-deadline', name, afterMs: durationMs(name, due) },
  cancel: <const Name extends string>(name: Name): CancelDeadline<Name> => ({
    kind: 'cancel-deadline',
    name,
  }),
})

/**
 * Ends an instance: its deadlines are cancelled, and later events of its key are ignored. Commands of the same decision
 * are still issued, and their refusals reacted to.
 */
export function finish(): Finish {
  return { kind: 'finish' }
}

const unitsMs = { days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1_000, ms: 1 } as const
/** 100 years: longer ones are slips. */
const longestMs = 100 * 366 * unitsMs.days

function durationMs(name: string, given: Duration): number {
  let timeMs = 0
  let parts = 0
  for (const [unit, value] of Object.entries(given)) {
    const unitMs: number | undefined = Object.hasOwn(unitsMs, unit)
      ? unitsMs[unit as keyof typeof unitsMs]
      : undefined
    if (unitMs === undefined || typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw illegal(name, `${unit}: ${printable(value)}`)
    timeMs += value * unitMs
    parts++
  }
  if (parts === 0 || timeMs > longestMs) throw illegal(name, printable(given))
  return Math.round(timeMs)
}

function instantMs(name: string, at: string | Date): number {
  const isDate = at instanceof Date
  if (isDate && Number.isNaN(at.getTime())) throw illegal(name, 'an invalid date')
  return isDate ? at.getTime() : Date.parse(legalInstant(`deadline ${printable(name)}`, at))
}

function illegal(name: string, given: string): DaybookError {
  return new DaybookError(
    'ILLEGAL_ARGUMENT',
    `deadline ${printable(name)} is set to ${given}; give a duration such as { hours: 24 }, 0 to 100 years in days, hours, minutes, seconds and ms, or { at: instant }`,
    { argument: 'deadline', value: given },
  )
}
