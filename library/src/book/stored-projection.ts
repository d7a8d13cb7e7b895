import { DaybookError, messageOf } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { ReadModelCopy, ReadModelRecord } from '../core/ports/following.ts'
import type { ReadModelShape } from '../core/ports/read-models.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import {
  answeringCopy,
  copySubscription,
  definitionOf,
  isSameCopy,
  leftCopies,
  ownCopy,
  roleOf,
} from '../core/read-model-copies.ts'
import { Follower } from '../processing/follower.ts'
import type { InlineProjection } from '../processing/inline.ts'
import { LagWindow } from '../processing/lag-window.ts'
import { Projecting } from '../processing/projecting.ts'
import { swapCopies } from '../processing/rebuild-swap.ts'
import type { OpeningParts } from './open-subscription.ts'
import { dropLeftCopies, type ReadModelRegistry } from './read-model-registry.ts'

/** What stored projections of one book share. */
export interface StoredProjectionParts extends OpeningParts {
  readonly registry: ReadModelRegistry
}

/** One copy that this process can keep up to date. */
export interface OpenCopy {
  readonly copy: ReadModelCopy
  readonly projecting: Projecting
  readonly follower: Follower
  readonly isChanged: boolean
}

/** The copy that answers questions, and where its checkpoint is. */
export interface AnsweringCopy {
  readonly shape: ReadModelShape
  readonly subscription: string
}

/** A swap is worth trying when what is to serve is no further behind than this. */
const nearEvents = 1_000

/**
 * A projection whose read model is stored, in one copy or several. This process keeps the copy of its own version up to
 * date; questions are answered by the one that serves, which may be of an older version until the own one is filled.
 */
export class StoredProjection {
  readonly mode: 'async' | 'inline'
  readonly definition: ProjectionDefinition
  readonly lag: LagWindow
  readonly #parts: StoredProjectionParts
  readonly #inline: InlineProjection | undefined
  readonly #turn = new Mutex()
  #record: ReadModelRecord
  #own: OpenCopy
  #isFollowing = false
  #isSwapping = false
  /** A copy that was filled again and waits for a person to let it serve. */
  #waiting: OpenCopy | undefined
  /** The position at which an own copy that is `aside` has all that was there when it was opened. */
  #filledAt = 0

  private constructor(
    parts: StoredProjectionParts,
    definition: ProjectionDefinition,
    {
      record,
      own,
      lag,
    }: { readonly record: ReadModelRecord; readonly own: OpenCopy; readonly lag: LagWindow },
  ) {
    this.mode = definition.mode === 'inline' ? 'inline' : 'async'
    this.definition = definition
    this.#parts = parts
    this.lag = lag
    this.#record = record
    this.#own = own
    this.#swapWhenFilled(own)
    this.#inline = parts.context.inlineProjections.find((inline) => inline.base === definition)
  }

  /** Prepares the copy of this version; one that is inline is brought to the head, and serves at once. */
  static async open(
    parts: StoredProjectionParts,
    definition: ProjectionDefinition,
  ): Promise<StoredProjection> {
    const { context, registry } = parts
    const record = await registry.opened(definition)
    const lag = new LagWindow(context.host.now)
    const own = await openCopy(parts, definition, record, ownCopy(record, definition.shape.version), lag)
    const opened = new StoredProjection(parts, definition, { record, own, lag })
    opened.#turnInline()
    if (opened.mode === 'inline' && !context.store.isReadOnly) {
      await catchUp(own.projecting)
      await opened.#swapInline()
    }
    if (roleOf(opened.#record, own.copy) === 'aside')
      opened.#filledAt = (await context.store.log.head()).position
    registry.onRead((records) => opened.#onRecord(records.get(definition.shape.name)))
    return opened
  }

  get projecting(): Projecting {
    return this.#own.projecting
  }

  get follower(): Follower {
    return this.#own.follower
  }

  get isChanged(): boolean {
    return this.#own.isChanged
  }

  get record(): ReadModelRecord {
    return this.#record
  }

  /** The copies that this process keeps up to date. */
  get followers(): readonly Follower[] {
    return this.#waiting === undefined ? [this.#own.follower] : [this.#own.follower, this.#waiting.follower]
  }

  /** Keeps the own copy up to date from now on. */
  start(): void {
    this.#isFollowing = true
    this.#own.follower.start()
  }

  async stop(): Promise<void> {
    await this.#turn.run(async () => {
      this.#isFollowing = false
      await Promise.all(this.followers.map((follower) => follower.stop()))
    })
  }

  /** Resolves when it follows the copies that it has heard of. */
  settled(): Promise<void> {
    return this.#turn.run(() => undefined)
  }

  /** The copy that answers. Throws `PROJECTION_FILLING` where code older than what serves has none yet. */
  async answering(): Promise<AnsweringCopy> {
    const { shape } = this.definition
    const record = (await this.#parts.registry.record(shape.name)) ?? this.#record
    const copy = answeringCopy(record, shape.version)
    const own = definitionOf(this.definition, copy)
    if (roleOf(record, copy) === 'aside') await this.#requireFilled(own.subscription, record)
    return own
  }

  /** True when another copy answers by now. */
  async hasMoved({ subscription }: AnsweringCopy): Promise<boolean> {
    await this.#parts.registry.refresh()
    return (await this.answering()).subscription !== subscription
  }

  /** Runs work while this process does not keep a copy up to date by itself. */
  async withoutFollowing<Result>(copy: ReadModelCopy, work: () => Promise<Result>): Promise<Result> {
    if (!isSameCopy(copy, this.#own.copy)) return work()
    await this.#own.follower.stop()
    try {
      return await work()
    } finally {
      await this.#turn.run(() => this.#turnTo(this.#own.copy))
    }
  }

  /** Keeps a copy up to date until a person lets it serve, or gives it up. */
  async keepWaiting(copy: ReadModelCopy): Promise<void> {
    await this.#turn.run(async () => {
      if (isSameCopy(copy, this.#own.copy) || isSameCopy(copy, this.#waiting?.copy)) return
      if (!isSameCopy(copy, this.#record.next) || !this.#isFollowing) return
      this.#waiting = await this.#opened(copy)
      this.#waiting.follower.start()
    })
  }

  /** Folds everything there is into a copy of this version; others may do so at the same time. */
  async bringToHead(copy: ReadModelCopy): Promise<void> {
    const own = isSameCopy(copy, this.#own.copy) ? this.#own : await this.#opened(copy)
    await catchUp(own.projecting)
  }

  /** Opens a copy of this version, to fill it or to bring it to the head. */
  #opened(copy: ReadModelCopy): Promise<OpenCopy> {
    return openCopy(this.#parts, this.definition, this.#record, copy, this.lag)
  }

  #onRecord(record: ReadModelRecord | undefined): void {
    if (record === undefined) return
    const before = this.#record
    this.#record = record
    this.#turnInline()
    if (!isSameCopy(before.serving, record.serving)) this.#reportServing(record)
    const isOwn = isSameCopy(ownCopy(record, this.definition.shape.version), this.#own.copy)
    const isWaiting = this.#waiting === undefined || isSameCopy(this.#waiting.copy, record.next)
    if (isOwn && isWaiting) return
    void this.#turn.run(() => this.#turnTo(undefined)).catch((error: unknown) => this.#reportFailed(error))
  }

  /** Follows the own copy of the record; `again` opens it anew also when it is the same. */
  async #turnTo(again: ReadModelCopy | undefined): Promise<void> {
    const copy = ownCopy(this.#record, this.definition.shape.version)
    if (this.#waiting !== undefined && !isSameCopy(this.#waiting.copy, this.#record.next)) {
      await this.#waiting.follower.stop()
      this.#waiting = undefined
    }
    if (isSameCopy(copy, this.#own.copy) && !isSameCopy(copy, again)) return
    const before = this.#own
    await before.follower.stop()
    if (isSameCopy(copy, before.copy) && !this.#isFollowing) return
    this.#own = await this.#opened(copy)
    this.#swapWhenFilled(this.#own)
    if (this.#isFollowing) this.#own.follower.start()
  }

  /** What is appended from now on goes to the copy of the record, at once. */
  #turnInline(): void {
    if (this.#inline === undefined) return
    const copy = ownCopy(this.#record, this.definition.shape.version)
    this.#inline.turnTo(definitionOf(this.definition, copy), () => this.#parts.registry.refresh())
  }

  async #swapInline(): Promise<void> {
    while (roleOf(this.#record, this.#own.copy) === 'next') {
      const end = await this.#swap()
      if (end === 'gone') return
      if (end === 'behind') await catchUp(this.#own.projecting)
    }
  }

  #swapWhenFilled({ projecting }: OpenCopy): void {
    if (this.mode === 'async') projecting.onStepped(() => void this.#considerSwap())
  }

  /** Lets the own copy serve when it has come near enough to what serves. */
  async #considerSwap(): Promise<void> {
    const { copy, projecting } = this.#own
    const isWanted = this.definition.swap === 'auto' && roleOf(this.#record, copy) === 'next'
    if (!isWanted || this.#isSwapping) return
    this.#isSwapping = true
    try {
      const { store } = this.#parts.context
      const { position } = await projecting.checkpoint()
      if (position + nearEvents < (await store.log.head()).position) return
      await store.readModels.index(projecting.definition.shape)
      await this.#swap()
    } catch (error) {
      this.#reportFailed(error)
    } finally {
      this.#isSwapping = false
    }
  }

  async #swap(): Promise<'swapped' | 'behind' | 'moved' | 'gone'> {
    const { context, registry } = this.#parts
    const { store, host } = context
    const { name } = this.definition.shape
    const { copy } = this.#own
    const { log, following } = store
    const end = await swapCopies({ name, copy, definition: this.definition, log, following, host })
    if (end.kind !== 'swapped') return end.kind
    await registry.refresh()
    await this.dropLeft()
    return end.kind
  }

  /** Removes the copies that have no use any more. */
  async dropLeft(): Promise<void> {
    const { context, registry } = this.#parts
    const { shape } = this.definition
    const left = leftCopies(this.#record, await registry.storedCopies(shape.name))
    await dropLeftCopies(context.store, shape, left, (copy) => copySubscription(shape.name, copy))
  }

  async #requireFilled(subscription: string, record: ReadModelRecord): Promise<void> {
    const checkpoint = await this.#parts.context.store.readModels.checkpoint(subscription)
    if (checkpoint !== undefined && checkpoint.position >= this.#filledAt) return
    const { name, version } = this.definition.shape
    throw new DaybookError(
      'PROJECTION_FILLING',
      `the read model ${name} is served by version ${record.serving.version}; the copy of version ${version}, the code of this process, is at position ${checkpoint?.position ?? 0} of ${this.#filledAt}`,
      { projection: name, version, serving: record.serving.version, position: checkpoint?.position ?? 0 },
    )
  }

  #reportServing({ name, serving }: ReadModelRecord): void {
    const subject = copySubscription(name, serving)
    this.#parts.context.report({
      kind: 'projection-swapped',
      subject,
      message: `projection ${name} is served by ${subject} from now on`,
    })
  }

  #reportFailed(error: unknown): void {
    const subject = this.#own.projecting.definition.subscription
    const message = `projection ${subject} cannot take its place: ${messageOf(error)}`
    this.#parts.context.report({ kind: 'follower-waiting', subject, message, error })
  }
}

/** Prepares a copy, and what keeps it up to date. One that is filled beside gets its indexes when it is filled. */
async function openCopy(
  { context, keeper, recordLag }: StoredProjectionParts,
  base: ProjectionDefinition,
  record: ReadModelRecord,
  copy: ReadModelCopy,
  lag: LagWindow,
): Promise<OpenCopy> {
  const { store, host } = context
  const definition = definitionOf(base, copy)
  const subject = definition.subscription
  const { name, version } = definition.shape
  const projecting = new Projecting({
    definition,
    fingerprint: context.digest(base.fingerprintText),
    log: store.log,
    models: store.readModels,
    following: store.following,
    identity: store.identity,
    host,
    isIndexed: roleOf(record, copy) !== 'next',
    onError: (error, isStopped) => {
      const kind = isStopped ? 'projection-stopped' : 'follower-waiting'
      context.report({ kind, subject, message: `projection ${subject}: ${messageOf(error)}`, error })
    },
    onParked: ({ position }, error) => {
      const message = `projection ${subject}, event ${position}: ${messageOf(error)}`
      context.report({ kind: 'event-parked', subject, message, error })
    },
    onDone: (lagMs) => {
      lag.record(lagMs)
      recordLag(lagMs, { kind: 'projection', name, version })
    },
  })
  const isChanged = store.isReadOnly ? await projecting.isOfOtherCode() : await projecting.prepare()
  if (isChanged) {
    const message = `projection ${subject} was changed, but its version was not raised: what is stored is of other code`
    context.report({ kind: 'projection-changed', subject, message })
  }
  // An inline read model is moved by whoever appends, so nobody can have it for himself.
  const lease = definition.mode === 'inline' ? undefined : { keeper, claim: { subscription: subject } }
  return { copy, projecting, follower: new Follower(projecting, store.log, host, lease), isChanged }
}

/** Folds up to the head; throws what stops it. */
export async function catchUp(projecting: Projecting): Promise<void> {
  const never = new AbortController().signal
  try {
    while (await projecting.step(never)) {
      // Each step folds a batch and yields in between.
    }
  } catch (error) {
    throw error instanceof Error && error.cause instanceof DaybookError ? error.cause : error
  }
}
