import type { Book, BookOptions, FollowerStatus, RebuildStatus } from 'daybook'
import { CommandFailure } from './failures.ts'
import { type Opening, openToManage, openToSee } from './opening.ts'

/** The copies of a read model; throws `NOT_REGISTERED` naming those that the book has. */
export async function copiesOf(book: Book, name: string): Promise<RebuildStatus> {
  const all = await book.rebuilds.status()
  const known = all.map(({ projection }) => projection)
  return all.find(({ projection }) => projection === name) ?? unknown(name, known)
}

/** The copies of a read model, seen from outside: the book is opened for it and closed again. Throws as `copiesOf`. */
export async function copiesSeen(defined: BookOptions, name: string): Promise<RebuildStatus> {
  await using book = await openToSee(defined, [])
  return await copiesOf(book, name)
}

/** The copies of a read model as a command finds them that may write; undefined where the book has none yet. */
export async function copiesKnown(
  opening: Opening,
  defined: BookOptions,
  name: string,
): Promise<RebuildStatus | undefined> {
  await using book = await openToManage(opening, defined)
  return (await book.rebuilds.status()).find(({ projection }) => projection === name)
}

/** Throws `NOT_REGISTERED`. */
export function unknown(name: string, known: readonly string[]): never {
  throw new CommandFailure({
    code: 'NOT_REGISTERED',
    message: `the book has no read model ${JSON.stringify(name)}; it has ${known.join(', ') || 'none'}`,
    hint: 'Names are compared letter by letter, and stand here without a version. One that no process has had open yet is not there.',
    facts: { projection: name, known },
  })
}

/** The versions of a projection whose code is here, the newest first. */
export function newestFirst(statuses: readonly FollowerStatus[]): readonly FollowerStatus[] {
  return statuses.toSorted((one, other) => (other.version ?? 1) - (one.version ?? 1))
}
