import { DaybookError } from '../core/errors.ts'
import { followerNameOf, isFollowerNamed } from '../core/follower-name.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { legalName } from '../core/names.ts'
import type { FollowingTransaction, ParkedEvent, ParkedStatus } from '../core/ports/following.ts'
import { releaseStream } from '../processing/aside.ts'
import type { BookContext } from './context.ts'
import type { FollowerStatus } from './follower-status.ts'

/** Which events put aside; all conditions hold. */
export interface ParkedOptions {
  /** Of one follower: `search`, `search@2`, `reaction mail`. */
  readonly subscription?: string
  readonly stream?: string
  /** Only the event at this position. */
  readonly position?: number
  /** Default: all but `skipped`. */
  readonly statuses?: readonly ParkedStatus[]
  /** Exclusive. Of one subscription; default 0. */
  readonly afterPosition?: number
  /** 1 to 10,000; default 100. */
  readonly limit?: number
}

/** Why an event is not to be handled, and who says so. Kept with it. */
export interface SkipReason {
  /** 1 to 2,000 characters. */
  readonly reason: string
  readonly actor: string
}

/**
 * What a person does about followers, from any process that has the book open: whether it runs them or not, and whether it
 * knows their code or not.
 */
export interface SubscriptionControl {
  /** Where everything stands that follows the book; the same as `book.status()`. */
  status(): Promise<readonly FollowerStatus[]>
  /** Nobody runs it any more, in any process, until it is resumed. Durable. Throws `NOT_REGISTERED`. */
  pause(name: string): Promise<void>
  resume(name: string): Promise<void>
  /** The events it has put aside, in order of subscription and position. */
  parked(options?: ParkedOptions): Promise<readonly ParkedEvent[]>
  /**
   * Has an event tried once more, or all that are parked or retrying, as soon as who runs it looks: within a second.
   * Returns how many. Throws `NOT_REGISTERED`, and `NOT_PARKED` for an event that is neither.
   */
  retry(name: string, which: number | 'all'): Promise<number>
  /** Decides that an event is not to be handled; later ones of its stream go on. Durable, and kept. Throws as `retry`. */
  skip(name: string, position: number, why: SkipReason): Promise<void>
}

/** Events changed in one transaction. */
const changedAtOnce = 200

const openStatuses: readonly ParkedStatus[] = ['retrying', 'waiting', 'parked']

/** The control of one book. `wake` tells followers of this process to look at once. */
export function subscriptionControl(
  context: BookContext,
  status: () => Promise<readonly FollowerStatus[]>,
  wake: () => void,
): SubscriptionControl {
  async function pause(name: string, isPaused: boolean): Promise<void> {
    for (const subscription of await named(context, name))
      await context.store.following.pause(subscription, isPaused)
    if (!isPaused) wake()
  }

  return {
    status,
    pause: (name) => pause(name, true),
    resume: (name) => pause(name, false),
    parked: (options = {}) => listParked(context, options),
    async retry(name, which) {
      if (which !== 'all') integerWithin('position', which, 1, maxPosition)
      let count = 0
      for (const subscription of await named(context, name))
        count += await (which === 'all'
          ? retryAll(context, subscription)
          : changeParked(context, subscription, (transaction, nowMs) =>
              retryThese(transaction, subscription, [which], nowMs),
            ))
      if (count === 0 && which !== 'all') throw notParked(name, which)
      wake()
      return count
    },
    async skip(name, position, why) {
      integerWithin('position', position, 1, maxPosition)
      requireReason(why)
      const { reason, actor } = why
      let count = 0
      for (const subscription of await named(context, name))
        count += await changeParked(context, subscription, (transaction, nowMs) =>
          skipOne(transaction, { subscription, position, reason, actor, nowMs }),
        )
      if (count === 0) throw notParked(name, position)
      wake()
    },
  }
}

function requireReason({ reason, actor }: SkipReason): void {
  legalName('actor', actor)
  if (typeof reason === 'string' && reason.trim() !== '' && reason.length <= 2_000) return
  throw new DaybookError('ILLEGAL_ARGUMENT', 'reason must be a text of 1 to 2,000 characters', {
    argument: 'reason',
  })
}

async function retryAll(context: BookContext, subscription: string): Promise<number> {
  let count = 0
  for (let afterPosition = 0; ; ) {
    const page = await context.store.following.parked({
      subscription,
      statuses: ['retrying', 'parked'],
      afterPosition,
      limit: changedAtOnce,
    })
    const last = page.at(-1)
    if (last === undefined) return count
    const positions = page.map(({ position }) => position)
    count += await changeParked(context, subscription, (transaction, nowMs) =>
      retryThese(transaction, subscription, positions, nowMs),
    )
    afterPosition = last.position
  }
}

/** Those of the events that are still to be tried are due at once; returns how many. */
async function retryThese(
  transaction: FollowingTransaction,
  subscription: string,
  positions: readonly number[],
  nowMs: number,
): Promise<number> {
  let count = 0
  for (const position of positions) {
    const event = await eventAt(transaction, subscription, position)
    if (event === undefined || !isToBeTried(event)) continue
    await transaction.putParked(dueNow(event, nowMs))
    count++
  }
  return count
}

async function listParked(context: BookContext, options: ParkedOptions): Promise<readonly ParkedEvent[]> {
  const { subscription: name, stream, statuses = openStatuses } = options
  const limit = integerWithin('limit', options.limit ?? 100, 1, 10_000)
  const afterPosition = integerWithin('afterPosition', options.afterPosition ?? 0, 0, maxPosition)
  const position =
    options.position === undefined ? undefined : integerWithin('position', options.position, 1, maxPosition)
  const filter = { stream, statuses, position, afterPosition, limit }
  const { following } = context.store
  if (name === undefined) return following.parked(filter)
  const found: ParkedEvent[] = []
  for (const subscription of await named(context, name))
    found.push(...(await following.parked({ ...filter, subscription })))
  return found.slice(0, limit)
}

/** The checkpoints that a name means; those of one follower, but of all its shards and, without a version, all versions. */
async function named(context: BookContext, name: string): Promise<readonly string[]> {
  const checkpoints = await context.store.readModels.checkpoints()
  const known = checkpoints.map(({ subscription }) => subscription).sort()
  const meant = known.filter((subscription) => isFollowerNamed(subscription, name))
  const kinds = [...new Set(meant.map((subscription) => followerNameOf(subscription).kind))]
  if (kinds.length === 1) return meant
  const followers = [...new Set(known.map(withoutShard))]
  if (kinds.length === 0) {
    const list = followers.join(', ') || 'none'
    const message = `nothing that follows this book is called "${name}"; there are ${list}`
    throw new DaybookError('NOT_REGISTERED', message, { follower: name, known: followers })
  }
  const choices = kinds.map((kind) => `"${kind} ${name}"`).join(' or ')
  throw new DaybookError('ILLEGAL_ARGUMENT', `"${name}" is the name of several: say ${choices}`, {
    argument: 'name',
    value: name,
  })
}

function withoutShard(subscription: string): string {
  return followerNameOf(subscription).kind === 'reaction' ? subscription : subscription.replace(/#\d+$/, '')
}

/**
 * Changes events aside while the checkpoint stands still: who moves it or puts events aside meanwhile waits, or has this begin
 * again, so that neither decides on what the other is about to change.
 */
async function changeParked<Result>(
  { store, host }: BookContext,
  subscription: string,
  work: (transaction: FollowingTransaction, nowMs: number) => Promise<Result>,
): Promise<Result> {
  for (;;) {
    const nowMs = await store.following.now()
    const done = await store.following.transaction(async (transaction) => {
      const checkpoint = await transaction.checkpoint(subscription)
      if (checkpoint === undefined) throw notPrepared(subscription)
      const isHeld = await transaction.move(subscription, checkpoint.position, checkpoint)
      return isHeld ? { result: await work(transaction, nowMs) } : undefined
    }, true)
    if (done !== undefined) return done.result
    await host.nextTurn()
  }
}

async function skipOne(
  transaction: FollowingTransaction,
  {
    subscription,
    position,
    nowMs,
    ...why
  }: SkipReason & { readonly subscription: string; readonly position: number; readonly nowMs: number },
): Promise<number> {
  const event = await eventAt(transaction, subscription, position)
  if (event === undefined || event.status === 'skipped') return 0
  await transaction.putParked({ ...event, ...why, status: 'skipped', nextAtMs: null, changedAtMs: nowMs })
  // One that waited has an earlier one before it, which the later ones wait for as well.
  if (event.status !== 'waiting') await releaseStream(transaction, subscription, event.stream, nowMs)
  return 1
}

async function eventAt(
  transaction: FollowingTransaction,
  subscription: string,
  position: number,
): Promise<ParkedEvent | undefined> {
  return (await transaction.parked({ subscription, position, limit: 1 }))[0]
}

function isToBeTried({ status }: ParkedEvent): boolean {
  return status === 'parked' || status === 'retrying'
}

/** Due at once. Without its error: what is said of an attempt under way must not be taken for one of this try. */
function dueNow(event: ParkedEvent, nowMs: number): ParkedEvent {
  return { ...event, status: 'retrying', error: null, nextAtMs: nowMs, changedAtMs: nowMs }
}

function notParked(name: string, position: number): DaybookError {
  const message = `${name} has no event aside at position ${position} that could be decided about`
  return new DaybookError('NOT_PARKED', message, { follower: name, position })
}

function notPrepared(subscription: string): DaybookError {
  return new DaybookError('NOT_REGISTERED', `the follower ${subscription} is gone`, {
    follower: subscription,
  })
}
