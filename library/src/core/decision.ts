import type { Evolve, StreamRef, typesOf } from './decider.ts'
import { DaybookError } from './errors.ts'
import { definitionsOf, type EventSet, type NewEvent } from './event.ts'
import { type Fold, valueFold } from './fold.ts'
import { printable } from './limits.ts'
import { legalName, ownStream } from './names.ts'
import { type Query, type QueryItem, queryItems } from './query.ts'
import { isRefusal, type Refusal } from './refusal.ts'

/** A query, with the state that its events fold to: a consistency boundary drawn by tags instead of a stream. */
export interface BoundaryRef<State> {
  readonly kind: 'boundary'
  readonly items: readonly QueryItem[]
  readonly fold: Fold
  readonly [typesOf]?: { readonly state: State; readonly event: never; readonly refused: never }
}

/** What a decision may read. */
export type ReadRef = StreamRef<unknown, unknown> | BoundaryRef<unknown>

/** What `decide` gets for a stream it reads: the state, and the version that guards the append. */
export interface StreamState<State, Event> {
  readonly state: State
  readonly stream: string
  readonly version: number
  readonly [typesOf]?: { readonly state: State; readonly event: Event; readonly refused: never }
}

/** What `decide` gets for a boundary it reads: the state, and the position up to which it was read. */
export interface BoundaryState<State> {
  readonly state: State
  readonly position: number
}

/** The states of everything that was read. */
export type StatesOf<Reads> = {
  readonly [Name in keyof Reads]: Reads[Name] extends StreamRef<infer State, infer Event>
    ? StreamState<State, Event>
    : Reads[Name] extends BoundaryRef<infer State>
      ? BoundaryState<State>
      : never
}

/** One event and the stream it goes to. */
export interface Write {
  readonly stream: string
  readonly event: NewEvent
}

/** A wish that concerns several streams or a tag query. Executed by `book.execute`. */
export interface DecisionCommand<States, Refused> {
  readonly kind: 'decision'
  readonly decision: DecisionDefinition
  readonly input: unknown
  readonly [typesOf]?: { readonly state: States; readonly event: never; readonly refused: Refused }
}

/** A decision as the book runs it. */
export interface DecisionDefinition {
  readonly name: string
  readonly reads: (input: unknown) => { readonly [name: string]: ReadRef }
  readonly decide: (states: unknown, input: unknown) => unknown
}

/** Makes commands of one decision. */
export type Decision<Input, Reads, Result> = ((
  input: Input,
) => DecisionCommand<StatesOf<Reads>, Extract<Result, Refusal>>) & { readonly definition: DecisionDefinition }

/**
 * Defines a decision over what it declares to read: streams of deciders (`account.stream('42')`) and boundaries
 * (`seats.matching({ tags: ['course:7'] })`). Exactly what it read guards the append: if any of it changed
 * meanwhile, the decision is made again on the new state.
 */
export function decision<
  Input,
  Reads extends { readonly [name: string]: ReadRef },
  Result extends readonly Write[] | Refusal | undefined,
>(
  name: string,
  options: {
    readonly reads: (input: Input) => Reads
    readonly decide: (states: StatesOf<Reads>, input: NoInfer<Input>) => Result
  },
): Decision<Input, Reads, Result> {
  legalName('decision', name)
  const definition = { name, ...options } as DecisionDefinition
  const make = (input: Input): DecisionCommand<StatesOf<Reads>, Extract<Result, Refusal>> => ({
    kind: 'decision',
    decision: definition,
    input,
  })
  return Object.assign(make, { definition })
}

/**
 * A fold over whatever a tag query finds, for invariants that no single stream holds (a dynamic consistency
 * boundary). `matching(query)` names the events; the fold ignores types it has no function for.
 */
export function boundary<Definitions, State>(
  name: string,
  options: {
    readonly events: EventSet<Definitions>
    readonly initialState: State
    readonly evolve: NoInfer<Partial<Evolve<Definitions, State>>>
  },
): { readonly matching: (query: Query) => BoundaryRef<State> } {
  legalName('boundary', name)
  if (!(definitionsOf in options.events)) {
    throw new DaybookError('DEFINITION_INVALID', `events of boundary "${name}" must come from defineEvents`, {
      name,
    })
  }
  const fold = valueFold(name, options.initialState, options.evolve, 1)
  return { matching: (query) => ({ kind: 'boundary', items: queryItems(query), fold }) }
}

/** Says where an event of a decision goes: to a stream it read, or to one by name. Nothing happens until it is returned. */
export function appendTo<Event extends NewEvent>(
  target: string | StreamState<unknown, unknown> | StreamRef<unknown, unknown>,
  event: Event,
): Write {
  return { stream: ownStream(typeof target === 'string' ? target : target.stream), event }
}

/** The writes in a decision's answer; throws `DEFINITION_INVALID` for anything else. */
export function writesDecided(name: string, answer: unknown): readonly Write[] | Refusal {
  if (isRefusal(answer)) return answer
  if (answer === undefined || answer === null) return []
  if (
    !Array.isArray(answer) ||
    answer.some((write) => typeof write?.stream !== 'string' || typeof write?.event?.type !== 'string')
  ) {
    const what = answer instanceof Promise ? 'a promise; decisions are synchronous' : printable(answer)
    throw new DaybookError(
      'DEFINITION_INVALID',
      `decision "${name}" returned ${what}, not a list of appendTo(…) or a refusal`,
      { name },
    )
  }
  return answer
}
