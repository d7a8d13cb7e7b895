import type { AnyProjection, Book, BookOptions, ColumnType, Projection, ReadModel } from 'daybook'
import { copiesKnown } from '../../copies.ts'
import { copyName } from '../../follower-output.ts'
import { openFollowing, openToSee, versionsOf } from '../../opening.ts'
import { Progress } from '../../progress.ts'
import type { Tools } from '../../session.ts'

/** A read model whose documents are of no known type. */
export type AnyReadModel = ReadModel<unknown, { readonly [column: string]: ColumnType }>

/** How fresh an answer must be. */
export interface Freshness {
  readonly notBefore?: number
  /** In ms. */
  readonly timeout: number
}

/**
 * Opens a book, and brings what serves of a projection up to the end of the log. Newer code that is here is not run: it
 * would fill a copy of its own and let that serve, which a question must not do.
 */
export async function openCurrent(
  tools: Tools,
  defined: BookOptions,
  projection: AnyProjection,
  freshness: Freshness,
): Promise<{ readonly book: Book; readonly model: AnyReadModel }> {
  const { name, version } = projection.definition.shape
  const serving = (await copiesKnown(tools, defined, name))?.serving ?? { version, generation: 1 }
  const isOlder = serving.version < version
  const served = isOlder ? codeOf(defined, name, serving.version) : projection
  const book = await (served === undefined
    ? openToSee(defined, [projection])
    : openFollowing(tools, defined, [served]))
  try {
    const model = modelOf(book, served ?? projection)
    if (served === undefined)
      await tools.output.note(
        `${copyName(name, serving)} serves, and its code is not here: this is what it has, up to date or not. \`daybook projections rebuild ${name}\` fills version ${version}.`,
      )
    const head = served === undefined ? 0 : await book.head()
    await reach(tools, book, model, name, Math.max(head, freshness.notBefore ?? 0), freshness.timeout)
    return { book, model }
  } catch (error) {
    await book.close()
    throw error
  }
}

function codeOf(defined: BookOptions, name: string, version: number): AnyProjection | undefined {
  return versionsOf(defined, name).find(({ definition }) => definition.shape.version === version)
}

/** The read model of a projection. */
export function modelOf(book: Book, projection: AnyProjection): AnyReadModel {
  return book.read(projection as Projection<unknown, { readonly [column: string]: ColumnType }>)
}

/** Resolves when the read model has folded a position. */
async function reach(
  { shell, signal }: Tools,
  book: Book,
  model: AnyReadModel,
  name: string,
  position: number,
  timeoutMs: number,
): Promise<void> {
  await using progress = new Progress(shell, `bringing ${name} up to date:`)
  const watch = setInterval(() => {
    void book.status().then(
      ([status]) => progress.at(status?.position ?? 0, position),
      () => undefined,
    )
  }, 200)
  try {
    await unlessInterrupted(signal, model.count({ notBefore: position, timeoutMs }))
  } finally {
    clearInterval(watch)
  }
}

/** What work resolves to; rejects at once on Ctrl-C, whatever becomes of the work. */
function unlessInterrupted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  const isInterrupted = new Promise<never>((_resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
  return Promise.race([work, isInterrupted])
}
