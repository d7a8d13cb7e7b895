import type {
  AnyDecider,
  AnyProcessManager,
  AnyProjection,
  Book,
  BookOptions,
  Diagnostic,
  SqlProjection,
} from 'daybook'
import { openBook } from 'daybook'
import { configNames, findConfig, loadConfig } from './config-file.ts'
import { CommandFailure } from './failures.ts'
import type { Output } from './output.ts'
import { readOnly, refuseFolder, requireBook, storeAt } from './store-address.ts'

/** Which book is meant: what `--config` and `--store` say. */
export interface BookChoice {
  readonly config?: string
  readonly store?: string
}

/** What opening a book takes. */
export interface Opening {
  readonly choice: BookChoice
  readonly output: Output
}

/**
 * What the configuration defines, its store replaced by `--store`. Commands that need only a store do without a
 * configuration when `--store` names one.
 */
export async function definitionsOf(
  { choice }: Opening,
  need: 'store' | 'definitions' = 'definitions',
): Promise<BookOptions> {
  const store = choice.store === undefined ? undefined : storeAt(choice.store)
  if (store !== undefined && need === 'store' && choice.config === undefined) return { store }
  const path = choice.config ?? findConfig(process.cwd())
  if (path === undefined) {
    if (store !== undefined) return { store }
    throw noConfig()
  }
  const defined = await loadConfig(path)
  return store === undefined ? defined : { ...defined, store }
}

function noConfig(): CommandFailure {
  return new CommandFailure({
    code: 'CONFIG_INVALID',
    message: `no ${configNames[0]} in this folder or above it`,
    hint: 'Run `daybook init` to begin one, name one with --config FILE, or name only a store with --store sqlite:FILE.',
    facts: { folder: process.cwd() },
  })
}

/** Opens a book for reading: nothing is created, changed or run. */
export async function openToRead(opening: Opening, need: 'store' | 'definitions' = 'store'): Promise<Book> {
  const defined = await definitionsOf(opening, need)
  requireBook(defined.store)
  return open(opening, { ...unfollowed(defined), store: readOnly(defined.store), snapshots: false })
}

/** Opens a book for writing; inline projections are kept, all else that follows the log is left to its own process. */
export async function openToWrite(opening: Opening): Promise<Book> {
  const defined = await definitionsOf(opening)
  refuseFolder(defined.store)
  const inline = (defined.projections ?? []).filter(({ definition }) => definition.mode === 'inline')
  return open(opening, { ...unfollowed(defined), projections: inline })
}

/** Opens a book to ask what it tells of itself and where its projections stand; the answer says what a warning would. */
export async function openForStatus(defined: BookOptions): Promise<Book> {
  requireBook(defined.store)
  return openBook({
    ...unfollowed(defined),
    projections: defined.projections ?? [],
    follow: false,
    onDiagnostic: () => undefined,
  })
}

/** Opens a book to see where everything stands that follows it: nothing is prepared, changed or run. */
export async function openToWatch({ lag: _lag, meter: _meter, ...defined }: BookOptions): Promise<Book> {
  requireBook(defined.store)
  const store = readOnly(defined.store)
  return openBook({ ...defined, store, snapshots: false, follow: false, onDiagnostic: () => undefined })
}

/** Opens a book for reading with the code of these projections alone: nothing is prepared, changed or run. */
export function openToSee(defined: BookOptions, projections: readonly AnyProjection[]): Promise<Book> {
  return openToWatch({ ...unfollowed(defined), projections })
}

/** Opens a book to decide about what follows it, with the code of these projections alone; nothing is run. */
export async function openToManage(
  opening: Opening,
  defined: BookOptions,
  projections: readonly AnyProjection[] = [],
  sqlProjections: readonly SqlProjection[] = [],
): Promise<Book> {
  requireBook(defined.store)
  return open(opening, { ...unfollowed(defined), projections, sqlProjections })
}

/** Opens a book and brings some of its projections up to date as long as it is open. */
export async function openFollowing(
  opening: Opening,
  defined: BookOptions,
  projections: readonly AnyProjection[],
): Promise<Book> {
  requireBook(defined.store)
  return open(opening, { ...unfollowed(defined), projections }, true)
}

/**
 * A book without all that follows it. Reactions, subscriptions and processes have effects on the world: no command runs
 * them, or makes them begin. Nor does one raise an alarm or count among the processes that are measured.
 */
function unfollowed({ lag: _lag, meter: _meter, ...defined }: BookOptions): BookOptions {
  return { ...defined, projections: [], sqlProjections: [], reactions: [], subscriptions: [], processes: [] }
}

/** Of a command that runs a projection for a moment these are no news: it does so because the projection is behind. */
const expected: ReadonlySet<Diagnostic['kind']> = new Set([
  'projection-stopped',
  'projection-swapped',
  'follower-lagging',
  'follower-stuck',
  'follower-recovered',
])

function open({ output }: Opening, options: BookOptions, follow = false): Promise<Book> {
  const onDiagnostic = ({ kind, message }: Diagnostic): void => {
    // Whoever waits for a projection that stops is told by the failure.
    if (!expected.has(kind)) void output.warning(kind, message).catch(() => undefined)
  }
  return openBook({ ...options, follow, onDiagnostic })
}

/** The decider of a category among those defined; throws `NOT_REGISTERED` naming those there are. */
export function deciderNamed(defined: BookOptions, category: string): AnyDecider {
  const known = defined.deciders ?? []
  return (
    known.find(({ definition }) => definition.category === category) ??
    notDefined(
      'decider',
      category,
      known.map(({ definition }) => definition.category),
    )
  )
}

/** The newest projection of a name, or the one of a version (`balances@2`); throws `NOT_REGISTERED` naming those there are. */
export function projectionNamed(defined: BookOptions, name: string): AnyProjection {
  const known = (defined.projections ?? []).toSorted(
    (one, other) => other.definition.shape.version - one.definition.shape.version,
  )
  return (
    known.find(({ definition }) => [definition.shape.name, definition.subscription].includes(name)) ??
    notDefined(
      'projection',
      name,
      known.map(({ definition }) => definition.shape.name),
    )
  )
}

/** The SQL projection of a name or a version, where there is one: the newest unless the name says which. */
export function sqlProjectionNamed(
  { sqlProjections = [] }: BookOptions,
  name: string,
): SqlProjection | undefined {
  return sqlProjections
    .toSorted((one, other) => other.definition.version - one.definition.version)
    .find(({ definition }) => [definition.name, definition.subscription].includes(name))
}

/** All versions of a projection that are defined. */
export function versionsOf({ projections = [] }: BookOptions, name: string): readonly AnyProjection[] {
  return projections.filter(({ definition }) => definition.shape.name === name)
}

/** The process manager of a name; throws `NOT_REGISTERED` naming those there are. */
export function processNamed({ processes = [] }: BookOptions, name: string): AnyProcessManager {
  return (
    processes.find(({ definition }) => definition.name === name) ??
    notDefined(
      'process',
      name,
      processes.map(({ definition }) => definition.name),
    )
  )
}

function notDefined(
  kind: 'decider' | 'projection' | 'process',
  name: string,
  known: readonly string[],
): never {
  throw new CommandFailure({
    code: 'NOT_REGISTERED',
    message: `the book has no ${kind} ${JSON.stringify(name)}; it has ${known.join(', ') || 'none'}`,
    hint:
      known.length === 0
        ? `A ${kind} is defined in ${configNames[0]}: --store alone knows none.`
        : `Use one of those names, or add the ${kind} to defineBook in ${configNames[0]}.`,
    facts: { [kind]: name, known },
  })
}
