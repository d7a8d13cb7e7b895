import { DaybookError } from './errors.ts'
import {
  type DataOutput,
  definitionOf,
  definitionsOf,
  type EventDefinition,
  type EventSet,
  isValidated,
  type NewEvent,
  type NewEventOf,
  type RecordedEvent,
} from './event.ts'
import { type Fold, fingerprintText, functionsOf, guardedEvolve } from './fold.ts'
import { ownCategory } from './names.ts'
import { validated } from './schema.ts'

/** One function per event type that changes the aggregate and does nothing else: no rules, no refusals. */
export type Appliers<Definitions> = {
  readonly [Type in keyof Definitions & string]: (data: DataOutput<Definitions[Type]>) => void
}

/** What the repository sees of every aggregate. */
export interface AnyAggregate {
  /** The id it was loaded with. */
  readonly id: string
  /** Version of the last event in the log that it has seen; its own uncommitted events do not count. */
  readonly version: number
  /** Events applied and not yet saved, oldest first. */
  readonly uncommitted: readonly NewEvent[]
  /** Optional: the state as a plain JSON object. Aggregates that have it and `fromSnapshot` are snapshotted. */
  toSnapshot?(): unknown
  fromSnapshot?(snapshot: never): void
}

/** What every aggregate class inherits. Made by extending `aggregate('account', accountEvents)`. */
export interface Aggregate<Definitions> extends AnyAggregate {
  /** Declares the appliers, as a field: `readonly on = this.appliers({ MoneyDeposited: ({ cents }) => { … } })`. */
  appliers(appliers: Appliers<Definitions>): Appliers<Definitions>
  /** Applies a new event: validates its data, runs its applier, remembers it for `save`. */
  apply(event: NewEventOf<Definitions>): void
}

/** The constructor that an aggregate class extends. */
export interface AggregateClass<Instance> {
  new (): Instance
  readonly definition: AggregateDefinition
  /** Raise it when states must be replayed anew though the class did not change, e.g. a function it calls. Default 1. */
  readonly stateVersion?: number
}

/** An aggregate class as the repository runs it. */
export interface AggregateDefinition {
  readonly category: string
  readonly events: ReadonlyMap<string, EventDefinition>
}

/** How the repository reaches into an aggregate; not for applications. */
export const internals: unique symbol = Symbol('daybook.aggregate')

/** What the repository needs of an aggregate. */
export interface AggregateInternals {
  bind(id: string): void
  replay(event: RecordedEvent): void
  /** The first `count` uncommitted events are in the log now, the last of them at `version`. */
  committed(version: number, count: number): void
  /** What it was loaded from stands at `version`; in the past, it must not be saved. */
  restored(version: number, isPast: boolean): void
  readonly isPast: boolean
  readonly appliers: ReadonlyMap<string, (data: unknown) => unknown>
}

/**
 * The base class of an aggregate: the object-oriented face of a decider, for the streams of one category.
 * Command methods check their rules and call `apply`; appliers only mutate, and run on replay just the same.
 */
export function aggregate<Definitions>(
  category: string,
  events: EventSet<Definitions>,
): AggregateClass<Aggregate<Definitions>> {
  const definition: AggregateDefinition = { category: ownCategory(category), events: events[definitionsOf] }
  return class extends AggregateBase {
    static readonly definition = definition
    constructor() {
      super(definition)
    }
  }
}

class AggregateBase {
  readonly #definition: AggregateDefinition
  #id = ''
  #version = 0
  #isPast = false
  #uncommitted: NewEvent[] = []
  #appliers: ReadonlyMap<string, (data: unknown) => unknown> = new Map()

  constructor(definition: AggregateDefinition) {
    this.#definition = definition
  }

  get id(): string {
    return this.#id
  }

  get version(): number {
    return this.#version
  }

  get uncommitted(): readonly NewEvent[] {
    return this.#uncommitted
  }

  appliers<Given extends { readonly [type: string]: (data: never) => void }>(appliers: Given): Given {
    this.#appliers = functionsOf(this.#definition.category, appliers)
    return appliers
  }

  apply(event: NewEvent): void {
    const definition = event[definitionOf] ?? this.#definition.events.get(event.type)
    const applier = this.#appliers.get(event.type)
    if (definition === undefined || applier === undefined) {
      throw new DaybookError(
        'DEFINITION_INVALID',
        `aggregate "${this.#definition.category}" has no applier for ${event.type}; declare it in appliers({ … })`,
        { category: this.#definition.category, type: event.type },
      )
    }
    const data = validated(definition.schema, event.data, event.type)
    applier(data)
    this.#uncommitted.push({ ...event, data, [isValidated]: true })
  }

  get [internals](): AggregateInternals {
    return {
      bind: (id) => {
        this.#id = id
      },
      replay: (event) => {
        this.#version = event.version
        this.#appliers.get(event.type)?.(event.data)
      },
      committed: (version, count) => {
        this.#version = version
        this.#uncommitted = this.#uncommitted.slice(count)
      },
      restored: (version, isPast) => {
        this.#version = version
        this.#isPast = isPast
      },
      isPast: this.#isPast,
      appliers: this.#appliers,
    }
  }
}

/** The internals of an aggregate instance; throws `DEFINITION_INVALID` for anything else. */
export function internalsOf(instance: unknown): AggregateInternals {
  if (instance instanceof AggregateBase) return instance[internals]
  throw new DaybookError(
    'DEFINITION_INVALID',
    'the object is not an aggregate: extend aggregate(category, events)',
  )
}

/** The fold of an aggregate class: its state is the instance itself, so it is never shared. */
export function aggregateFold<Instance extends AnyAggregate>(
  type: AggregateClass<Instance>,
  id: string,
): Fold {
  const { category } = type.definition
  const create = (): Instance => {
    const instance = new type()
    internalsOf(instance).bind(id)
    return instance
  }
  const sample = create()
  const takesSnapshots = sample.toSnapshot !== undefined && sample.fromSnapshot !== undefined
  // Appliers may call any method and read any field, so the whole class counts, and what a new instance begins with.
  const code = [String(type), sample.toSnapshot?.()]
  const text = fingerprintText(category, type.stateVersion ?? 1, code, internalsOf(sample).appliers)
  const fold: Fold = {
    name: `${category} (class ${type.name})`,
    fingerprintText: text,
    isShareable: false,
    initial: create,
    evolve: (state, event) => {
      guardedEvolve(category, event, () => internalsOf(state).replay(event))
      return state
    },
  }
  if (!takesSnapshots) return fold
  return {
    ...fold,
    toSnapshot: (state) => (state as Instance).toSnapshot?.(),
    fromSnapshot: (value) => {
      const instance = create()
      ;(instance.fromSnapshot as ((value: unknown) => void) | undefined)?.call(instance, value)
      return instance
    },
  }
}
