import type { NewEvent, RecordedEvent } from './event.ts'
import type { Json } from './legal-data.ts'

/** The types of the events in a process manager's own streams. */
export const processTypes = {
  /** An event was taken in, with all that was decided on it. */
  inputTaken: 'process:InputTaken',
  deadlineReached: 'process:DeadlineReached',
  /** The outcomes of commands. */
  accepted: 'process:CommandAccepted',
  refused: 'process:CommandRefused',
  failed: 'process:CommandFailed',
  /** An instance is pending for longer than its limit; recorded so that the alarm is raised once. */
  limitPassed: 'process:PendingLimitPassed',
} as const

/** The types of own events that decide, so that commands may have to be issued. */
export const decidingTypes: readonly string[] = [
  processTypes.inputTaken,
  processTypes.deadlineReached,
  processTypes.refused,
  processTypes.failed,
]

/** A command as the own stream holds it. */
export type IssuedCommand =
  | {
      readonly kind: 'command'
      readonly category: string
      readonly id: string
      readonly name: string
      readonly input?: unknown
    }
  | { readonly kind: 'decision'; readonly name: string; readonly input?: unknown }

/** What was decided, as the own stream holds it. */
export interface Decided {
  readonly commands: readonly IssuedCommand[]
  /** Deadlines set, and cancelled ones (null). */
  readonly deadlines: { readonly [name: string]: number | null }
  readonly isFinished: boolean
}

export interface InputTaken {
  readonly input: RecordedEvent
  readonly decided: Decided
}

export interface DeadlineReached {
  readonly name: string
  readonly dueAtMs: number
  /** Id of the own event that set it. */
  readonly setBy: string
  readonly decided: Decided
}

export interface CommandAccepted {
  /** Own event that decided it and its place there: `<id>#0`. */
  readonly command: string
  /** Ids of the events it led to. */
  readonly events: readonly string[]
}

export interface CommandRefused {
  readonly command: string
  readonly reason: string
  readonly facts?: Json
  readonly decided: Decided
}

export interface CommandFailed {
  readonly command: string
  readonly error: string
  readonly decided: Decided
}

export interface PendingLimitPassed {
  readonly limitMs: number
}

/** A deadline that is set. Times are ms since 1970-01-01 UTC. */
export interface OpenDeadline {
  readonly dueAtMs: number
  readonly setBy: string
}

/** A command that was decided, and of which no outcome is recorded yet. */
export interface OpenCommand {
  readonly command: IssuedCommand
  readonly sinceMs: number
}

/** What an instance of a process waits for. */
export interface Waiting {
  /** When its first input was recorded; 0 before that. */
  readonly startedAtMs: number
  /** When something last happened to it. */
  readonly changedAtMs: number
  readonly isFinished: boolean
  readonly deadlines: { readonly [name: string]: OpenDeadline }
  readonly commands: { readonly [command: string]: OpenCommand }
  /** True when it was pending for longer than its limit, and the alarm was raised. */
  readonly isOverdue: boolean
}

/** Before the first input. */
export const notStarted: Waiting = {
  startedAtMs: 0,
  changedAtMs: 0,
  isFinished: false,
  deadlines: {},
  commands: {},
  isOverdue: false,
}

/** Folds one event of an own stream. Knows nothing of the manager's code, so that it holds whatever that becomes. */
export function evolveWaiting(before: Waiting, event: RecordedEvent): Waiting {
  const atMs = Date.parse(event.recordedAt)
  const waiting = {
    ...before,
    startedAtMs: before.startedAtMs || startOf(event, atMs),
    changedAtMs: atMs,
  }
  switch (event.type) {
    case processTypes.inputTaken:
      return decide(waiting, event, (event.data as InputTaken).decided)
    case processTypes.deadlineReached: {
      const { name, decided } = event.data as DeadlineReached
      return decide({ ...waiting, deadlines: without(waiting.deadlines, name) }, event, decided)
    }
    case processTypes.accepted:
      return {
        ...waiting,
        commands: without(waiting.commands, (event.data as CommandAccepted).command),
      }
    case processTypes.refused:
    case processTypes.failed: {
      const { command, decided } = event.data as CommandRefused | CommandFailed
      return decide({ ...waiting, commands: without(waiting.commands, command) }, event, decided)
    }
    case processTypes.limitPassed:
      return { ...before, isOverdue: true }
    default:
      return before
  }
}

/** True when nothing is left to be done for an instance. */
export function isSettled({ isFinished, commands }: Waiting): boolean {
  return isFinished && Object.keys(commands).length === 0
}

/** The deadline that is due first. */
export function nextDueAtMs({ deadlines }: Waiting): number | null {
  const dueAtMs = Object.values(deadlines).map((deadline) => deadline.dueAtMs)
  return dueAtMs.length === 0 ? null : Math.min(...dueAtMs)
}

/** Names one command among all that were ever decided. */
export function commandIdOf(ownEventId: string, index: number): string {
  return `${ownEventId}#${index}`
}

/** The commands an own event decided. */
export function decidedIn({ data }: NewEvent): Decided | undefined {
  return (data as { readonly decided?: Decided } | null)?.decided
}

function decide(before: Waiting, event: RecordedEvent, decided: Decided): Waiting {
  const sinceMs = Date.parse(event.recordedAt)
  const commands = { ...before.commands }
  for (const [index, command] of decided.commands.entries())
    commands[commandIdOf(event.id, index)] = { command, sinceMs }
  const deadlines = decided.isFinished ? {} : { ...before.deadlines }
  let isFinished = before.isFinished || decided.isFinished
  for (const [name, dueAtMs] of Object.entries(decided.deadlines)) {
    delete deadlines[name]
    if (dueAtMs === null) continue
    deadlines[name] = { dueAtMs, setBy: event.id }
    // Who reacts to a refusal after the end by a deadline goes on.
    isFinished = false
  }
  return { ...before, commands, deadlines, isFinished }
}

/** An instance is as old as the event that began it, not as the look at it. */
function startOf({ type, data }: RecordedEvent, atMs: number): number {
  return type === processTypes.inputTaken ? Date.parse((data as InputTaken).input.recordedAt) : atMs
}

function without<Value>(
  values: { readonly [name: string]: Value },
  name: string,
): { readonly [name: string]: Value } {
  const { [name]: _, ...rest } = values
  return rest
}
