import { DaybookError } from './errors.ts'
import {
  type DataOutput,
  definitionsOf,
  type EventDefinition,
  type EventSet,
  type NewEvent,
  type NewEventOf,
  type RecordedEvent,
  type RecordedEventOf,
} from './event.ts'
import { type EvolveFunction, type Fold, functionsOf, valueFold } from './fold.ts'
import { printable } from './limits.ts'
import { ownCategory, streamName } from './names.ts'
import type { Refusal } from './refusal.ts'

/** What a command may answer: one event, several, none, or a refusal. */
export type Decided<Definitions> =
  | NewEventOf<Definitions>
  | readonly NewEventOf<Definitions>[]
  | Refusal
  | undefined

/** One pure function per event type: the state before and the event's data give the state after. */
export type Evolve<Definitions, State> = {
  readonly [Type in keyof Definitions & string]: (
    state: State,
    data: DataOutput<Definitions[Type]>,
    event: RecordedEvent<Type, DataOutput<Definitions[Type]>>,
  ) => State
}

/** One function per command: the state and the command's input give events or a refusal. */
export type Commands<Definitions, State> = {
  readonly [name: string]: (state: State, input: never) => Decided<Definitions>
}

/**
 * How to take an event's effect back: given the state now and the event's data, the compensating events, or a
 * refusal. Events themselves are never changed or deleted.
 */
export type Compensate<Definitions, State> = {
  readonly [Type in keyof Definitions & string]?: (
    state: State,
    data: DataOutput<Definitions[Type]>,
    event: RecordedEvent<Type, DataOutput<Definitions[Type]>>,
  ) => Decided<Definitions>
}

/** What a decider is defined by. */
export interface DeciderOptions<Definitions, State, CommandSet> {
  readonly events: EventSet<Definitions>
  readonly initialState: State
  readonly evolve: NoInfer<Evolve<Definitions, State>>
  readonly commands: CommandSet
  /** Which events `book.undo` can take back, and how. */
  readonly compensate?: Compensate<Definitions, State>
  /** Raise it when states must be folded anew though no function here changed, e.g. one they call. Default 1. */
  readonly stateVersion?: number
}

/** A wish as a value: what to do, to whom, with what. Executed by `book.execute`. */
export interface Command<State, Event, Refused> {
  readonly kind: 'command'
  readonly decider: DeciderDefinition
  readonly id: string
  readonly name: string
  readonly input: unknown
  readonly [typesOf]?: { readonly state: State; readonly event: Event; readonly refused: Refused }
}

/** The stream of one subject, with the state that its decider folds it to. */
export interface StreamRef<State, Event> {
  readonly kind: 'stream'
  readonly stream: string
  readonly fold: Fold
  readonly events: ReadonlyMap<string, EventDefinition>
  readonly [typesOf]?: { readonly state: State; readonly event: Event; readonly refused: never }
}

/** Carries types only; never present at run time. */
export declare const typesOf: unique symbol

type RefusedBy<Run> = Run extends (...values: never[]) => infer Result ? Extract<Result, Refusal> : never

type CommandMakers<Definitions, State, CommandSet> = {
  readonly [Name in keyof CommandSet]: CommandSet[Name] extends (
    state: never,
    ...input: infer Input
  ) => unknown
    ? (
        id: string,
        ...input: Input
      ) => Command<State, RecordedEventOf<Definitions>, RefusedBy<CommandSet[Name]>>
    : never
}

/** A decider: a maker for each of its commands, `definition`, and `stream(id)` for decisions over several streams. */
export type Decider<Definitions, State, CommandSet> = CommandMakers<Definitions, State, CommandSet> & {
  readonly definition: DeciderDefinition
  readonly stream: (id: string) => StreamRef<State, RecordedEventOf<Definitions>>
  readonly [stateOf]?: State
}

/** Carries a decider's state type; never present at run time. */
export declare const stateOf: unique symbol

/** Any decider, its types erased. */
export interface AnyDecider {
  readonly definition: DeciderDefinition
}

/** A decider as the book runs it. */
export interface DeciderDefinition {
  readonly kind: 'decider'
  readonly category: string
  readonly fold: Fold
  readonly events: ReadonlyMap<string, EventDefinition>
  readonly commands: ReadonlyMap<string, (state: unknown, input: unknown) => unknown>
  readonly compensate: ReadonlyMap<string, EvolveFunction>
}

const reserved = new Set(['definition', 'stream'])

/**
 * Defines a decider: pure functions that decide commands and evolve state, for the streams of one category.
 * Everything is inferred from `events` and `initialState`.
 *
 * @throws DaybookError `ILLEGAL_NAME`, `DEFINITION_INVALID`
 */
export function decider<Definitions, State, CommandSet extends Commands<Definitions, State>>(
  category: string,
  options: DeciderOptions<Definitions, State, CommandSet>,
): Decider<Definitions, State, CommandSet> {
  ownCategory(category)
  const definition: DeciderDefinition = {
    kind: 'decider',
    category,
    fold: valueFold(category, options.initialState, options.evolve, options.stateVersion ?? 1),
    events: options.events[definitionsOf],
    commands: commandsOf(category, options.commands),
    compensate: functionsOf(category, options.compensate ?? {}),
  }
  const made: { [key: string]: unknown } = {
    definition,
    stream: (id: string) => ({
      kind: 'stream',
      stream: streamName(category, id),
      fold: definition.fold,
      events: definition.events,
    }),
  }
  for (const name of definition.commands.keys()) {
    made[name] = (id: string, input?: unknown) => commandOf(definition, id, name, input)
  }
  return Object.freeze(made) as Decider<Definitions, State, CommandSet>
}

/** Makes a command from names given as text, as the CLI and HTTP do; throws `COMMAND_UNKNOWN`, `ILLEGAL_NAME`. */
export function commandOf(
  definition: DeciderDefinition,
  id: string,
  name: string,
  input: unknown,
): Command<unknown, RecordedEvent, Refusal> {
  if (!definition.commands.has(name)) {
    const known = [...definition.commands.keys()]
    throw new DaybookError(
      'COMMAND_UNKNOWN',
      `decider "${definition.category}" has no command ${printable(name)}; it has ${known.join(', ') || 'none'}`,
      { decider: definition.category, command: name, known },
    )
  }
  streamName(definition.category, id)
  return { kind: 'command', decider: definition, id, name, input }
}

/** The events in a command's answer, or its refusal. Throws `DEFINITION_INVALID` for anything else, a promise say. */
export function eventsDecided(subject: string, answer: unknown): readonly NewEvent[] {
  if (answer === undefined || answer === null) return []
  const events: readonly unknown[] = Array.isArray(answer) ? answer : [answer]
  for (const event of events) {
    if (event === null || typeof event !== 'object' || typeof (event as NewEvent).type !== 'string') {
      const what = answer instanceof Promise ? 'a promise; commands are synchronous' : printable(event)
      throw new DaybookError('DEFINITION_INVALID', `${subject} returned ${what}, not events or a refusal`, {
        subject,
      })
    }
  }
  return events as readonly NewEvent[]
}

function commandsOf(
  category: string,
  commands: { readonly [name: string]: unknown },
): DeciderDefinition['commands'] {
  const byName = new Map<string, (state: unknown, input: unknown) => unknown>()
  for (const [name, run] of Object.entries(commands)) {
    if (reserved.has(name)) {
      throw new DaybookError(
        'DEFINITION_INVALID',
        `a command of "${category}" cannot be called ${name}: the name is reserved`,
        {
          category,
          name,
        },
      )
    }
    if (typeof run !== 'function') {
      throw new DaybookError('DEFINITION_INVALID', `commands.${name} of "${category}" is not a function`, {
        category,
        name,
      })
    }
    byName.set(name, run as (state: unknown, input: unknown) => unknown)
  }
  return byName
}
