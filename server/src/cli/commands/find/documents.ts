import type { Found, ReadAsOf } from 'daybook'
import type { Conditions } from '../../conditions.ts'
import type { Progress } from '../../progress.ts'
import type { AnyReadModel } from './current.ts'

/** Which documents, in what order, and at most how many. */
export interface Wanted {
  readonly where: Conditions
  readonly orderBy: { readonly [column: string]: 'asc' | 'desc' }
  readonly limit?: number
}

/** Documents that are written at once. */
const pageDocuments = 1_000

/** The documents that match now, in any order, page by page without end. */
export async function* documentsNow(
  model: AnyReadModel,
  { where, orderBy, limit = Number.POSITIVE_INFINITY }: Wanted,
): AsyncGenerator<readonly Found<unknown>[]> {
  let left = limit
  for (let after: string | undefined; left > 0; ) {
    const page = await model.page({ where, orderBy, limit: Math.min(left, pageDocuments), after })
    yield page.items
    if (page.next === undefined) return
    left -= page.items.length
    after = page.next
  }
}

/** The documents that matched at a moment: folded once, however many there are. */
export async function* documentsThen(
  model: AnyReadModel,
  { where, orderBy, limit = Number.POSITIVE_INFINITY }: Wanted,
  moment: ReadAsOf,
  progress: Progress,
): AsyncGenerator<readonly Found<unknown>[]> {
  let page: Found<unknown>[] = []
  let left = limit
  for await (const found of model.all({ where, orderBy, ...moment })) {
    // All is folded before the first one comes.
    await progress.wipe()
    page.push(found)
    if (--left <= 0) break
    if (page.length < pageDocuments) continue
    yield page
    page = []
  }
  await progress.wipe()
  yield page
}
