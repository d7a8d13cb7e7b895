import { documentQuery, type FindOptions } from '../core/document-query.ts'
import { DaybookError, messageOf } from '../core/errors.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import type { ColumnType, ColumnValue } from '../core/ports/read-models.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import type { Follower } from '../processing/follower.ts'
import type { LagWindow } from '../processing/lag-window.ts'
import type { LiveProjection } from '../processing/live.ts'
import type { Projecting } from '../processing/projecting.ts'
import type { BookContext } from './context.ts'

/** How fresh an answer must be. */
export interface Freshness {
  /** Waits until the read model has folded this position: the `position` of one's own command, say. */
  readonly notBefore?: number | undefined
  /** Longest wait in ms, 0 to 600,000; default 5,000. Then `READ_MODEL_TIMEOUT`. */
  readonly timeoutMs?: number | undefined
}

/** The values that declared columns are compared with. */
export type ColumnValues<Columns> = {
  readonly [Column in keyof Columns]: Columns[Column] extends ColumnType
    ? ValueOfType[Columns[Column]]
    : never
}

interface ValueOfType {
  readonly integer: number
  readonly real: number
  readonly text: string
  readonly boolean: boolean
}

/** A document and its key. */
export interface Found<Document> {
  readonly key: string
  readonly document: Document
}

/** A read model as one queries it. */
export interface ReadModel<Document, Columns> {
  /** The document of a key, undefined when there is none. */
  get(key: string, freshness?: Freshness): Promise<Document | undefined>
  /** The documents that match, in order: `{ where: { cents: { gt: 0 } }, orderBy: { cents: 'desc' }, limit: 50 }`. */
  find(options?: FindOptions<ColumnValues<Columns>> & Freshness): Promise<readonly Found<Document>[]>
  count(options?: Pick<FindOptions<ColumnValues<Columns>>, 'where'> & Freshness): Promise<number>
  /** Every document in the order of its key, page by page: for exports. */
  all(freshness?: Freshness): AsyncIterable<Found<Document>>
}

/** A projection of an open book: stored and kept up to date, or folded on demand. */
export type OpenProjection =
  | { readonly mode: 'live'; readonly definition: ProjectionDefinition; readonly live: LiveProjection }
  | {
      readonly mode: 'async' | 'inline'
      readonly definition: ProjectionDefinition
      readonly projecting: Projecting
      readonly follower: Follower
      readonly lag: LagWindow
      readonly isChanged: boolean
    }

type AnyFind = FindOptions<{ readonly [column: string]: ColumnValue }>

/** The read model of one projection, its types erased; `Book.read` gives them back. */
export function readModelOf(
  context: BookContext,
  open: OpenProjection,
): ReadModel<unknown, Record<string, ColumnType>> {
  const { shape } = open.definition
  const models = context.store.readModels

  async function find(options: AnyFind & Freshness): Promise<readonly Found<unknown>[]> {
    const { notBefore, timeoutMs, ...rest } = options
    const query = documentQuery(shape, rest)
    await reach(context, open, { notBefore, timeoutMs })
    const rows = open.mode === 'live' ? await open.live.find(query) : await models.find(shape, query)
    await untilDurable(context, open)
    return rows.map(({ key, document }) => ({ key, document: JSON.parse(document) }))
  }

  return {
    async get(key, freshness = {}) {
      await reach(context, open, freshness)
      const text =
        open.mode === 'live' ? await open.live.get(key) : (await models.documents(shape, [key])).get(key)
      await untilDurable(context, open)
      return text === undefined ? undefined : JSON.parse(text)
    },
    find: (options = {}) => find(options as AnyFind & Freshness),
    async count(options = {}) {
      const { notBefore, timeoutMs, ...rest } = options as AnyFind & Freshness
      const query = documentQuery(shape, rest)
      await reach(context, open, { notBefore, timeoutMs })
      if (open.mode !== 'live') {
        const count = await models.count(shape, query)
        await untilDurable(context, open)
        return count
      }
      return (await open.live.find({ ...query, limit: maxPosition })).length
    },
    async *all(freshness = {}) {
      await reach(context, open, freshness)
      for (let after: string | undefined; ; ) {
        const where = after === undefined ? {} : { where: { key: { gt: after } } }
        const page = await find({ ...where, limit: 1_000 } as AnyFind)
        yield* page
        if (page.length < 1_000) return
        after = page.at(-1)?.key
      }
    },
  }
}

/** An inline read model is committed with its events, and can be seen a moment before they are on the disk. */
async function untilDurable(context: BookContext, open: OpenProjection): Promise<void> {
  if (open.mode !== 'inline') return
  await context.store.log.whenDurable((await open.projecting.checkpoint()).position)
}

/** How long to wait between two looks at a checkpoint that another process may move. */
const lookMs = 10

/** Resolves when the projection has done a step in this process, or after a little while: another may run it. */
async function steppedOrSlept({ host }: BookContext, projecting: Projecting): Promise<void> {
  const stepped = new AbortController()
  const stop = projecting.onStepped(() => stepped.abort())
  await host.sleep(lookMs, stepped.signal).catch(() => undefined)
  stop()
}

/** Waits until a read model has reached a position; throws `READ_MODEL_TIMEOUT` saying who lags and by how much. */
async function reach(
  context: BookContext,
  open: OpenProjection,
  { notBefore, timeoutMs }: Freshness,
): Promise<void> {
  if (notBefore === undefined || open.mode === 'live') return
  const position = integerWithin('notBefore', notBefore, 0, maxPosition)
  const limitMs = integerWithin('timeoutMs', timeoutMs ?? 5_000, 0, 600_000)
  const startMs = performance.now()
  for (;;) {
    const { position: reached } = await open.projecting.checkpoint()
    // An answer may be acted on in the world outside, so it must not rest on what a crash can take back.
    if (reached >= position) return context.store.log.whenDurable(reached)
    const isStopped = open.follower.state === 'stopped'
    if (isStopped || performance.now() - startMs >= limitMs) {
      const why = isStopped
        ? `it has stopped: ${messageOf(open.follower.error)}`
        : open.follower.state === 'standing-by'
          ? 'another process runs it'
          : `it is ${open.follower.state}`
      throw new DaybookError(
        'READ_MODEL_TIMEOUT',
        `the read model ${open.definition.subscription} is at position ${reached}, not at ${position} after ${limitMs} ms; ${why}`,
        {
          readModel: open.definition.subscription,
          reached,
          position,
          waitedMs: Math.round(performance.now() - startMs),
        },
        open.follower.error,
      )
    }
    open.follower.wake()
    await steppedOrSlept(context, open.projecting)
  }
}
