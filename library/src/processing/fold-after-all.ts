import { DaybookError } from '../core/errors.ts'
import type { FollowingStore, ParkedEvent } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { ReadModelChange, ReadModelStore } from '../core/ports/read-models.ts'
import type { EventLog } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import type { EventRow } from '../core/row-hash.ts'
import { errorText } from './aside.ts'
import { DocumentFold } from './document-fold.ts'
import type { ProjectionAsides } from './projection-asides.ts'

/** What folding an event needs that was left out. */
export interface FoldAfterAllParts {
  readonly definition: ProjectionDefinition
  readonly log: EventLog
  readonly models: ReadModelStore
  readonly following: FollowingStore
  readonly host: Host
  readonly onParked: (event: EventRow, error: unknown) => void
}

/**
 * Folds one event that a projection had left out, onto the documents as they are now. Rejects with `TRANSACTION_ABORTED`
 * when the read model is not where it was said to be.
 *
 * @param stay the move from the checkpoint to the checkpoint, under the lease
 */
export async function foldAfterAll(
  { definition, log, models, following, host, onParked }: FoldAfterAllParts,
  asides: ProjectionAsides,
  event: ParkedEvent,
  stay: Omit<ReadModelChange, 'upserts' | 'deletes'>,
): Promise<void> {
  const { position, stream, subscription } = event
  const slice = { afterPosition: position - 1, toPosition: position, items: undefined, limit: 1 }
  const { rows } = await log.readLog(slice)
  const fold = new DocumentFold(definition)
  const { error } = await fold.fold(rows, models, { subscription, position: stay.fromPosition })
  const taken = error === undefined ? takenFrom(fold) : { error }
  const nowMs = host.now()
  const waits = await following.transaction(async (transaction) => {
    if (stay.lease === undefined || !(await transaction.holds(stay.lease))) return undefined
    const [found] = await transaction.parked({ subscription, position, limit: 1 })
    if (found?.status !== 'retrying') return true
    if (!('error' in taken)) {
      if (!(await transaction.change({ ...stay, ...taken }))) return undefined
      return asides.done(transaction, found, nowMs)
    }
    await transaction.putParked({
      ...found,
      status: 'parked',
      attempts: found.attempts + 1,
      error: errorText(taken.error),
      nextAtMs: null,
      failedAtMs: nowMs,
      changedAtMs: nowMs,
    })
    return true
  })
  if (waits === undefined)
    throw new DaybookError('TRANSACTION_ABORTED', `${subscription} was moved by somebody else`, {
      subscription,
    })
  if (!waits) asides.release(stream)
  if ('error' in taken && rows[0] !== undefined) onParked(rows[0], taken.error)
}

function takenFrom(
  fold: DocumentFold,
): ReturnType<DocumentFold['takeChanges']> | { readonly error: unknown } {
  try {
    return fold.takeChanges()
  } catch (error) {
    return { error }
  }
}
