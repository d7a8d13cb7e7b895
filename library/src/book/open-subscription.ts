import { DaybookError, messageOf } from '../core/errors.ts'
import { followerNameOf } from '../core/follower-name.ts'
import type { Checkpoint } from '../core/ports/read-models.ts'
import { type SubscriptionDefinition, shardNames } from '../core/subscription.ts'
import { Follower } from '../processing/follower.ts'
import { LagWindow } from '../processing/lag-window.ts'
import type { LeaseKeeper } from '../processing/lease-keeper.ts'
import { type ShardParts, shardCheckpoint } from '../processing/shard-run.ts'
import { Subscribing } from '../processing/subscribing.ts'
import type { BookContext } from './context.ts'
import type { lagHistogram } from './metrics.ts'

/** One shard of a subscription of an open book. */
export interface OpenShard {
  readonly subscribing: Subscribing
  readonly follower: Follower
}

/** A subscription, reaction or process of an open book. */
export interface OpenSubscription {
  readonly definition: SubscriptionDefinition
  readonly shards: readonly OpenShard[]
  readonly lag: LagWindow
}

/** What opening a follower needs. */
export interface OpeningParts {
  readonly context: BookContext
  readonly keeper: LeaseKeeper
  readonly recordLag: ReturnType<typeof lagHistogram>
}

/** Prepares its checkpoints, the first time this book meets it, and what runs it here. */
export async function openSubscription(
  { context, keeper, recordLag }: OpeningParts,
  definition: SubscriptionDefinition,
): Promise<OpenSubscription> {
  const { store, host } = context
  const names = shardNames(definition)
  const lag = new LagWindow(host.now)
  const { kind, name, version } = definition
  const follower = { kind, name, ...(version === undefined ? {} : { version }) }
  const parts: Omit<ShardParts, 'subscription' | 'shard'> = {
    definition,
    log: store.log,
    models: store.readModels,
    following: store.following,
    identity: store.identity,
    host,
    pageSizes: context.pageSizes,
    report: ({ kind, position, attempt, error }) => {
      const message = `${definition.subscription}, event ${position}, try ${attempt}: ${messageOf(error)}`
      context.report({ kind, subject: definition.name, message, error })
    },
    onDone: (lagMs) => {
      lag.record(lagMs)
      recordLag(lagMs, follower)
    },
  }
  if (!store.isReadOnly) await prepare(context, parts, names)
  const group =
    definition.shards === 1 ? undefined : { name: definition.subscription, shards: definition.shards }
  const shards = names.map((subscription, shard): OpenShard => {
    const subscribing = new Subscribing({ ...parts, subscription, shard }, (error, isStopped) => {
      const kind = isStopped ? (`${definition.kind}-stopped` as const) : 'follower-waiting'
      const message = `${subscription}: ${messageOf(error)}`
      context.report({ kind, subject: definition.name, message, error })
    })
    const lease = { keeper, claim: { subscription, group } }
    return { subscribing, follower: new Follower(subscribing, store.log, host, lease) }
  })
  return { definition, shards, lag }
}

async function prepare(
  { store }: BookContext,
  parts: Pick<ShardParts, 'identity' | 'host' | 'definition'>,
  names: readonly string[],
): Promise<void> {
  const { definition } = parts
  const head = (await store.log.head()).position
  const held = await store.readModels.checkpoints()
  const start = shardCheckpoint(parts, startOf(definition, head, held))
  refuseOtherShards(definition, start, held)
  for (const name of names) {
    await store.readModels.prepareSubscription(name, start)
    const checkpoint = (await store.readModels.checkpoint(name)) ?? start
    if (checkpoint.epoch === parts.identity.epoch && checkpoint.position <= head) continue
    // Another process may have gone on since the head was read: only a later one tells what is beyond it.
    const { position } = await store.log.head()
    if (checkpoint.epoch !== parts.identity.epoch || checkpoint.position > position)
      throw beyondHead(name, checkpoint, { position, epoch: parts.identity.epoch })
  }
}

type Held = readonly { readonly subscription: string; readonly checkpoint: Checkpoint }[]

/** Where it begins; where its last version had got, the shard that got least far decides: rather again than never. */
function startOf({ kind, name, version, startAt }: SubscriptionDefinition, head: number, held: Held): number {
  if (startAt === 'now') return head
  if (startAt === 'beginning') return 0
  const earlier = held.flatMap(({ subscription, checkpoint }) => {
    const named = followerNameOf(subscription)
    const isEarlier = named.kind === kind && named.name === name && (named.version ?? 0) < (version ?? 1)
    return isEarlier ? [{ version: named.version ?? 0, position: checkpoint.position }] : []
  })
  if (earlier.length === 0) return 0
  const last = Math.max(...earlier.map((each) => each.version))
  return Math.min(...earlier.flatMap((each) => (each.version === last ? [each.position] : [])))
}

/** Another number of shards would give streams to other checkpoints, which know nothing of what is done. */
function refuseOtherShards(definition: SubscriptionDefinition, start: Checkpoint, held: Held): void {
  const { subscription, shards, name } = definition
  const other = held.find(
    ({ subscription: known, checkpoint }) =>
      (known === subscription || known.startsWith(`${subscription}#`)) &&
      checkpoint.fingerprint !== start.fingerprint,
  )
  if (other === undefined) return
  throw new DaybookError(
    'DEFINITION_INVALID',
    `subscription "${name}" has ${shards} shards now, and had ${other.checkpoint.fingerprint || '1 shard'}: raise its version, and let it begin where the last one had got: startAt: 'previous'`,
    { subscription, shards },
  )
}

/** What is said of a checkpoint that is not of this history. */
export function beyondHead(
  subscription: string,
  checkpoint: Checkpoint,
  head: { readonly position: number; readonly epoch: number },
): DaybookError {
  return new DaybookError(
    'CHECKPOINT_BEYOND_HEAD',
    `${subscription} is at position ${checkpoint.position} of epoch ${checkpoint.epoch}, the log at ${head.position} of epoch ${head.epoch}`,
    { subscription, checkpoint: checkpoint.position, head: head.position },
  )
}
