import type { ReadModelCopy } from '../core/ports/following.ts'
import { copySubscription, isSameCopy } from '../core/read-model-copies.ts'
import { swapCopies } from '../processing/rebuild-swap.ts'
import type { BookContext } from './context.ts'
import { type ReadModelRegistry, refused } from './read-model-registry.ts'
import type { SwapResult } from './rebuild-options.ts'
import type { StoredProjection } from './stored-projection.ts'

/** What letting another copy serve needs. */
export interface PlacesParts {
  readonly context: BookContext
  readonly registry: ReadModelRegistry
  /** The projection of the copy's version, where its code is here. */
  readonly stored: StoredProjection | undefined
  readonly name: string
  readonly copy: ReadModelCopy
  readonly allowBehind: boolean
}

/** Lets a copy serve: brings it near to what serves first, where its code is here. Throws `REBUILD_REFUSED`. */
export async function changePlaces(parts: PlacesParts): Promise<SwapResult> {
  const { context, registry, stored, name, copy, allowBehind } = parts
  const { log, following, readModels } = context.store
  const definition = stored?.definition
  if (stored !== undefined) {
    await stored.bringToHead(copy)
    await readModels.index({ ...stored.definition.shape, ...copy })
  }
  for (;;) {
    const swapParts = { name, copy, definition, log, following, host: context.host }
    const end = await swapCopies(swapParts, allowBehind)
    if (end.kind === 'swapped') {
      await registry.refresh()
      await stored?.settled()
      await stored?.dropLeft()
      const { serving } = end.record
      return { projection: name, serving, previous: end.record.previous ?? serving, position: end.position }
    }
    if (end.kind === 'gone') {
      const { serving, previous = serving } = end.record ?? refused(name, 'the book has no such read model')
      if (!isSameCopy(serving, copy)) return refused(name, `the copy ${copySubscription(name, copy)} is gone`)
      // Somebody else let it serve meanwhile.
      await registry.refresh()
      await stored?.settled()
      const checkpoint = await readModels.checkpoint(copySubscription(name, copy))
      return { projection: name, serving, previous, position: checkpoint?.position ?? 0 }
    }
    if (end.kind === 'moved') continue
    if (stored === undefined)
      return refused(
        name,
        `${copySubscription(name, copy)} lies ${end.by} events behind what serves, and the code of version ${copy.version} is not in this process`,
        { version: copy.version, behind: end.by },
      )
    await stored.bringToHead(copy)
  }
}
