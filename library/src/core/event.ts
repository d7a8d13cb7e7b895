import { DaybookError } from './errors.ts'
import type { Metadata } from './metadata.ts'
import { legalName } from './names.ts'
import { isSchema, notASchema, type Schema } from './schema.ts'

/** An event as an application makes it: a fact in the past tense, not yet in the log. */
export interface NewEvent<Type extends string = string, Data = unknown> {
  readonly type: Type
  readonly data: Data
  /** Tags of this one event, added to those its definition derives from the data. */
  readonly tags?: readonly string[]
  /** UUID of the event; made by Daybook when left out. */
  readonly id?: string
  /** Version of the shape of `data`; the definition's, or 1, when left out. */
  readonly schemaVersion?: number
  /** Present on events made by `defineEvents`: the definition that validates them. */
  readonly [definitionOf]?: EventDefinition
  /** Present when the data is what a schema gave: it is stored as it is, for a schema may transform. */
  readonly [isValidated]?: true
}

/** An event as the log holds it. Plain data: it can be printed, compared and sent as it is. */
export interface RecordedEvent<Type extends string = string, Data = unknown> {
  /** Place in the log: 1, 2, 3 … in commit order, without gaps. */
  readonly position: number
  /** `category-id`. */
  readonly stream: string
  readonly category: string
  readonly streamId: string
  /** Place in the stream: 1, 2, 3 … */
  readonly version: number
  readonly type: Type
  readonly schemaVersion: number
  /** UUID, version 7 when made by Daybook. */
  readonly id: string
  readonly data: Data
  readonly metadata: Metadata
  readonly tags: readonly string[]
  /** When it was recorded: ISO 8601 in UTC, milliseconds. Never decreases along positions. */
  readonly recordedAt: string
}

/** What is known of one type of event: how its data looks, in which version, and which tags follow from it. */
export interface EventDefinition<Input = unknown, Output = Input> {
  readonly schema: Schema<Input, Output>
  readonly version: number
  readonly tags?: ((data: Output) => readonly string[]) | undefined
}

/** What may stand for an event type in `defineEvents`: a schema, or `event(schema, …)`. */
export type EventDefinitions = { readonly [type: string]: Schema | AnyEventDefinition }

/** An event definition of any data: what `event` makes. */
export interface AnyEventDefinition {
  readonly schema: Schema
  readonly version: number
  readonly tags?: ((data: never) => readonly string[]) | undefined
}

/** The data a caller gives for one definition, before the schema's defaults and transformations. */
export type DataInput<Definition> = Definition extends { readonly schema: infer Inner }
  ? DataInput<Inner>
  : Definition extends { readonly '~standard': { readonly types?: infer Types } }
    ? NonNullable<Types> extends { readonly input: infer Input }
      ? Input
      : never
    : never

/** The data the log holds for one definition. */
export type DataOutput<Definition> = Definition extends { readonly schema: infer Inner }
  ? DataOutput<Inner>
  : Definition extends { readonly '~standard': { readonly types?: infer Types } }
    ? NonNullable<Types> extends { readonly output: infer Output }
      ? Output
      : never
    : never

/** Any new event of a set of definitions. */
export type NewEventOf<Definitions> = {
  [Type in keyof Definitions & string]: NewEvent<Type, DataInput<Definitions[Type]>>
}[keyof Definitions & string]

/** Any recorded event of a set of definitions. */
export type RecordedEventOf<Definitions> = {
  [Type in keyof Definitions & string]: RecordedEvent<Type, DataOutput<Definitions[Type]>>
}[keyof Definitions & string]

/** Any set of events, its types erased. */
export interface AnyEventSet {
  readonly [definitionsOf]: ReadonlyMap<string, EventDefinition>
}

/** Any recorded event of a set, or of any of several sets. */
export type RecordedEventFrom<From> = From extends readonly (infer Each)[]
  ? RecordedEventOfSet<Each>
  : RecordedEventOfSet<From>

type RecordedEventOfSet<Set> = Set extends { readonly [definitionsType]?: infer Definitions }
  ? RecordedEventOf<NonNullable<Definitions>>
  : never

/** A set of event types: one function per type that makes an event of it. */
export type EventSet<Definitions> = {
  readonly [Type in keyof Definitions & string]: (
    data: DataInput<Definitions[Type]>,
    options?: { readonly tags?: readonly string[] },
  ) => NewEvent<Type, DataInput<Definitions[Type]>>
} & {
  readonly [definitionsOf]: ReadonlyMap<string, EventDefinition>
  readonly [definitionsType]?: Definitions
}

/** On an event set: its definitions by type. */
export const definitionsOf: unique symbol = Symbol.for('daybook.definitions')
/** On an event made by a set: the definition it is validated by. */
export const definitionOf: unique symbol = Symbol.for('daybook.definition')
/** On an event whose data has been through its schema. */
export const isValidated: unique symbol = Symbol.for('daybook.validated')
declare const definitionsType: unique symbol

/**
 * One event type with more than a schema: the version of its shape (1 unless given) and the tags that follow from
 * its data, by which decisions and queries find it.
 */
export function event<Input, Output>(
  schema: Schema<Input, Output>,
  options: { readonly version?: number; readonly tags?: (data: Output) => readonly string[] } = {},
): EventDefinition<Input, Output> {
  const version = options.version ?? 1
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new DaybookError('DEFINITION_INVALID', `an event's schema version is 1, 2, 3 …, not ${version}`, {
      version,
    })
  }
  return { schema, version, tags: options.tags }
}

/**
 * Defines event types once: name → schema. The result has one function per type, `accountEvents.MoneyDeposited({ cents: 5 })`,
 * and is what deciders and projections take. Data is validated when it is appended.
 *
 * @throws DaybookError `DEFINITION_INVALID` for something that is no schema, `ILLEGAL_NAME` for an illegal type.
 */
export function defineEvents<const Definitions extends EventDefinitions>(
  definitions: Definitions,
): EventSet<Definitions> {
  const known = new Map<string, EventDefinition>()
  const set: { [key: string]: unknown; [definitionsOf]: ReadonlyMap<string, EventDefinition> } = {
    [definitionsOf]: known,
  }
  for (const [type, given] of Object.entries(definitions)) {
    legalName('event type', type)
    const definition = asDefinition(type, given)
    known.set(type, definition)
    set[type] = (data: unknown, options?: Pick<NewEvent, 'tags'>): NewEvent =>
      options === undefined
        ? { type, data, [definitionOf]: definition }
        : { type, data, ...options, [definitionOf]: definition }
  }
  return Object.freeze(set) as EventSet<Definitions>
}

function asDefinition(type: string, given: unknown): EventDefinition {
  if (isSchema(given)) return { schema: given, version: 1 }
  const definition = given as Partial<EventDefinition> | null
  if (definition !== null && typeof definition === 'object' && isSchema(definition.schema))
    return given as EventDefinition
  throw notASchema(`the definition of ${type}`, given)
}
