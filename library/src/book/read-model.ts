import { type CursorPlace, decodeCursor, encodeCursor, placeOf } from '../core/document-cursor.ts'
import { type DocumentQuery, documentQuery, type FindOptions } from '../core/document-query.ts'
import { DaybookError, messageOf } from '../core/errors.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import type { ColumnType, ColumnValue } from '../core/ports/read-models.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { foldedPosition, isRetired } from '../core/read-model-copies.ts'
import type { LiveProjection } from '../processing/live.ts'
import { pastBoundOf, type ReadAsOf } from './as-of.ts'
import type { BookContext } from './context.ts'
import type { FollowerStatus } from './follower-status.ts'
import { followerStatuses } from './follower-statuses.ts'
import type { OpenSqlProjection } from './open-sql-projection.ts'
import {
  type Documents,
  documentsAfter,
  type FoundDocument,
  liveDocuments,
  pastDocuments,
} from './read-documents.ts'
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

/** Documents in order, and how to go on behind them. */
export interface Page<Document> {
  readonly items: readonly Found<Document>[]
  /** To be given as `after` for the next page, with the same where and orderBy; undefined when there are no more. */
  readonly next: string | undefined
}

/** A read model as one queries it. */
export interface ReadModel<Document, Columns> {
  /** The document of a key, undefined when there is none. */
  get(key: string, options?: Freshness & ReadAsOf): Promise<Document | undefined>
  /** The documents that match, in order: `{ where: { cents: { gt: 0 } }, orderBy: { cents: 'desc' }, limit: 50 }`. */
  find(
    options?: FindOptions<ColumnValues<Columns>> & Freshness & ReadAsOf,
  ): Promise<readonly Found<Document>[]>
  /**
   * As `find`, one page after the other however many there are: `after` takes `next` of the page before. Costs the same
   * wherever it begins. Throws `CURSOR_INVALID` for a cursor of another query.
   */
  page(
    options?: FindOptions<ColumnValues<Columns>> &
      Freshness &
      ReadAsOf & { readonly after?: string | undefined },
  ): Promise<Page<Document>>
  count(options?: Pick<FindOptions<ColumnValues<Columns>>, 'where'> & Freshness & ReadAsOf): Promise<number>
  /** Every document that matches, in the order of its key unless another is given, page by page: for exports. */
  all(
    options?: Omit<FindOptions<ColumnValues<Columns>>, 'limit'> & Freshness & ReadAsOf,
  ): AsyncIterable<Found<Document>>
}

/** A projection of an open book: stored and kept up to date, or folded on demand. */
export type OpenProjection =
  | { readonly mode: 'live'; readonly definition: ProjectionDefinition; readonly live: LiveProjection }
  | StoredProjection

type AnyFind = FindOptions<{ readonly [column: string]: ColumnValue }> & Freshness & ReadAsOf

/** Documents of one page of those that are read all. */
const pageDocuments = 1_000

/** The read model of one projection, its types erased; `Book.read` gives them back. */
export function readModelOf(
  context: BookContext,
  open: OpenProjection,
): ReadModel<unknown, Record<string, ColumnType>> {
  const { definition } = open
  const { shape } = definition

  function queryOf({ where, orderBy, limit }: AnyFind): DocumentQuery {
    return documentQuery(shape, { where, orderBy, limit } as FindOptions<{
      readonly [column: string]: ColumnValue
    }>)
  }

  /** Questions about the moment asked for, or to the documents of now. */
  async function from<Answer>(
    options: Freshness & ReadAsOf,
    work: (documents: Documents) => Promise<Answer>,
  ): Promise<Answer> {
    const bound = pastBoundOf(options)
    const { log, following } = context.store
    if (bound !== undefined) {
      const own = open.mode === 'live' ? definition : open.projecting.definition
      return work(pastDocuments({ definition: own, log, following }, bound))
    }
    if (open.mode === 'live') return work(liveDocuments(open.live))
    return ask(context, open, options, (copy) => work(storedDocuments(context, open, copy)))
  }

  return {
    async get(key, options = {}) {
      const text = await from(options, (documents) => documents.get(key))
      return text === undefined ? undefined : JSON.parse(text)
    },
    async find(options = {}) {
      const query = queryOf(options as AnyFind)
      return (await from(options, (documents) => documents.find(query))).map(foundFrom)
    },
    async page(options = {}) {
      const query = queryOf(options as AnyFind)
      const { after } = options
      const place = after === undefined ? undefined : decodeCursor(shape, query, after, context.digest)
      // One more tells whether there is more.
      const wanted = { ...query, limit: query.limit + 1 }
      const found = await from(options, (documents) => documentsAfter(documents, shape, wanted, place))
      const items = found.slice(0, query.limit)
      const last = found.length > query.limit ? items.at(-1) : undefined
      const next = last && encodeCursor(shape, query, placeOf(query, last), context.digest)
      return { items: items.map(foundFrom), next }
    },
    async count(options = {}) {
      const query = queryOf(options as AnyFind)
      return from(options, (documents) => documents.count(query))
    },
    async *all(options = {}) {
      const query = { ...queryOf(options as AnyFind), limit: pageDocuments }
      if (open.mode === 'live' || options.asOf !== undefined) {
        const whole = { ...query, limit: maxPosition }
        for (const found of await from(options, (documents) => documents.find(whole))) yield foundFrom(found)
        return
      }
      for (let place: CursorPlace | undefined; ; ) {
        const page = await from(options, (documents) => documentsAfter(documents, shape, query, place))
        for (const found of page) yield foundFrom(found)
        const last = page.at(-1)
        if (last === undefined || page.length < pageDocuments) return
        place = placeOf(query, last)
      }
    },
  }
}

function foundFrom({ key, document }: FoundDocument): Found<unknown> {
  return { key, document: JSON.parse(document) }
}

function storedDocuments(context: BookContext, open: StoredProjection, copy: AnsweringCopy): Documents {
  const models = context.store.readModels
  return {
    get: async (key) => (await models.documents(copy.shape, [key])).get(key),
    async find(query) {
      await requireColumns(context, open, copy, query)
      return models.find(copy.shape, query)
    },
    async count(query) {
      await requireColumns(context, open, copy, query)
      return models.count(copy.shape, query)
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
async function steppedOrSlept(
  { host }: BookContext,
  projecting: { onStepped(listener: () => void): () => void },
): Promise<void> {
  const stepped = new AbortController()
  const stop = projecting.onStepped(() => stepped.abort())
  await host.sleep(lookMs, stepped.signal).catch(() => undefined)
  stop()
}

/** Waits until the copy that serves has reached a position; throws `READ_MODEL_TIMEOUT` saying who lags and by how much. */
export async function reach(
  context: BookContext,
  open: StoredProjection | OpenSqlProjection,
  { notBefore, timeoutMs }: Freshness,
): Promise<void> {
  if (notBefore === undefined) return
  const { log, readModels } = context.store
  const position = integerWithin('notBefore', notBefore, 0, maxPosition)
  const limitMs = integerWithin('timeoutMs', timeoutMs ?? 5_000, 0, 600_000)
  const startMs = performance.now()
  for (;;) {
    const { subscription } = 'mode' in open ? await open.answering() : open.definition
    const checkpoint = await readModels.checkpoint(subscription)
    const reached = checkpoint === undefined ? 0 : foldedPosition(checkpoint)
    // An answer may be acted on in the world outside, so it must not rest on what a crash can take back.
    if (reached >= position) return log.whenDurable(reached)
    const isStopped = open.follower.state === 'stopped'
    if (isStopped || performance.now() - startMs >= limitMs) {
      const waitedMs = Math.round(performance.now() - startMs)
      const { why, facts } = await whyBehind(context, open, subscription)
      throw new DaybookError(
        'READ_MODEL_TIMEOUT',
        `the read model ${subscription} is at position ${reached}, not at ${position} after ${limitMs} ms; ${why}`,
        { readModel: subscription, reached, position, waitedMs, ...facts },
        open.follower.error,
      )
    }
    open.follower.wake()
    await steppedOrSlept(context, open.projecting)
  }
}

/** Who should have got there, and why it has not. */
async function whyBehind(
  context: BookContext,
  open: StoredProjection | OpenSqlProjection,
  subscription: string,
): Promise<{ readonly why: string; readonly facts: Pick<FollowerStatus, 'owner' | 'cause'> }> {
  const { follower, projecting } = open
  const own = projecting.definition.subscription
  const [status] = await followerStatuses(context, [open], []).catch(() => [])
  const { owner, cause } = status ?? {}
  const facts = { ...(owner === undefined ? {} : { owner }), ...(cause === undefined ? {} : { cause }) }
  const because = cause === undefined ? '' : `: ${cause}`
  if (own !== subscription) return { why: `this process runs ${own}, which does not serve yet`, facts }
  if (follower.state === 'stopped') return { why: `it has stopped: ${messageOf(follower.error)}`, facts }
  const here = follower.state === 'standing-by' ? 'another process runs it' : `it is ${follower.state}`
  return {
    why: `${here}, ${owner === undefined ? 'nobody holds its lease' : `${owner} holds its lease`}${because}`,
    facts,
  }
}
