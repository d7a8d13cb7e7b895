import { DaybookError, messageOf } from '../core/errors.ts'
import type { ProjectionDefinition, ProjectionMode } from '../core/projection.ts'
import { Follower, type FollowerState } from '../processing/follower.ts'
import { LiveProjection } from '../processing/live.ts'
import { Projecting } from '../processing/projecting.ts'
import { Reacting } from '../processing/reacting.ts'
import type { BookContext } from './context.ts'
import type { BookOptions } from './options.ts'
import type { OpenProjection } from './read-model.ts'

/** Where a projection or a reaction stands. */
export interface FollowerStatus {
  readonly kind: 'projection' | 'reaction'
  readonly name: string
  /** Of a projection; a reaction has none. */
  readonly version?: number
  readonly mode: ProjectionMode | 'reaction'
  readonly state: FollowerState | 'live'
  /** Everything up to here is done. */
  readonly position: number
  /** Events of the log after `position`. */
  readonly behind: number
  /** When the position last moved, in ms since 1970: one that is behind and does not move has no process that runs it. */
  readonly movedAtMs?: number
  /** True when the stored read model was made by other code of the same version. */
  readonly isChanged: boolean
  /** What stopped it or is being retried. */
  readonly error?: string
}

/** Everything of one book that follows its log. */
export class Followers {
  readonly #context: BookContext
  readonly #projections: ReadonlyMap<ProjectionDefinition, OpenProjection>
  readonly #reactions: readonly { readonly reacting: Reacting; readonly follower: Follower }[]

  private constructor(
    context: BookContext,
    projections: ReadonlyMap<ProjectionDefinition, OpenProjection>,
    reactions: readonly { readonly reacting: Reacting; readonly follower: Follower }[],
  ) {
    this.#context = context
    this.#projections = projections
    this.#reactions = reactions
  }

  /** Prepares what is stored, brings inline projections up to the head, and starts what runs here. */
  static async open(context: BookContext, options: BookOptions): Promise<Followers> {
    refuseSharedCheckpoints([...(options.projections ?? []), ...(options.reactions ?? [])])
    const projections = new Map<ProjectionDefinition, OpenProjection>()
    for (const { definition } of options.projections ?? [])
      projections.set(definition, await openProjection(context, definition))
    const reactions = await Promise.all(
      (options.reactions ?? []).map(({ definition }) => openReaction(context, definition)),
    )
    const followers = new Followers(context, projections, reactions)
    if (options.follow !== false && !context.store.isReadOnly) followers.#start()
    return followers
  }

  #start(): void {
    for (const projection of this.#projections.values())
      if (projection.mode !== 'live') projection.follower.start()
    for (const { follower } of this.#reactions) follower.start()
  }

  /** Throws `NOT_REGISTERED` for a projection the book was not opened with. */
  projection(definition: ProjectionDefinition): OpenProjection {
    const open = this.#projections.get(definition)
    if (open !== undefined) return open
    throw new DaybookError(
      'NOT_REGISTERED',
      `the book was opened without the projection "${definition.shape.name}"`,
      {
        projection: definition.shape.name,
      },
    )
  }

  /** Folds a stored read model anew, up to the head; throws what stops it. */
  async rebuild(definition: ProjectionDefinition): Promise<void> {
    const open = this.projection(definition)
    if (open.mode === 'live') return
    await open.projecting.reset()
    await catchUp(open.projecting)
  }

  async status(): Promise<readonly FollowerStatus[]> {
    const head = (await this.#context.store.log.head()).position
    const projections = [...this.#projections.values()].map(async (open): Promise<FollowerStatus> => {
      const { name, version } = open.definition.shape
      const identity = { kind: 'projection' as const, name, version, mode: open.mode }
      if (open.mode === 'live')
        return { ...identity, state: 'live', position: head, behind: 0, isChanged: false }
      const { position, updatedAtMs } = await open.projecting.checkpoint()
      return {
        ...identity,
        ...runOf(open.follower),
        position,
        behind: Math.max(0, head - position),
        movedAtMs: updatedAtMs,
        isChanged: open.isChanged,
      }
    })
    const reactions = this.#reactions.map(async ({ reacting, follower }): Promise<FollowerStatus> => {
      const { position, updatedAtMs } = await reacting.checkpoint()
      const identity = {
        kind: 'reaction' as const,
        name: reacting.definition.name,
        mode: 'reaction' as const,
      }
      return {
        ...identity,
        ...runOf(follower),
        position,
        behind: Math.max(0, head - position),
        movedAtMs: updatedAtMs,
        isChanged: false,
      }
    })
    return Promise.all([...projections, ...reactions])
  }

  async stop(): Promise<void> {
    const stored = [...this.#projections.values()].flatMap((open) =>
      open.mode === 'live' ? [] : [open.follower],
    )
    await Promise.all(
      [...stored, ...this.#reactions.map(({ follower }) => follower)].map((follower) => follower.stop()),
    )
  }
}

/** Two followers of one name would move one checkpoint, and each would miss what the other did. */
function refuseSharedCheckpoints(
  followers: readonly { readonly definition: { readonly subscription: string } }[],
): void {
  const seen = new Set<string>()
  for (const { definition } of followers) {
    const { subscription } = definition
    if (seen.has(subscription)) {
      throw new DaybookError(
        'DEFINITION_INVALID',
        `the book has two of "${subscription}"; names must differ`,
        { subscription },
      )
    }
    seen.add(subscription)
  }
}

function runOf(follower: Follower): Pick<FollowerStatus, 'state' | 'error'> {
  const { state, error } = follower
  if (error === undefined) return { state }
  return { state, error: messageOf(error) }
}

async function openProjection(
  context: BookContext,
  definition: ProjectionDefinition,
): Promise<OpenProjection> {
  const { store, host } = context
  if (definition.mode === 'live')
    return { mode: 'live', definition, live: new LiveProjection(definition, store.log) }
  const subject = definition.subscription
  const projecting = new Projecting({
    definition,
    fingerprint: context.digest(definition.fingerprintText),
    log: store.log,
    models: store.readModels,
    identity: store.identity,
    host,
    onError: (error, isStopped) => {
      const kind = isStopped ? 'projection-stopped' : 'follower-waiting'
      context.report({ kind, subject, message: `projection ${subject}: ${messageOf(error)}`, error })
    },
  })
  const isChanged = store.isReadOnly ? false : await projecting.prepare()
  if (isChanged) {
    const message = `projection ${subject} was changed, but its version was not raised: what is stored is of other code`
    context.report({ kind: 'projection-changed', subject, message })
  }
  if (definition.mode === 'inline' && !store.isReadOnly) await catchUp(projecting)
  return {
    mode: definition.mode,
    definition,
    projecting,
    follower: new Follower(projecting, store.log, host),
    isChanged,
  }
}

async function openReaction(
  context: BookContext,
  definition: ConstructorParameters<typeof Reacting>[0]['definition'],
): Promise<{ readonly reacting: Reacting; readonly follower: Follower }> {
  const { store, host } = context
  const reacting = new Reacting({
    definition,
    log: store.log,
    models: store.readModels,
    identity: store.identity,
    host,
    onError: (error, attempt) => {
      const kind = attempt >= definition.maxAttempts ? 'reaction-stopped' : 'reaction-failed'
      const message = `reaction ${definition.name}, try ${attempt}: ${messageOf(error)}`
      context.report({ kind, subject: definition.name, message, error })
    },
  })
  if (!store.isReadOnly) await reacting.prepare()
  return { reacting, follower: new Follower(reacting, store.log, host) }
}

/** Folds up to the head; throws what stops it. */
async function catchUp(projecting: Projecting): Promise<void> {
  const never = new AbortController().signal
  try {
    while (await projecting.step(never)) {
      // Each step folds a batch and yields in between.
    }
  } catch (error) {
    throw error instanceof Error && error.cause instanceof DaybookError ? error.cause : error
  }
}
