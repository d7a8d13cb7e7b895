import type { RecordedEvent } from '../core/event.ts'
import { CommandRefusedError, type Refusal } from '../core/refusal.ts'

/** A command that was accepted: its events, if any, are in the log. Authoritative: this is how one reads one's own write. */
export interface Accepted<State, Event> {
  readonly refused: undefined
  /** The state after the command. */
  readonly state: State
  /** The stream's version after the command; for decisions over several streams, that of the last event. */
  readonly version: number
  /** Position of the last event; of the last one the state rests on when the command decided none. */
  readonly position: number
  readonly events: readonly Event[]
  /** True when the idempotency key had been used before: this is the first outcome again. */
  readonly isRepeat: boolean
}

/** A command that its rules refused: nothing was appended. */
export interface Refused<State, Refusal> {
  readonly refused: Refusal
  /** The state that the refusal was decided on. */
  readonly state: State
  readonly version: number
  readonly position: number
  readonly events: readonly never[]
  readonly isRepeat: false
}

/** What a command led to; `refused` tells which. */
export type Outcome<State, Event, Refusal> =
  | Accepted<State, Event>
  | ([Refusal] extends [never] ? never : Refused<State, Refusal>)

/** Insists on acceptance: returns the accepted outcome, or throws `CommandRefusedError` (`COMMAND_REFUSED`). */
export function accepted<State, Event>(
  outcome: Accepted<State, Event> | Refused<State, Refusal>,
): Accepted<State, Event> {
  if (outcome.refused === undefined) return outcome
  throw new CommandRefusedError(outcome.refused)
}

/** An outcome with its types erased. */
export type AnyOutcome = Outcome<unknown, RecordedEvent, Refusal>
