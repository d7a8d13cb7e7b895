import { DaybookError } from '../core/errors.ts'
import type {
  FollowingStore,
  FollowingTransaction,
  ReadModelCopy,
  ReadModelRecord,
} from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { Checkpoint } from '../core/ports/read-models.ts'
import type { EventLog } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import {
  copySubscription,
  definitionOf,
  foldedPosition,
  isSameCopy,
  recordWhenSwapped,
  retiredPosition,
} from '../core/read-model-copies.ts'
import { DocumentFold } from './document-fold.ts'

/** What letting another copy serve needs. */
export interface SwapParts {
  readonly name: string
  /** The copy that is to serve. */
  readonly copy: ReadModelCopy
  /** The projection of the copy's version, where its code is here. */
  readonly definition: ProjectionDefinition | undefined
  readonly log: Pick<EventLog, 'readLog'>
  readonly following: Pick<FollowingStore, 'transaction'>
  readonly host: Pick<Host, 'now'>
}

/** How an attempt to swap ended; only `swapped` changed anything. */
export type SwapEnd =
  /** It serves, at this position, and what served before has become the previous copy. */
  | { readonly kind: 'swapped'; readonly record: ReadModelRecord; readonly position: number }
  /** It lies so many events behind what serves: fold them, and try again. */
  | { readonly kind: 'behind'; readonly by: number }
  /** Somebody else moved what serves meanwhile: try again. */
  | { readonly kind: 'moved' }
  /** It is neither the next nor the previous copy any more. */
  | { readonly kind: 'gone'; readonly record: ReadModelRecord | undefined }

/** So many events are folded within the transaction, while whoever moves what serves waits. */
const mostInTransaction = 2_000

/**
 * Lets another copy serve, in one transaction: what serves is held where it is, the other is folded up to the same
 * position, and they change places. No reader waits, none sees less than it saw before.
 *
 * @param isBehindAllowed also when its code is not here to fold what it lacks
 */
export function swapCopies(parts: SwapParts, isBehindAllowed = false): Promise<SwapEnd> {
  const { following, name, copy } = parts
  return following.transaction(async (transaction) => {
    const record = await transaction.readModel(name)
    const isAtHand = isSameCopy(record?.next, copy) || isSameCopy(record?.previous, copy)
    if (record === undefined || !isAtHand) return { kind: 'gone', record }
    const serving = await transaction.checkpoint(copySubscription(name, record.serving))
    const checkpoint = await transaction.checkpoint(copySubscription(name, copy))
    if (checkpoint === undefined || serving === undefined) return { kind: 'gone', record }
    const by = Math.max(0, serving.position - foldedPosition(checkpoint))
    const mayFold = by > 0 && by <= mostInTransaction && (await isPlain(transaction, parts))
    if (by > 0 && !mayFold && !isBehindAllowed) return { kind: 'behind', by }
    if (!(await hold(transaction, parts, record, serving))) return { kind: 'moved' }
    const position = await bringUp(transaction, parts, checkpoint, mayFold ? serving.position : 0)
    if (position === undefined) return { kind: 'moved' }
    const swapped = recordWhenSwapped(record, copy, parts.host.now())
    const next = isSameCopy(record.next, copy) ? undefined : record.next
    await transaction.putReadModel({ ...swapped, next })
    return { kind: 'swapped', record: { ...swapped, next }, position }
  }, true)
}

/** True when the code of the copy is here and leaves no event out. */
async function isPlain(
  transaction: FollowingTransaction,
  { definition, name, copy }: SwapParts,
): Promise<boolean> {
  if (definition === undefined) return false
  return (await transaction.parked({ subscription: copySubscription(name, copy), limit: 1 })).length === 0
}

/**
 * Nobody moves what serves from here to the end; false when somebody has. Code of one version that does not know yet that
 * another copy serves could still append to an inline one: it is retired.
 */
function hold(
  transaction: FollowingTransaction,
  { name, copy, definition }: SwapParts,
  { serving }: ReadModelRecord,
  checkpoint: Checkpoint,
): Promise<boolean> {
  const isRetiring = definition?.mode === 'inline' && serving.version === copy.version
  const position = isRetiring ? retiredPosition(checkpoint.position) : checkpoint.position
  return transaction.move(copySubscription(name, serving), checkpoint.position, { ...checkpoint, position })
}

/** Folds a copy up to a position at least; undefined when somebody else moves it. */
async function bringUp(
  transaction: FollowingTransaction,
  { definition, copy, name, log, host }: SwapParts,
  checkpoint: Checkpoint,
  toPosition: number,
): Promise<number | undefined> {
  const subscription = copySubscription(name, copy)
  const folded = foldedPosition(checkpoint)
  const position = Math.max(toPosition, folded)
  const moved: Checkpoint = { ...checkpoint, position, updatedAtMs: host.now() }
  if (position === folded || definition === undefined)
    return (await transaction.move(subscription, checkpoint.position, moved)) ? position : undefined
  const own = definitionOf(definition, copy)
  const fold = new DocumentFold(own)
  for (let afterPosition = folded; afterPosition < position; ) {
    const page = await log.readLog({ afterPosition, toPosition: position, items: own.items, limit: 500 })
    const { error } = await fold.fold(page.rows, transaction)
    if (error !== undefined) throw error
    if (page.scannedTo <= afterPosition) throw endsBefore(subscription, position, page.scannedTo)
    afterPosition = page.scannedTo
  }
  const change = { shape: own.shape, subscription, fromPosition: checkpoint.position, checkpoint: moved }
  return (await transaction.change({ ...change, ...fold.takeChanges() })) ? position : undefined
}

function endsBefore(subscription: string, position: number, head: number): DaybookError {
  return new DaybookError(
    'CHECKPOINT_BEYOND_HEAD',
    `what serves is at position ${position}, the log ends at ${head}`,
    { subscription, checkpoint: position, head },
  )
}
