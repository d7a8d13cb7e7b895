import { DaybookError } from '../core/errors.ts'
import type { ReadModelTransaction } from '../core/ports/read-models.ts'
import type { BookIdentity, InlineStep, LogReader } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { matchesQuery } from '../core/query.ts'
import { tagsOf } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'
import { DocumentFold } from './document-fold.ts'

/** An inline projection and the fingerprint of its code. */
export interface InlineProjection {
  readonly definition: ProjectionDefinition
  readonly fingerprint: string
}

/**
 * Inline projections as one step of the append's own transaction: when the append is visible, so are they. An event
 * that one of them throws on is not appended. What a process without this projection appended meanwhile is folded
 * first.
 */
export function inlineStep(
  projections: readonly InlineProjection[],
  identity: BookIdentity,
  now: () => number,
): InlineStep | undefined {
  if (projections.length === 0) return undefined
  return async (rows, models, log) => {
    for (const projection of projections)
      await project(projection, rows, models, log, { ...identity, nowMs: now() })
  }
}

async function project(
  { definition, fingerprint }: InlineProjection,
  rows: readonly EventRow[],
  models: ReadModelTransaction,
  log: LogReader,
  { epoch, nowMs }: { readonly epoch: number; readonly nowMs: number },
): Promise<void> {
  const checkpoint = await models.checkpoint(definition.subscription)
  const firstPosition = rows[0]?.position ?? 0
  const lastPosition = rows.at(-1)?.position ?? 0
  if (checkpoint === undefined || checkpoint.position >= firstPosition) {
    throw new DaybookError(
      'CHECKPOINT_BEYOND_HEAD',
      `the inline read model ${definition.subscription} is at position ${checkpoint?.position ?? 'none'}, the append begins at ${firstPosition}`,
      { subscription: definition.subscription, checkpoint: checkpoint?.position, firstPosition },
    )
  }
  const fold = new DocumentFold(definition)
  for (let afterPosition = checkpoint.position; afterPosition < firstPosition - 1; ) {
    const page = await log.readLog({
      afterPosition,
      toPosition: firstPosition - 1,
      items: definition.items,
      limit: 500,
    })
    await foldOrThrow(fold, page.rows, models)
    afterPosition = page.scannedTo
  }
  const own = rows.filter((row) =>
    matchesQuery(definition.items, { stream: row.stream, type: row.type, tags: tagsOf(row) }),
  )
  await foldOrThrow(fold, own, models)
  await models.change({
    shape: definition.shape,
    subscription: definition.subscription,
    fromPosition: checkpoint.position,
    checkpoint: { position: lastPosition, epoch, fingerprint, updatedAtMs: nowMs },
    ...fold.takeChanges(),
  })
}

async function foldOrThrow(
  fold: DocumentFold,
  rows: readonly EventRow[],
  models: ReadModelTransaction,
): Promise<void> {
  const { error } = await fold.fold(rows, models)
  if (error !== undefined) throw error
}
