import type { ReadModelCopy, ReadModelRecord } from './ports/following.ts'
import type { ProjectionDefinition } from './projection.ts'

/** What a copy is for; `aside` is one that the record does not name: of code older than what serves. */
export type CopyRole = 'serving' | 'previous' | 'next' | 'aside'

/** Where a copy keeps its checkpoint: `balances@2`, and from the second filling of a version on `balances@2.3`. */
export function copySubscription(name: string, { version, generation }: ReadModelCopy): string {
  return generation === 1 ? `${name}@${version}` : `${name}@${version}.${generation}`
}

/** The copy of a read model that a checkpoint belongs to; undefined for the checkpoint of anything else. */
export function copyOfSubscription(name: string, subscription: string): ReadModelCopy | undefined {
  if (!subscription.startsWith(`${name}@`)) return undefined
  const [, version, generation] = /^(\d+)(?:\.(\d+))?$/.exec(subscription.slice(name.length + 1)) ?? []
  if (version === undefined) return undefined
  return { version: Number(version), generation: Number(generation ?? 1) }
}

export function isSameCopy(one: ReadModelCopy | undefined, other: ReadModelCopy | undefined): boolean {
  return one?.version === other?.version && one?.generation === other?.generation
}

/** A projection that folds into one copy. */
export function definitionOf(definition: ProjectionDefinition, copy: ReadModelCopy): ProjectionDefinition {
  const { shape } = definition
  return {
    ...definition,
    shape: { ...shape, version: copy.version, generation: copy.generation },
    subscription: copySubscription(shape.name, copy),
  }
}

/** What a copy is for. */
export function roleOf(record: ReadModelRecord, copy: ReadModelCopy): CopyRole {
  if (isSameCopy(record.serving, copy)) return 'serving'
  if (isSameCopy(record.next, copy)) return 'next'
  return isSameCopy(record.previous, copy) ? 'previous' : 'aside'
}

/** The copy that code of a version keeps up to date: the one that serves, else the one that is to, else the one that did. */
export function ownCopy({ serving, next, previous }: ReadModelRecord, version: number): ReadModelCopy {
  const held = [serving, next, previous].find((copy) => copy?.version === version)
  return held ?? { version, generation: 1 }
}

/**
 * The copy that answers code of a version: the one that serves, also when it is of an older version. Code that is older
 * than what serves reads the copy of its own, which has the documents it knows.
 */
export function answeringCopy(record: ReadModelRecord, version: number): ReadModelCopy {
  return record.serving.version <= version ? record.serving : ownCopy(record, version)
}

/** What a book has stored of a read model before code of a version is opened. */
export interface StoredCopies {
  readonly name: string
  readonly record: ReadModelRecord | undefined
  /** The copies that have a checkpoint. */
  readonly stored: readonly ReadModelCopy[]
}

/**
 * The record when code of a version is opened. The first version serves at once; a newer one becomes `next`. A book without
 * a record is from before there were any: what it has stored serves.
 */
export function recordWhenOpened(
  { name, record, stored }: StoredCopies,
  version: number,
  nowMs: number,
): ReadModelRecord {
  const own: ReadModelCopy = { version, generation: 1 }
  if (record === undefined) {
    const older = stored.filter((copy) => copy.version < version).sort((a, b) => b.version - a.version)[0]
    const hasOwn = stored.some((copy) => isSameCopy(copy, own))
    const serving = hasOwn ? own : (older ?? own)
    const next = isSameCopy(serving, own) ? undefined : own
    return { name, serving, previous: hasOwn ? older : undefined, next, changedAtMs: nowMs }
  }
  const { serving, next, previous } = record
  const isKnown = [serving, next, previous].some((copy) => copy?.version === version)
  if (isKnown || version < serving.version || (next !== undefined && next.version > version)) return record
  return { ...record, next: own, changedAtMs: nowMs }
}

/** A copy of the version to be filled beside what serves: the one begun already, else a new one. */
export function nextCopy({ record, stored }: StoredCopies, version: number): ReadModelCopy {
  if (record?.next?.version === version) return record.next
  const used = [record?.serving, record?.previous, record?.next, ...stored]
    .filter((copy) => copy?.version === version)
    .map((copy) => copy?.generation ?? 0)
  return { version, generation: Math.max(0, ...used) + 1 }
}

/** `next` serves, and what served is kept to go back to. */
export function recordWhenSwapped(
  record: ReadModelRecord,
  next: ReadModelCopy,
  nowMs: number,
): ReadModelRecord {
  return { ...record, serving: next, previous: record.serving, next: undefined, changedAtMs: nowMs }
}

/** The copies of a read model that its record does not name: nobody reads them but code of their version. */
export function leftCopies(
  record: ReadModelRecord,
  stored: readonly ReadModelCopy[],
): readonly ReadModelCopy[] {
  return stored.filter((copy) => roleOf(record, copy) === 'aside')
}

/**
 * Where the checkpoint of an inline copy stands when another has taken its place: below zero. Whoever appends moves the
 * checkpoint of the copy it knows, and one that has not heard yet must not find it where it was.
 */
export function retiredPosition(position: number): number {
  return -1 - position
}

export function isRetired({ position }: { readonly position: number }): boolean {
  return position < 0
}

/** What a copy has folded, whether it is retired or not. */
export function foldedPosition({ position }: { readonly position: number }): number {
  return position < 0 ? -1 - position : position
}
