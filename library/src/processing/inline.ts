import { DaybookError } from '../core/errors.ts'
import type { Checkpoint, ReadModelTransaction } from '../core/ports/read-models.ts'
import type { BookIdentity, InlineStep, LogReader } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { matchesQuery } from '../core/query.ts'
import { isRetired } from '../core/read-model-copies.ts'
import { tagsOf } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'
import { DocumentFold } from './document-fold.ts'

/** An inline projection, and the copy of its read model that appends go to now. */
export class InlineProjection {
  readonly base: ProjectionDefinition
  #current: ProjectionDefinition
  #refresh: () => Promise<void> = () => Promise.resolve()

  constructor(base: ProjectionDefinition) {
    this.base = base
    this.#current = base
  }

  /** @param refresh has `turnTo` called when another copy has taken this one's place */
  turnTo(current: ProjectionDefinition, refresh: () => Promise<void>): void {
    this.#current = current
    this.#refresh = refresh
  }

  /** The copy to fold into and its checkpoint, as the transaction of the append sees them. */
  async in(
    models: ReadModelTransaction,
  ): Promise<{ readonly definition: ProjectionDefinition; readonly checkpoint: Checkpoint | undefined }> {
    const definition = this.#current
    const checkpoint = await models.checkpoint(definition.subscription)
    if (checkpoint === undefined || !isRetired(checkpoint)) return { definition, checkpoint }
    await this.#refresh()
    if (this.#current.subscription === definition.subscription) return { definition, checkpoint: undefined }
    return this.in(models)
  }
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
  projection: InlineProjection,
  rows: readonly EventRow[],
  models: ReadModelTransaction,
  log: LogReader,
  { epoch, nowMs }: { readonly epoch: number; readonly nowMs: number },
): Promise<void> {
  const { definition, checkpoint } = await projection.in(models)
  const firstPosition = rows[0]?.position ?? 0
  const lastPosition = rows.at(-1)?.position ?? 0
  if (checkpoint === undefined || checkpoint.position >= firstPosition) {
    throw checkpointMoved(definition, checkpoint, firstPosition)
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
  const isChanged = await models.change({
    shape: definition.shape,
    subscription: definition.subscription,
    fromPosition: checkpoint.position,
    checkpoint: { ...checkpoint, position: lastPosition, epoch, updatedAtMs: nowMs },
    ...fold.takeChanges(),
  })
  if (!isChanged) throw checkpointMoved(definition, checkpoint, firstPosition)
}

function checkpointMoved(
  { subscription }: ProjectionDefinition,
  checkpoint: Checkpoint | undefined,
  firstPosition: number,
): DaybookError {
  const position = checkpoint?.position
  return new DaybookError(
    'CHECKPOINT_BEYOND_HEAD',
    `the inline read model ${subscription} is at position ${position ?? 'none'}, the append begins at ${firstPosition}`,
    { subscription, checkpoint: position, firstPosition },
  )
}

async function foldOrThrow(
  fold: DocumentFold,
  rows: readonly EventRow[],
  models: ReadModelTransaction,
): Promise<void> {
  const { error } = await fold.fold(rows, models)
  if (error !== undefined) throw error
}
