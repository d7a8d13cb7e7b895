import { type DocumentQuery, documentQuery, type FindOptions } from '../core/document-query.ts'
import { DaybookError, messageOf } from '../core/errors.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import type { ColumnType, ColumnValue } from '../core/ports/read-models.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { foldedPosition, isRetired } from '../core/read-model-copies.ts'
import type { LiveProjection } from '../processing/live.ts'
import type { Projecting } from '../processing/projecting.ts'
import type { BookContext } from './context.ts'
import type { AnsweringCopy, StoredProjection } from './stored-projection.ts'

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
  | StoredProjection

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
    const rows =
      open.mode === 'live'
        ? await open.live.find(query)
        : await ask(context, open, { notBefore, timeoutMs }, async (copy) => {
            await requireColumns(context, open, copy, query)
            return models.find(copy.shape, query)
          })
    return rows.map(({ key, document }) => ({ key, document: JSON.parse(document) }))
  }

  return {
    async get(key, freshness = {}) {
      const text =
        open.mode === 'live'
          ? await open.live.get(key)
          : await ask(context, open, freshness, async (copy) =>
              (await models.documents(copy.shape, [key])).get(key),
            )
      return text === undefined ? undefined : JSON.parse(text)
    },
    find: (options = {}) => find(options as AnyFind & Freshness),
    async count(options = {}) {
      const { notBefore, timeoutMs, ...rest } = options as AnyFind & Freshness
      const query = documentQuery(shape, rest)
      if (open.mode === 'live') return (await open.live.find({ ...query, limit: maxPosition })).length
      return ask(context, open, { notBefore, timeoutMs }, async (copy) => {
        await requireColumns(context, open, copy, query)
        return models.count(copy.shape, query)
      })
    },
    async *all(freshness = {}) {
      if (open.mode !== 'live') await reach(context, open, freshness)
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

/**
 * Asks the copy that serves; once more where another one has taken its place meanwhile. An inline read model is committed
 * with its events and can be seen a moment before they are on the disk, so it is waited for.
 */
async function ask<Answer>(
  context: BookContext,
  open: StoredProjection,
  freshness: Freshness,
  question: (copy: AnsweringCopy) => Promise<Answer>,
): Promise<Answer> {
  const { log, readModels } = context.store
  for (let isSecond = false; ; isSecond = true) {
    await reach(context, open, freshness)
    const copy = await open.answering()
    try {
      const answer = await question(copy)
      if (open.mode === 'async') return answer
      const checkpoint = await readModels.checkpoint(copy.subscription)
      const mayHaveMoved = checkpoint === undefined || isRetired(checkpoint)
      if (!isSecond && mayHaveMoved && (await open.hasMoved(copy))) continue
      await log.whenDurable(checkpoint === undefined ? 0 : foldedPosition(checkpoint))
      return answer
    } catch (error) {
      if (isSecond || !(await open.hasMoved(copy))) throw error
    }
  }
}

/** A copy of an older version may lack a column that the code of today asks by. Throws `PROJECTION_FILLING`. */
async function requireColumns(
  { store }: BookContext,
  open: StoredProjection,
  { shape }: AnsweringCopy,
  { where, orderBy }: DocumentQuery,
): Promise<void> {
  const { version } = open.definition.shape
  if (shape.version === version) return
  const asked = [...where, ...orderBy].map(({ column }) => column).filter((column) => column !== 'key')
  if (asked.length === 0) return
  const stored = await store.readModels.storedColumns(shape)
  const column = asked.find((each) => !stored.has(each))
  if (column === undefined) return
  throw new DaybookError(
    'PROJECTION_FILLING',
    `the read model ${shape.name} is served by version ${shape.version}, which has no column ${column} of this type, until version ${version} is filled`,
    { projection: shape.name, version, serving: shape.version, column },
  )
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

/** Waits until the copy that serves has reached a position; throws `READ_MODEL_TIMEOUT` saying who lags and by how much. */
async function reach(
  context: BookContext,
  open: StoredProjection,
  { notBefore, timeoutMs }: Freshness,
): Promise<void> {
  if (notBefore === undefined) return
  const { log, readModels } = context.store
  const position = integerWithin('notBefore', notBefore, 0, maxPosition)
  const limitMs = integerWithin('timeoutMs', timeoutMs ?? 5_000, 0, 600_000)
  const startMs = performance.now()
  for (;;) {
    const { subscription } = await open.answering()
    const checkpoint = await readModels.checkpoint(subscription)
    const reached = checkpoint === undefined ? 0 : foldedPosition(checkpoint)
    // An answer may be acted on in the world outside, so it must not rest on what a crash can take back.
    if (reached >= position) return log.whenDurable(reached)
    const isStopped = open.follower.state === 'stopped'
    if (isStopped || performance.now() - startMs >= limitMs) {
      const why = whyBehind(open, subscription)
      throw new DaybookError(
        'READ_MODEL_TIMEOUT',
        `the read model ${subscription} is at position ${reached}, not at ${position} after ${limitMs} ms; ${why}`,
        { readModel: subscription, reached, position, waitedMs: Math.round(performance.now() - startMs) },
        open.follower.error,
      )
    }
    open.follower.wake()
    await steppedOrSlept(context, open.projecting)
  }
}

function whyBehind({ follower, projecting }: StoredProjection, subscription: string): string {
  const own = projecting.definition.subscription
  if (own !== subscription) return `this process runs ${own}, which does not serve yet`
  if (follower.state === 'stopped') return `it has stopped: ${messageOf(follower.error)}`
  return follower.state === 'standing-by' ? 'another process runs it' : `it is ${follower.state}`
}
