import { DaybookError } from './errors.ts'
import { type DataOutput, definitionsOf, type EventSet, type RecordedEvent } from './event.ts'
import { fingerprintText, functionsOf } from './fold.ts'
import { integerWithin, printable } from './limits.ts'
import { legalCategory } from './names.ts'
import type { SqlTransaction } from './ports/following.ts'
import type { QueryItem } from './query.ts'
import type { FailurePolicy } from './subscription.ts'

/** Statements for each kind of database that the projection can be kept in. */
export interface SqlTexts {
  readonly sqlite?: readonly string[]
  readonly postgres?: readonly string[]
}

/** What a projection into the application's own tables is defined by. */
export interface SqlProjectionOptions<Definitions> {
  /** Raise it with every change; a new version begins at the first event, with tables of its own. Default 1. */
  readonly version?: number
  readonly from: EventSet<Definitions>
  /** Only events of these categories; every category unless given. */
  readonly categories?: readonly string[]
  /**
   * What becomes of an event that its function or the database refuses, also by itself. Default: `stop`. Others go on
   * without it: `park`, or `park-stream`, where later events of its stream wait behind it.
   */
  readonly onFailure?: FailurePolicy
  /** Makes the tables: run once, when a book first meets this version, and again after `clear`. */
  readonly tables: SqlTexts
  /** Undoes it, or empties the tables, for a rebuild: `tables` is run again afterwards, in the same transaction. */
  readonly clear: SqlTexts
  /**
   * Changes the tables, by `sql` and nothing else: a function may run again, when the transaction was taken back. One that
   * returns its statement, or does not wait for it, has it sent together with those of other events.
   */
  readonly evolve: NoInfer<{
    readonly [Type in keyof Definitions & string]?: (
      sql: SqlTransaction,
      data: DataOutput<Definitions[Type]>,
      event: RecordedEvent<Type, DataOutput<Definitions[Type]>>,
    ) => unknown
  }>
}

/** A projection into the application's own tables; see `sqlProjection`. */
export interface SqlProjection {
  readonly definition: SqlProjectionDefinition
}

/** One function of a SQL projection, its types erased. */
export type SqlEvolve = (sql: SqlTransaction, data: unknown, event: RecordedEvent) => unknown

/** A SQL projection as the engine runs it. */
export interface SqlProjectionDefinition {
  readonly name: string
  readonly version: number
  /** The name its checkpoint is kept under: `ledger@2`. */
  readonly subscription: string
  readonly onFailure: FailurePolicy
  readonly items: readonly QueryItem[]
  readonly fingerprintText: string
  readonly tables: SqlTexts
  readonly clear: SqlTexts
  readonly evolve: ReadonlyMap<string, SqlEvolve>
}

const projectionName = /^[a-z][a-z0-9_-]{0,47}$/

/**
 * Defines a projection into tables of the application's own, by its own SQL, in the database of the book. Statements and
 * checkpoint are committed together, many events a transaction: each event counts once, whatever crashes.
 *
 * @throws DaybookError `DEFINITION_INVALID`, `ILLEGAL_ARGUMENT`, `ILLEGAL_NAME`
 */
export function sqlProjection<Definitions>(
  name: string,
  options: SqlProjectionOptions<Definitions>,
): SqlProjection {
  if (!projectionName.test(name))
    throw invalid(name, 'its name must be 1 to 48 of a-z, 0-9, _ and -, beginning with a letter')
  const version = integerWithin(`version of ${printable(name)}`, options.version ?? 1, 1, 1_000_000)
  const evolve = functionsOf(name, options.evolve as { readonly [type: string]: unknown })
  if (evolve.size === 0) throw invalid(name, 'evolve is empty')
  for (const type of evolve.keys())
    if (!options.from[definitionsOf].has(type)) throw invalid(name, `evolve.${type} is no event of "from"`)
  const { tables, clear } = options
  for (const dialect of dialects)
    if ((tables[dialect] === undefined) !== (clear[dialect] === undefined))
      throw invalid(name, `tables and clear must both be given for ${dialect}, or neither`)
  if (dialects.every((dialect) => tables[dialect] === undefined))
    throw invalid(name, `tables names none of ${dialects.join(', ')}`)
  const categories = options.categories?.map(legalCategory)
  return {
    definition: {
      name,
      version,
      subscription: `${name}@${version}`,
      onFailure: options.onFailure ?? 'stop',
      items: [{ types: [...evolve.keys()], ...(categories ? { categories } : {}) }],
      fingerprintText: fingerprintText(name, version, [categories, tables], evolve),
      tables,
      clear,
      evolve: evolve as ReadonlyMap<string, unknown> as ReadonlyMap<string, SqlEvolve>,
    },
  }
}

const dialects = ['sqlite', 'postgres'] as const

function invalid(name: string, problem: string): DaybookError {
  return new DaybookError('DEFINITION_INVALID', `SQL projection ${printable(name)}: ${problem}`, {
    projection: name,
  })
}
