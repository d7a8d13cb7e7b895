import { columnText } from './document-query.ts'
import { DaybookError, messageOf } from './errors.ts'
import {
  type DataOutput,
  definitionsOf,
  type EventSet,
  type RecordedEvent,
  type RecordedEventOf,
} from './event.ts'
import { deepFreeze, type EvolveFunction, fingerprintText, functionsOf } from './fold.ts'
import { streamsOfKey } from './key-streams.ts'
import { encodeLegalObject } from './legal-data.ts'
import { integerWithin, maxColumnBytes, printable } from './limits.ts'
import { legalCategory, legalName, utf8Length } from './names.ts'
import type { ColumnType, ColumnValue, DocumentRow, ReadModelShape } from './ports/read-models.ts'
import type { QueryItem } from './query.ts'
import type { FailurePolicy } from './subscription.ts'

/**
 * When a projection runs: `async` after the append (the default), `inline` in the append's own transaction, `live`
 * in memory when it is asked.
 */
export type ProjectionMode = 'async' | 'inline' | 'live'

/** Columns a read model can be queried by: fields of its documents. */
export type ColumnsOf<Document> = { readonly [Field in keyof Document & string]?: ColumnType }

/** What a projection is defined by. */
export interface ProjectionOptions<Definitions, Document, Columns> {
  /** Raise it with every change of the fold; a new version is filled from the log beside the old. Default 1. */
  readonly version?: number
  readonly from: EventSet<Definitions>
  /** Only events of these categories; every category unless given. */
  readonly categories?: readonly string[]
  /** The key of the document an event belongs to; several, or undefined for none. */
  readonly key: (event: RecordedEventOf<Definitions>) => string | readonly string[] | undefined
  /** The document before its first event. */
  readonly initial: Document
  readonly columns?: Columns
  readonly mode?: ProjectionMode
  /**
   * What becomes of an event that the fold throws on: `stop` (the default) stops at it, `park` leaves it out until a person
   * decides, `park-stream` leaves out later events of its stream as well. Of an inline projection always `stop`: the event is
   * not appended.
   */
  readonly onFailure?: FailurePolicy
  /**
   * When a new version that is filled takes the place of the old one: at once (`auto`, the default), or when a person says
   * so, who may compare them first: `book.rebuilds.swap`. An inline projection takes its place when the book is opened.
   */
  readonly swap?: 'auto' | 'manual'
  /** Pure functions: the document before and the event's data give the document after; null deletes it. */
  readonly evolve: NoInfer<{
    readonly [Type in keyof Definitions & string]?: (
      document: Document,
      data: DataOutput<Definitions[Type]>,
      event: RecordedEvent<Type, DataOutput<Definitions[Type]>>,
    ) => Document | null
  }>
}

/** A projection; its result is the read model that `book.read(projection)` queries. */
export interface Projection<Document, Columns> {
  readonly definition: ProjectionDefinition
  readonly [documentOf]?: { readonly document: Document; readonly columns: Columns }
}

declare const documentOf: unique symbol

/** Any projection, its types erased. */
export interface AnyProjection {
  readonly definition: ProjectionDefinition
}

/** A projection as the engine runs it. */
export interface ProjectionDefinition {
  readonly shape: ReadModelShape
  /** The name its checkpoint is kept under: `balances@2`. */
  readonly subscription: string
  readonly mode: ProjectionMode
  readonly onFailure: FailurePolicy
  readonly swap: 'auto' | 'manual'
  readonly items: readonly QueryItem[]
  readonly fingerprintText: string
  readonly initial: unknown
  readonly keysOf: (event: RecordedEvent) => readonly string[]
  /** The streams that alone have events of a key; undefined where its events may be anywhere. */
  readonly streamsOf: (key: string) => readonly string[] | undefined
  readonly evolve: ReadonlyMap<string, EvolveFunction>
}

const name = /^[a-z][a-z0-9_-]{0,47}$/
const columnName = /^[A-Za-z][A-Za-z0-9_]{0,62}$/
const columnTypes: readonly unknown[] = ['integer', 'real', 'text', 'boolean']

/**
 * Defines a projection: a pure fold per key over the log.
 *
 * @throws DaybookError `DEFINITION_INVALID`, `ILLEGAL_NAME`
 */
export function projection<
  Definitions,
  Document extends object,
  const Columns extends ColumnsOf<Document> = Record<never, never>,
>(
  projectionName: string,
  options: ProjectionOptions<Definitions, Document, Columns>,
): Projection<Document, Columns> {
  if (!name.test(projectionName)) {
    throw invalid(projectionName, 'its name must be 1 to 48 of a-z, 0-9, _ and -, beginning with a letter')
  }
  const version = integerWithin(
    `version of projection "${projectionName}"`,
    options.version ?? 1,
    1,
    1_000_000,
  )
  const evolve = functionsOf(projectionName, options.evolve as { readonly [type: string]: unknown })
  for (const type of evolve.keys()) {
    if (!options.from[definitionsOf].has(type))
      throw invalid(projectionName, `evolve.${type} is no event of "from"`)
  }
  if (evolve.size === 0) throw invalid(projectionName, 'evolve is empty')
  if (
    options.onFailure !== undefined &&
    options.onFailure !== 'stop' &&
    (options.mode ?? 'async') !== 'async'
  )
    throw invalid(
      projectionName,
      `only an async projection can go on without an event, not one that is ${options.mode}`,
    )
  const categories = options.categories?.map(legalCategory)
  const columns = legalColumns(projectionName, options.columns ?? {})
  const keyText = String(options.key)
  const mode = options.mode ?? 'async'
  if (mode !== 'async' && options.swap === 'manual')
    throw invalid(projectionName, `${mode} and swap: 'manual' exclude each other`)
  const definition: ProjectionDefinition = {
    shape: { name: projectionName, version, columns },
    subscription: `${projectionName}@${version}`,
    mode,
    onFailure: options.onFailure ?? 'stop',
    swap: options.swap ?? 'auto',
    items: [{ types: [...evolve.keys()], ...(categories ? { categories } : {}) }],
    fingerprintText: fingerprintText(
      `${projectionName} ${keyText} ${JSON.stringify([columns, categories])}`,
      version,
      options.initial,
      evolve,
    ),
    initial: deepFreeze(options.initial),
    keysOf: (event) => keysOf(projectionName, options.key as (event: RecordedEvent) => unknown, event),
    streamsOf: streamsOfKey(options.key, categories),
    evolve,
  }
  return { definition }
}

/** Folds one event into one document; undefined is the document before its first event, null a deleted one. */
export function evolveDocument(
  definition: ProjectionDefinition,
  document: unknown,
  event: RecordedEvent,
): unknown {
  const step = definition.evolve.get(event.type)
  if (step === undefined) return document
  try {
    return step(document ?? definition.initial, event.data, event)
  } catch (cause) {
    throw projectionFailed(definition, event, cause)
  }
}

/** A document as it is stored; throws `PROJECTION_FAILED` when it is no legal JSON object or a column has another type. */
export function documentRow(definition: ProjectionDefinition, key: string, document: unknown): DocumentRow {
  let text: string
  try {
    text = encodeLegalObject(document, `document ${JSON.stringify(key)}`)
  } catch (cause) {
    throw new DaybookError(
      'PROJECTION_FAILED',
      `projection "${definition.shape.name}": ${(cause as Error).message}`,
      { projection: definition.shape.name, key },
      cause,
    )
  }
  return { key, document: text, columns: columnValues(definition, key, document) }
}

/** The values of the declared columns, in their order; a missing field is null. Throws `PROJECTION_FAILED`. */
export function columnValues(
  definition: ProjectionDefinition,
  key: string,
  document: unknown,
): ColumnValue[] {
  return Object.entries(definition.shape.columns).map(([column, type]) => {
    const value = (document as { readonly [field: string]: unknown })[column] ?? null
    if (typeof value === 'string' && type === 'text') {
      const text = columnText(value)
      if (utf8Length(text) <= maxColumnBytes) return text
      throw new DaybookError(
        'PROJECTION_FAILED',
        `projection "${definition.shape.name}", document ${JSON.stringify(key)}: column ${column} has ${utf8Length(text)} bytes, the limit is ${maxColumnBytes}; keep long text in the document, and a short one to search by in the column`,
        { projection: definition.shape.name, key, column, limit: maxColumnBytes },
      )
    }
    if (value === null || isOfType(type, value)) return value as ColumnValue
    throw new DaybookError(
      'PROJECTION_FAILED',
      `projection "${definition.shape.name}", document ${JSON.stringify(key)}: column ${column} is declared ${type} but is ${printable(value)}`,
      { projection: definition.shape.name, key, column },
    )
  })
}

function isOfType(type: ColumnType, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value)
  if (type === 'real') return Number.isFinite(value)
  return typeof value === (type === 'text' ? 'string' : 'boolean')
}

function keysOf(
  projectionName: string,
  key: (event: RecordedEvent) => unknown,
  event: RecordedEvent,
): readonly string[] {
  let given: unknown
  try {
    given = key(event)
  } catch (cause) {
    throw projectionFailed({ shape: { name: projectionName } }, event, cause)
  }
  if (given === undefined) return []
  try {
    if (!Array.isArray(given)) return [legalName('document key', given)]
    return [...new Set(given.map((single) => legalName('document key', single)))]
  } catch (cause) {
    throw projectionFailed({ shape: { name: projectionName } }, event, cause)
  }
}

function projectionFailed(
  definition: { readonly shape: { readonly name: string } },
  event: RecordedEvent,
  cause: unknown,
): DaybookError {
  return new DaybookError(
    'PROJECTION_FAILED',
    `projection "${definition.shape.name}" threw on ${event.type} at position ${event.position}: ${messageOf(cause)}`,
    { projection: definition.shape.name, type: event.type, position: event.position },
    cause,
  )
}

// The last six are PostgreSQL's own, in every table.
const takenColumns = new Set(['key', 'document', 'tableoid', 'ctid', 'xmin', 'xmax', 'cmin', 'cmax'])

function legalColumns(
  projectionName: string,
  columns: { readonly [column: string]: unknown },
): { readonly [column: string]: ColumnType } {
  const lower = new Set<string>()
  for (const [column, type] of Object.entries(columns)) {
    if (!columnName.test(column))
      throw invalid(projectionName, `the column ${printable(column)} must be letters, digits and _`)
    if (!columnTypes.includes(type))
      throw invalid(projectionName, `the column ${column} has the unknown type ${printable(type)}`)
    const folded = column.toLowerCase()
    if (takenColumns.has(folded) || lower.has(folded)) {
      throw invalid(projectionName, `the column name ${column} is taken`)
    }
    lower.add(folded)
  }
  return columns as { readonly [column: string]: ColumnType }
}

function invalid(projectionName: string, problem: string): DaybookError {
  return new DaybookError('DEFINITION_INVALID', `projection ${printable(projectionName)}: ${problem}`, {
    projection: projectionName,
  })
}
