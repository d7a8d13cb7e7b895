import { DaybookError, messageOf } from '../core/errors.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import type { SqlProjectionDefinition } from '../core/sql-projection.ts'
import { ownerName } from '../host/owner.ts'
import type { Follower } from '../processing/follower.ts'
import { LeaseKeeper, leaseSettingsFrom } from '../processing/lease-keeper.ts'
import { LiveProjection } from '../processing/live.ts'
import type { BookContext } from './context.ts'
import type { FollowerStatus } from './follower-status.ts'
import { followerStatuses } from './follower-statuses.ts'
import { followerGauges, lagHistogram } from './metrics.ts'
import { type OpenProcess, openClock } from './open-process.ts'
import { type OpenSqlProjection, openSqlProjection } from './open-sql-projection.ts'
import { type OpenSubscription, openSubscription } from './open-subscription.ts'
import type { BookOptions } from './options.ts'
import type { OpenProjection } from './read-model.ts'
import { ReadModelRegistry } from './read-model-registry.ts'
import { StoredProjection, type StoredProjectionParts } from './stored-projection.ts'
import { Watch } from './watch.ts'

/** Everything of one book that follows its log. */
export class Followers {
  readonly #context: BookContext
  readonly keeper: LeaseKeeper
  readonly registry: ReadModelRegistry
  readonly #projections: ReadonlyMap<ProjectionDefinition, OpenProjection>
  readonly #sqlProjections: readonly OpenSqlProjection[]
  readonly #subscriptions: readonly OpenSubscription[]
  readonly #clocks: readonly Follower[]
  readonly #watch: Watch
  #stopGauges: (() => void) | undefined

  private constructor(
    { context, keeper, registry }: StoredProjectionParts,
    options: BookOptions,
    {
      projections,
      sqlProjections,
      subscriptions,
      clocks,
    }: {
      readonly projections: ReadonlyMap<ProjectionDefinition, OpenProjection>
      readonly sqlProjections: readonly OpenSqlProjection[]
      readonly subscriptions: readonly OpenSubscription[]
      readonly clocks: readonly Follower[]
    },
  ) {
    this.#context = context
    this.keeper = keeper
    this.registry = registry
    this.#projections = projections
    this.#sqlProjections = sqlProjections
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
    const bySql = (options.sqlProjections ?? []).map(({ definition }) => definition)
    refuseSharedCheckpoints([...projected, ...bySql, ...subscribed])
    const keeper = keeperOf(context, options)
    const registry = new ReadModelRegistry(context.store, context.host)
    const parts = { context, keeper, registry, recordLag: lagHistogram(options.meter) }
    const projections = new Map<ProjectionDefinition, OpenProjection>()
    for (const definition of projected) projections.set(definition, await openProjection(parts, definition))
    const sqlProjections: OpenSqlProjection[] = []
    for (const definition of bySql) sqlProjections.push(await openSqlProjection(parts, definition))
    const subscriptions: OpenSubscription[] = []
    for (const definition of subscribed) subscriptions.push(await openSubscription(parts, definition))
    const clocks: Follower[] = []
    for (const process of processes) {
      const pending = projections.get(process.projection)
      if (pending !== undefined) clocks.push(await openClock(parts, process, pending))
    }
    const followers = new Followers(parts, options, { projections, sqlProjections, subscriptions, clocks })
    followers.#start(options, context.store.isReadOnly)
    return followers
  }

  #start({ follow = true, lag, meter }: BookOptions, isReadOnly: boolean): void {
    const running = this.#running()
    const isFollowing = follow && !isReadOnly
    if (isFollowing) {
      for (const projection of this.#stored()) projection.start()
      for (const { follower } of this.#sqlProjections) follower.start()
      for (const { shards } of this.#subscriptions) for (const { follower } of shards) follower.start()
      for (const clock of this.#clocks) clock.start()
      if (this.#stored().length > 0) this.registry.watch()
    }
    const isWatched = isFollowing || lag !== undefined || meter !== undefined
    if (isWatched && running.length > 0) this.#watch.start()
    if (meter !== undefined) this.#stopGauges = followerGauges(meter, () => this.#watch.last)
  }

  #stored(): StoredProjection[] {
    return [...this.#projections.values()].flatMap((open) => (open.mode === 'live' ? [] : [open]))
  }

  #running(): Follower[] {
    const stored = this.#stored().flatMap(({ followers }) => followers)
    const sql = this.#sqlProjections.map(({ follower }) => follower)
    const subscribed = this.#subscriptions.flatMap(({ shards }) => shards.map(({ follower }) => follower))
    return [...stored, ...sql, ...subscribed, ...this.#clocks]
  }

  /** Has everything that runs here look at once for what a person decided. */
  wake(): void {
    for (const open of this.#projections.values()) if (open.mode !== 'live') open.projecting.wake()
    for (const { projecting } of this.#sqlProjections) projecting.wake()
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

  /** Throws `NOT_REGISTERED` for a SQL projection the book was not opened with. */
  sqlProjection(definition: SqlProjectionDefinition): OpenSqlProjection {
    const open = this.#sqlProjections.find((each) => each.definition === definition)
    if (open !== undefined) return open
    const message = `the book was opened without the SQL projection "${definition.name}"`
    throw new DaybookError('NOT_REGISTERED', message, { projection: definition.name })
  }

  /** The projections of a name, or all that are stored, in the order they were given. */
  stored(name?: string): readonly StoredProjection[] {
    return this.#stored().filter(({ definition }) => name === undefined || definition.shape.name === name)
  }

  async status(): Promise<readonly FollowerStatus[]> {
    const projections = [...this.#projections.values(), ...this.#sqlProjections]
    return followerStatuses(this.#context, projections, this.#subscriptions)
  }

  async stop(): Promise<void> {
    this.#stopGauges?.()
    await this.#watch.stop()
    await this.registry.close()
    await Promise.all([
      ...this.#stored().map((projection) => projection.stop()),
      ...this.#sqlProjections.map(({ follower }) => follower.stop()),
      ...this.#subscriptions.flatMap(({ shards }) => shards.map(({ follower }) => follower.stop())),
      ...this.#clocks.map((clock) => clock.stop()),
    ])
    await this.keeper.close()
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
  parts: StoredProjectionParts,
  definition: ProjectionDefinition,
): Promise<OpenProjection> {
  if (definition.mode !== 'live') return StoredProjection.open(parts, definition)
  return { mode: 'live', definition, live: new LiveProjection(definition, parts.context.store.log) }
}
