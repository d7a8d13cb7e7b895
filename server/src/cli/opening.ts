import type { AnyDecider, AnyProjection, Book, BookOptions, Diagnostic } from 'daybook'
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
  return open(opening, { ...defined, store: readOnly(defined.store), projections: [], snapshots: false })
}

/** Opens a book for writing; inline projections are kept, all else that follows the log is left to its own process. */
export async function openToWrite(opening: Opening): Promise<Book> {
  const defined = await definitionsOf(opening)
  refuseFolder(defined.store)
  return open(opening, defined)
}

/** Opens a book to ask what it tells of itself and where its projections stand; the answer says what a warning would. */
export async function openForStatus(defined: BookOptions): Promise<Book> {
  requireBook(defined.store)
  return openBook({ ...defined, follow: false, reactions: [], onDiagnostic: () => undefined })
}

/** Opens a book and brings some of its projections up to date as long as it is open. */
export async function openFollowing(
  opening: Opening,
  defined: BookOptions,
  projections: readonly AnyProjection[],
): Promise<Book> {
  requireBook(defined.store)
  return open(opening, { ...defined, projections }, true)
}

/** Reactions have effects on the world: no command runs them. */
function open({ output }: Opening, options: BookOptions, follow = false): Promise<Book> {
  const onDiagnostic = ({ kind, message }: Diagnostic): void => {
    // Whoever waits for a projection that stops is told by the failure.
    if (kind !== 'projection-stopped') void output.warning(kind, message).catch(() => undefined)
  }
  return openBook({ ...options, follow, reactions: [], onDiagnostic })
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

function notDefined(kind: 'decider' | 'projection', name: string, known: readonly string[]): never {
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
