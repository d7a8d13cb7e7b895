import type { stateOf } from './decider.ts'
import type { DecisionDefinition } from './decision.ts'
import { DaybookError } from './errors.ts'
import type { AnyEventSet, RecordedEvent, RecordedEventFrom } from './event.ts'
import { deepFreeze, type EvolveFunction, type Fold, functionsOf } from './fold.ts'
import { integerWithin, printable } from './limits.ts'
import { processPrefix } from './names.ts'
import { processFold } from './process-fold.ts'
import type { ProcessDecision } from './process-steps.ts'
import type { IssuedCommand } from './process-stream.ts'
import type { QueryItem } from './query.ts'
import type { Refusal } from './refusal.ts'
import { type SubscriptionRetry, subscribedItem } from './subscription.ts'

/** A deadline that was reached. */
export interface ReachedDeadline<Name extends string = string> {
  /** Key of the instance. */
  readonly key: string
  readonly name: Name
  /** When it was due, and when it was found to be: the latter is later when nobody ran the process. ISO 8601. */
  readonly dueAt: string
  readonly reachedAt: string
}

/** Where a reaction to the outcome of a command stands. */
export interface ProcessContext {
  /** Key of the instance. */
  readonly key: string
}

/** A command that failed: it was neither accepted nor refused. */
export interface CommandFailure {
  /** What was thrown, as text. */
  readonly error: string
}

/** How each type of input changes the state. */
export type EvolveInputs<Input extends RecordedEvent, State> = {
  readonly [Type in Input['type']]?: (
    state: State,
    data: Extract<Input, { readonly type: Type }>['data'],
    event: Extract<Input, { readonly type: Type }>,
  ) => State
}

/** What is done on each type of input. */
export type OnInputs<Input extends RecordedEvent, State, DeadlineName extends string> = {
  readonly [Type in Input['type']]?: (
    state: State,
    data: Extract<Input, { readonly type: Type }>['data'],
    event: Extract<Input, { readonly type: Type }>,
  ) => ProcessDecision<DeadlineName>
}

/** What a process manager is defined by. */
export interface ProcessManagerOptions<From, State, DeadlineName extends string> {
  /** The events it may want: a set, or several. */
  readonly from: From
  /** Only events of these categories; every category unless given. */
  readonly categories?: readonly string[]
  /** Which instance an event belongs to; undefined for none. At most 200 bytes. */
  readonly key: (event: NoInfer<RecordedEventFrom<From>>) => string | undefined
  /** Only these types begin an instance; every type unless given. Other events of a key without instance are ignored. */
  readonly startsWith?: readonly NoInfer<RecordedEventFrom<From>['type']>[]
  readonly initialState: State
  /** Pure functions: the state before and the event's data give the state after. */
  readonly evolve?: NoInfer<EvolveInputs<RecordedEventFrom<From>, State>>
  /** What to do on an event: pure functions of the state after it. */
  readonly on?: NoInfer<OnInputs<RecordedEventFrom<From>, State, DeadlineName>>
  /** What to do when a deadline is reached; its name is one that `deadline.set` may use. */
  readonly deadlines?: {
    readonly [Name in DeadlineName]: (
      state: NoInfer<State>,
      deadline: ReachedDeadline,
    ) => ProcessDecision<NoInfer<DeadlineName>>
  }
  /** What to do when a command was refused: to compensate, say. Nothing unless given. */
  readonly onRefused?: (
    state: NoInfer<State>,
    refusal: Refusal,
    command: IssuedCommand,
    context: ProcessContext,
  ) => ProcessDecision<NoInfer<DeadlineName>>
  /**
   * What to do when a command failed as often as it may: then it is given up. Unless given it is parked instead, and
   * waits for a person, who repairs what is broken and has it tried again.
   */
  readonly onFailed?: (
    state: NoInfer<State>,
    failure: CommandFailure,
    command: IssuedCommand,
    context: ProcessContext,
  ) => ProcessDecision<NoInfer<DeadlineName>>
  /** The decisions it issues; deciders are those of the book. */
  readonly decisions?: readonly AnyDecisionMaker[]
  /** `onDiagnostic` is told of an instance that is not finished so many ms after it began; 1 to 3,155,760,000,000. */
  readonly pendingLimitMs?: number
  /** Where it begins when a book first meets it. Default `'now'`: commands are effects, and not to be had for old events. */
  readonly startAt?: 'now' | 'beginning'
  /** How often an event is tried that cannot be decided on, and a command that fails. Default: 10 times. */
  readonly retry?: Partial<SubscriptionRetry>
  /** Raise it when states must be folded anew though no function here changed, e.g. one they call. Default 1. */
  readonly stateVersion?: number
}

/** Any decision, its types erased. */
export interface AnyDecisionMaker {
  readonly definition: DecisionDefinition
}

/** A process manager; see `processManager`. */
export interface ProcessManager<State> {
  readonly definition: ProcessDefinition
  readonly [stateOf]?: State
}

/** Any process manager, its types erased. */
export interface AnyProcessManager {
  readonly definition: ProcessDefinition
}

type DecideFunction = (...values: unknown[]) => unknown

/** A process manager as the engine runs it. */
export interface ProcessDefinition {
  readonly name: string
  /** Of its own streams: `process:settlement`. */
  readonly category: string
  readonly items: readonly QueryItem[]
  readonly startAt: 'now' | 'beginning'
  readonly retry: Partial<SubscriptionRetry>
  readonly keyOf: (event: RecordedEvent) => string | undefined
  readonly mayStart: (type: string) => boolean
  /** Folds an own stream to an `Instance`. */
  readonly fold: Fold
  readonly evolve: ReadonlyMap<string, EvolveFunction>
  readonly on: ReadonlyMap<string, DecideFunction>
  readonly deadlines: ReadonlyMap<string, DecideFunction>
  readonly onRefused: DecideFunction | undefined
  readonly onFailed: DecideFunction | undefined
  readonly decisions: ReadonlyMap<string, AnyDecisionMaker>
  readonly pendingLimitMs: number | undefined
}

const processName = /^[a-z][a-z0-9_]{0,39}$/
const deadlineName = /^[A-Za-z][A-Za-z0-9_-]{0,47}$/
const longestLimitMs = 3_155_760_000_000

/**
 * Defines a process manager: it listens to events, keeps a state for each key, and answers with commands and deadlines.
 * Its functions are pure. What it took in, what it decided and what became of that stands in a stream of its own,
 * `process:<name>-<key>`, so that a crash loses and doubles nothing: each command and each deadline has one effect.
 *
 * @throws DaybookError `DEFINITION_INVALID`, `ILLEGAL_NAME`, `ILLEGAL_ARGUMENT`
 */
export function processManager<
  const From extends AnyEventSet | readonly AnyEventSet[],
  State,
  DeadlineName extends string = never,
>(name: string, options: ProcessManagerOptions<From, State, DeadlineName>): ProcessManager<State> {
  if (!processName.test(name))
    throw invalid(name, 'its name must be 1 to 40 of a-z, 0-9 and _, beginning with a letter')
  const evolve = functionsOf(name, options.evolve ?? {})
  const on = functionsOf(name, options.on ?? {})
  const deadlines = functionsOf(name, options.deadlines ?? {})
  const types = [...new Set([...evolve.keys(), ...on.keys()])]
  if (types.length === 0) throw invalid(name, 'it has neither evolve nor on')
  for (const reached of deadlines.keys())
    if (!deadlineName.test(reached)) throw invalid(name, `${printable(reached)} is no name for a deadline`)
  const { pendingLimitMs, startsWith, categories } = options
  const starters = startsWith === undefined ? undefined : new Set<string>(startsWith)
  const stranger = startsWith?.find((type: string) => !types.includes(type))
  if (stranger !== undefined)
    throw invalid(name, `startsWith names ${printable(stranger)}, of which neither evolve nor on knows`)
  const definition: ProcessDefinition = {
    name,
    category: `${processPrefix}${name}`,
    items: [
      subscribedItem(`process ${name}`, { from: options.from, types, ...(categories && { categories }) }),
    ],
    startAt: options.startAt ?? 'now',
    retry: options.retry ?? {},
    keyOf: options.key as (event: RecordedEvent) => string | undefined,
    mayStart: (type) => starters?.has(type) ?? true,
    fold: processFold(name, deepFreeze(options.initialState), evolve, options.stateVersion ?? 1),
    evolve,
    on,
    deadlines,
    onRefused: options.onRefused as DecideFunction | undefined,
    onFailed: options.onFailed as DecideFunction | undefined,
    decisions: new Map((options.decisions ?? []).map((each) => [each.definition.name, each])),
    pendingLimitMs:
      pendingLimitMs === undefined
        ? undefined
        : integerWithin(`pendingLimitMs of process ${name}`, pendingLimitMs, 1, longestLimitMs),
  }
  return { definition }
}

/** An error about the definition of a process manager. */
export function invalid(name: string, problem: string): DaybookError {
  return new DaybookError('DEFINITION_INVALID', `process ${printable(name)}: ${problem}`, { process: name })
}
