import { DaybookError, isDaybookError } from '../core/errors.ts'
import type { ReadModelCopy } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { ReadModelStore } from '../core/ports/read-models.ts'
import type { EventLog } from '../core/ports/store.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { definitionOf, foldedPosition } from '../core/read-model-copies.ts'
import { DocumentFold } from './document-fold.ts'
import { differencesOf } from './rebuild-differences.ts'

/** One difference between the copy that serves and another. */
export interface Difference {
  readonly key: string
  /** Where in the document: `cents`, `lines[2].quantity`; undefined when one side has no document at all. */
  readonly field: string | undefined
  readonly serving: unknown
  readonly other: unknown
}

/** What comparing two copies needs. */
export interface CompareParts {
  /** The code that is here, of the version of either copy: that one is brought to where the other is. */
  readonly definition: ProjectionDefinition
  readonly serving: ReadModelCopy
  readonly other: ReadModelCopy
  readonly log: Pick<EventLog, 'readLog'>
  readonly models: Pick<ReadModelStore, 'checkpoint' | 'count' | 'documents' | 'find'>
  readonly host: Pick<Host, 'sleep'>
  /** Told after every page how many keys were compared, of about how many. */
  readonly onProgress?: ((compared: number, keys: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const pageKeys = 500
/** How long to wait for what serves to come to where the other copy is, before that is folded anew. */
const waits = { times: 20, eachMs: 25 }

/** Documents as JSON text by key, all of one position. */
interface Held {
  readonly position: number
  readonly documents: ReadonlyMap<string, string>
}

/**
 * Compares two copies document by document, in the order of keys and in bounded memory, while both are kept up to date:
 * each page of keys is brought to one position on both sides before it is compared.
 */
export async function* compareCopies(parts: CompareParts): AsyncGenerator<Difference> {
  const { definition, serving, other } = parts
  if (other.version === definition.shape.version) return yield* compared(parts)
  for await (const { serving: left, other: right, ...rest } of compared({
    ...parts,
    serving: other,
    other: serving,
  }))
    yield { ...rest, serving: right, other: left }
}

async function* compared(parts: CompareParts): AsyncGenerator<Difference> {
  const { onProgress, signal } = parts
  const comparison = new Comparison(parts)
  const keys = onProgress === undefined ? 0 : await comparison.keys()
  let count = 0
  for (let after: string | undefined; ; ) {
    signal?.throwIfAborted()
    const page = await comparison.keysAfter(after)
    if (page.length === 0) return
    yield* await comparison.differences(page)
    count += page.length
    onProgress?.(count, Math.max(count, keys))
    after = page.at(-1)
  }
}

class Comparison {
  readonly #parts: CompareParts
  readonly #serving: ProjectionDefinition
  readonly #other: ProjectionDefinition
  /** Documents of the other copy as of an earlier position, of all keys that changed between that and a later one. */
  #rewound: (Held & { readonly changedTo: number; readonly keys: ReadonlySet<string> }) | undefined

  constructor(parts: CompareParts) {
    this.#parts = parts
    this.#serving = definitionOf(parts.definition, parts.serving)
    this.#other = definitionOf(parts.definition, parts.other)
  }

  /** How many keys there are at least, when the comparison begins. */
  async keys(): Promise<number> {
    const query = { where: [], orderBy: [], limit: 1 }
    const counts = await Promise.all(
      [this.#serving, this.#other].map(({ shape }) => this.#parts.models.count(shape, query)),
    )
    return Math.max(...counts)
  }

  /** The next keys that either side has. */
  async keysAfter(after: string | undefined): Promise<readonly string[]> {
    const where = after === undefined ? [] : [{ column: 'key', operator: 'gt' as const, value: after }]
    const query = { where, orderBy: [], limit: pageKeys }
    const pages = await Promise.all(
      [this.#serving, this.#other].map(({ shape }) => this.#parts.models.find(shape, query)),
    )
    // Beyond the end of a full page its side may have keys that were not read.
    const ends = pages.flatMap((page) => (page.length < pageKeys ? [] : [page.at(-1)?.key ?? '']))
    const keys = new Set(pages.flat().map(({ key }) => key))
    const inOrder = [...keys].map((key) => ({ key, bytes: Buffer.from(key) }))
    inOrder.sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    const end = ends.map((key) => Buffer.from(key)).sort(Buffer.compare)[0]
    return inOrder
      .filter(({ bytes }) => end === undefined || Buffer.compare(bytes, end) <= 0)
      .map(({ key }) => key)
  }

  async differences(keys: readonly string[]): Promise<readonly Difference[]> {
    const [serving, other] = await this.#atOnePosition(keys)
    return keys.flatMap((key): readonly Difference[] => {
      const [one, two] = [serving.get(key), other.get(key)]
      // Nearly all are the same text.
      if (one === two) return []
      const [left, right] = [one, two].map((text) => (text === undefined ? undefined : JSON.parse(text)))
      if (left === undefined || right === undefined)
        return [{ key, field: undefined, serving: left, other: right }]
      return differencesOf(left, right).map((difference) => ({ key, ...difference }))
    })
  }

  async #atOnePosition(
    keys: readonly string[],
  ): Promise<readonly [ReadonlyMap<string, string>, ReadonlyMap<string, string>]> {
    const { host } = this.#parts
    for (let time = 0; ; time++) {
      const other = await this.#held(this.#other, keys)
      const serving = await this.#held(this.#serving, keys)
      if (serving.position === other.position) return [serving.documents, other.documents]
      if (serving.position > other.position)
        return [serving.documents, await this.#folded(other, serving.position, keys)]
      if (time >= waits.times) return [serving.documents, await this.#rewind(other, serving.position, keys)]
      await host.sleep(waits.eachMs)
    }
  }

  /** Documents and the position they are of; read again when somebody moved on meanwhile. */
  async #held({ shape, subscription }: ProjectionDefinition, keys: readonly string[]): Promise<Held> {
    const { models } = this.#parts
    for (;;) {
      const checkpoint = await models.checkpoint(subscription)
      if (checkpoint === undefined) throw gone(shape.name, subscription)
      try {
        const { position } = checkpoint
        const documents = await models.documents(shape, keys, { subscription, position })
        return { position: foldedPosition(checkpoint), documents }
      } catch (error) {
        if (!isDaybookError(error, 'TRANSACTION_ABORTED')) throw error
      }
    }
  }

  /** The documents of the other copy at a later position. */
  async #folded(
    { position, documents }: Held,
    toPosition: number,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const among = new Set(keys)
    const fold = new DocumentFold(narrowedTo(this.#other, (key) => among.has(key)))
    await this.#foldRange(fold, position, toPosition, documents)
    return changed(documents, fold)
  }

  /** The documents of the other copy at an earlier position: those that changed since are folded from the first event. */
  async #rewind(
    other: Held,
    toPosition: number,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const known = this.#rewound
    if (known?.position !== toPosition || known.changedTo < other.position)
      this.#rewound = await this.#rewindAll(toPosition, other.position)
    const rewound = this.#rewound ?? { documents: new Map(), keys: new Set() }
    const documents = new Map(other.documents)
    for (const key of keys) {
      if (!rewound.keys.has(key)) continue
      const text = rewound.documents.get(key)
      if (text === undefined) documents.delete(key)
      else documents.set(key, text)
    }
    return documents
  }

  async #rewindAll(
    toPosition: number,
    fromPosition: number,
  ): Promise<Held & { readonly changedTo: number; readonly keys: ReadonlySet<string> }> {
    const keys = new Set<string>()
    const collecting: ProjectionDefinition = {
      ...this.#other,
      keysOf: (event) => {
        for (const key of this.#other.keysOf(event)) keys.add(key)
        return []
      },
    }
    const none = new Map<string, string>()
    await this.#foldRange(new DocumentFold(collecting), toPosition, fromPosition, none)
    const fold = new DocumentFold(narrowedTo(this.#other, (key) => keys.has(key)))
    await this.#foldRange(fold, 0, toPosition, none)
    return { position: toPosition, changedTo: fromPosition, keys, documents: changed(none, fold) }
  }

  async #foldRange(
    fold: DocumentFold,
    fromPosition: number,
    toPosition: number,
    documents: ReadonlyMap<string, string>,
  ): Promise<void> {
    const models = { documents: async () => documents }
    for (let afterPosition = fromPosition; afterPosition < toPosition; ) {
      this.#parts.signal?.throwIfAborted()
      const slice = { afterPosition, toPosition, items: this.#other.items, limit: 500 }
      const page = await this.#parts.log.readLog(slice)
      const { error } = await fold.fold(page.rows, models)
      if (error !== undefined) throw error
      if (page.scannedTo <= afterPosition) return
      afterPosition = page.scannedTo
    }
  }
}

/** The same projection of some keys alone. */
export function narrowedTo(
  definition: ProjectionDefinition,
  isWanted: (key: string) => boolean,
): ProjectionDefinition {
  return { ...definition, keysOf: (event) => definition.keysOf(event).filter(isWanted) }
}

function changed(documents: ReadonlyMap<string, string>, fold: DocumentFold): ReadonlyMap<string, string> {
  const { upserts, deletes } = fold.takeChanges()
  const after = new Map(documents)
  for (const { key, document } of upserts) after.set(key, document)
  for (const key of deletes) after.delete(key)
  return after
}

function gone(projection: string, subscription: string): DaybookError {
  return new DaybookError('REBUILD_REFUSED', `the copy ${subscription} of ${projection} is gone`, {
    projection,
    subscription,
  })
}
