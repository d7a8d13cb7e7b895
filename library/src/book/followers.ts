import { DaybookError, messageOf } from '../core/errors.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { ownerName } from '../host/owner.ts'
import { Follower } from '../processing/follower.ts'
import { LagWindow } from '../processing/lag-window.ts'
import { LeaseKeeper, leaseSettingsFrom } from '../processing/lease-keeper.ts'
import { LiveProjection } from '../processing/live.ts'
import { Projecting } from '../processing/projecting.ts'
import type { BookContext } from './context.ts'
import type { FollowerStatus } from './follower-status.ts'
import { followerStatuses } from './follower-statuses.ts'
import { followerGauges, lagHistogram } from './metrics.ts'
import { type OpenProcess, openClock } from './open-process.ts'
import { type OpeningParts, type OpenSubscription, openSubscription } from './open-subscription.ts'
import type { BookOptions } from './options.ts'
import type { OpenProjection } from './read-model.ts'
import { Watch } from './watch.ts'

/** Everything of one book that follows its log. */
export class Followers {
  readonly #context: BookContext
  readonly #keeper: LeaseKeeper
  readonly #projections: ReadonlyMap<ProjectionDefinition, OpenProjection>
  readonly #subscriptions: readonly OpenSubscription[]
  readonly #clocks: readonly Follower[]
  readonly #watch: Watch
  #stopGauges: (() => void) | undefined

  private constructor(
    context: BookContext,
    options: BookOptions,
    keeper: LeaseKeeper,
    {
      projections,
      subscriptions,
      clocks,
    }: {
      readonly projections: ReadonlyMap<ProjectionDefinition, OpenProjection>
      readonly subscriptions: readonly OpenSubscription[]
      readonly clocks: readonly Follower[]
    },
  ) {
    this.#context = context
    this.#keeper = keeper
    this.#projections = projections
    this.#subscriptions = subscriptions
    this.#clocks = clocks
    this.#watch = new Watch(context, () => this.status(), options.lag)
  }

  /** Prepares what is stored, brings inline projections up to the head, and starts what runs here. */
  static async open(
    context: BookContext,
    options: BookOptions,
    processes: readonly OpenProcess[],
  ): Promise<Followers> {
    const subscribed = [
      ...[...(options.subscriptions ?? []), ...(options.reactions ?? [])].map(({ definition }) => definition),
      ...processes.flatMap((process) => process.subscriptions),
    ]
    const projected = [
      ...(options.projections ?? []).map(({ definition }) => definition),
      ...processes.map(({ projection }) => projection),
    ]
    refuseSharedCheckpoints([...projected, ...subscribed])
    const keeper = keeperOf(context, options)
    const parts = { context, keeper, recordLag: lagHistogram(options.meter) }
    const projections = new Map<ProjectionDefinition, OpenProjection>()
    for (const definition of projected) projections.set(definition, await openProjection(parts, definition))
    const subscriptions: OpenSubscription[] = []
    for (const definition of subscribed) subscriptions.push(await openSubscription(parts, definition))
    const clocks: Follower[] = []
    for (const process of processes) {
      const pending = projections.get(process.projection)
      if (pending !== undefined) clocks.push(await openClock(parts, process, pending))
    }
    const followers = new Followers(context, options, keeper, { projections, subscriptions, clocks })
    followers.#start(options, context.store.isReadOnly)
    return followers
  }

  #start({ follow = true, lag, meter }: BookOptions, isReadOnly: boolean): void {
    const running = this.#running()
    const isFollowing = follow && !isReadOnly
    if (isFollowing) for (const follower of running) follower.start()
    const isWatched = isFollowing || lag !== undefined || meter !== undefined
    if (isWatched && running.length > 0) this.#watch.start()
    if (meter !== undefined) this.#stopGauges = followerGauges(meter, () => this.#watch.last)
  }

  #running(): Follower[] {
    const stored = [...this.#projections.values()].flatMap((open) =>
      open.mode === 'live' ? [] : [open.follower],
    )
    const subscribed = this.#subscriptions.flatMap(({ shards }) => shards.map(({ follower }) => follower))
    return [...stored, ...subscribed, ...this.#clocks]
  }

  /** Has everything that runs here look at once for what a person decided. */
  wake(): void {
    for (const open of this.#projections.values()) if (open.mode !== 'live') open.projecting.wake()
    for (const { shards } of this.#subscriptions) for (const { subscribing } of shards) subscribing.wake()
    for (const follower of this.#running()) follower.wake()
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
    return followerStatuses(this.#context, [...this.#projections.values()], this.#subscriptions)
  }

  async stop(): Promise<void> {
    this.#stopGauges?.()
    await this.#watch.stop()
    await Promise.all(this.#running().map((follower) => follower.stop()))
    await this.#keeper.close()
  }
}

/** Two followers of one name would move one checkpoint, and each would miss what the other did. */
function refuseSharedCheckpoints(followers: readonly { readonly subscription: string }[]): void {
  const seen = new Set<string>()
  for (const { subscription } of followers) {
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

function keeperOf({ store, host, report }: BookContext, options: BookOptions): LeaseKeeper {
  return new LeaseKeeper({
    following: store.following,
    host,
    owner: ownerName(),
    settings: leaseSettingsFrom(options.lease),
    onLost: (subject, why) =>
      report({ kind: 'lease-lost', subject, message: `the lease of ${subject} is lost: ${why}` }),
    onError: (error) => {
      const message = `leases cannot be looked after: ${messageOf(error)}`
      report({ kind: 'follower-waiting', subject: 'leases', message, error })
    },
  })
}

async function openProjection(
  { context, keeper, recordLag }: OpeningParts,
  definition: ProjectionDefinition,
): Promise<OpenProjection> {
  const { store, host } = context
  if (definition.mode === 'live')
    return { mode: 'live', definition, live: new LiveProjection(definition, store.log) }
  const subject = definition.subscription
  const { name, version } = definition.shape
  const lag = new LagWindow(host.now)
  const projecting = new Projecting({
    definition,
    fingerprint: context.digest(definition.fingerprintText),
    log: store.log,
    models: store.readModels,
    following: store.following,
    identity: store.identity,
    host,
    onDone: (lagMs) => {
      lag.record(lagMs)
      recordLag(lagMs, { kind: 'projection', name, version })
    },
    onParked: ({ position }, error) => {
      const message = `projection ${subject}, event ${position}: ${messageOf(error)}`
      context.report({ kind: 'event-parked', subject, message, error })
    },
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
  // An inline read model is moved by whoever appends, so nobody can have it for himself.
  const lease = definition.mode === 'inline' ? undefined : { keeper, claim: { subscription: subject } }
  return {
    mode: definition.mode,
    definition,
    projecting,
    follower: new Follower(projecting, store.log, host, lease),
    lag,
    isChanged,
  }
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
