import { DaybookError } from '../core/errors.ts'
import { integerWithin } from '../core/limits.ts'
import type { Acquired, FollowingStore, Lease, Trial } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import { Memberships } from './memberships.ts'

/** How long a lease lasts, and how often it is renewed. */
export interface LeaseSettings {
  /** Who dies is replaced after so long at most, in ms: 500 to 600,000; default 5,000. */
  readonly ttlMs: number
  /** In ms, 100 to a half of `ttlMs`; default 1,000. */
  readonly renewMs: number
}

/** Completes the settings with the defaults; throws `ILLEGAL_ARGUMENT`. */
export function leaseSettingsFrom(given: Partial<LeaseSettings> = {}): LeaseSettings {
  const ttlMs = integerWithin('lease.ttlMs', given.ttlMs ?? 5_000, 500, 600_000)
  const most = Math.floor(ttlMs / 2)
  return { ttlMs, renewMs: integerWithin('lease.renewMs', given.renewMs ?? Math.min(1_000, most), 100, most) }
}

/** What a follower wants to hold while it runs. */
export interface Claim {
  readonly subscription: string
  /** Shards of one group are shared by its members; alone when undefined. */
  readonly group?: { readonly name: string; readonly shards: number } | undefined
}

/** A lease held by this process. */
export interface HeldLease {
  readonly lease: Lease
  /** True when the last owner died or hangs. */
  readonly isTakenOver: boolean
  readonly trial: Trial | undefined
  /** Aborted when it is lost: whatever goes on must stop, and nothing it writes is accepted any more. */
  readonly lost: AbortSignal
  /** True when another member of the group should have it: give it back between two steps. */
  readonly isSurplus: boolean
  /** True when it was not renewed for as long as it lasts: whoever was frozen asks before it goes on. */
  readonly isOverdue: boolean
  /** Asks at once whether it is still held, when a write was refused; if not, `lost` is aborted. */
  confirm(): Promise<boolean>
}

interface Holding extends HeldLease {
  readonly claim: Claim
  readonly losing: AbortController
  isSurplus: boolean
  /** When the lease was last known to begin. */
  confirmed: Moment
  isRenewing: boolean
}

/** By the machine's steady clock, and by that of its host. */
interface Moment {
  readonly steadyMs: number
  readonly hostMs: number
}

interface Waiting {
  readonly claim: Claim
  readonly resolve: (held: HeldLease) => void
}

export interface LeaseKeeperParts {
  readonly following: FollowingStore
  readonly host: Host
  readonly owner: string
  readonly settings: LeaseSettings
  readonly onLost: (subscription: string, why: string) => void
  readonly onError: (error: unknown) => void
}

/**
 * Holds the leases of one opened book: takes those that are free, renews them, shares the shards of groups, and tells
 * at once when one is lost. A lease that could not be renewed for as long as it lasts counts as lost, without asking
 * anybody: somebody else may hold it by then.
 */
export class LeaseKeeper {
  readonly #parts: LeaseKeeperParts
  readonly #held = new Map<string, Holding>()
  readonly #waiting = new Map<string, Waiting>()
  readonly #memberships: Memberships
  readonly #stop = new AbortController()
  #running: Promise<unknown> | undefined
  #taking: Promise<void> = Promise.resolve()
  #isTakingSoon = false

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts
    this.#memberships = new Memberships(parts.following, parts.owner, parts.settings.ttlMs)
  }

  get owner(): string {
    return this.#parts.owner
  }

  /** The lease this process holds of a subscription. */
  held(subscription: string): HeldLease | undefined {
    return this.#held.get(subscription)
  }

  /** Stands by until the lease is got; undefined when the signal was aborted first. */
  async acquire(claim: Claim, signal: AbortSignal): Promise<HeldLease | undefined> {
    if (signal.aborted || this.#stop.signal.aborted) return undefined
    this.#running ??= Promise.all([this.#everyTick(() => this.#renew()), this.#everyTick(() => this.#take())])
    if (claim.group !== undefined) this.#memberships.want(claim.group.name)
    const got = Promise.withResolvers<HeldLease | undefined>()
    const abort = (): void => got.resolve(undefined)
    signal.addEventListener('abort', abort, { once: true })
    this.#waiting.set(claim.subscription, { claim, resolve: got.resolve })
    void this.#take()
    const held = await got.promise
    this.#waiting.delete(claim.subscription)
    signal.removeEventListener('abort', abort)
    return held
  }

  /** Gives a lease back, for others to take at once; also one that was lost because it was paused. */
  async release({ lease }: HeldLease): Promise<void> {
    if (this.#held.get(lease.subscription)?.lease === lease) this.#held.delete(lease.subscription)
    // Who cannot be told finds out when the lease ends.
    await this.#parts.following.release(lease).catch(this.#parts.onError)
  }

  /** Stops renewing; leases still held end by themselves. Leaves all groups. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#taking
    await this.#memberships.leaveAll().catch(this.#parts.onError)
  }

  async #everyTick(work: () => Promise<void> | void): Promise<void> {
    const { host, settings } = this.#parts
    const { signal } = this.#stop
    while (!signal.aborted) {
      await host.sleep(settings.renewMs, signal).catch(() => undefined)
      if (!signal.aborted) await work()
    }
  }

  /** All at once: one that waits for a long transaction must not hold up the others. */
  #renew(): void {
    for (const holding of this.#held.values()) {
      if (holding.isOverdue) this.#lose(holding, 'it could not be renewed in time')
      else if (!holding.isRenewing) void this.#renewOne(holding)
    }
  }

  async #renewOne(holding: Holding): Promise<void> {
    holding.isRenewing = true
    const start = this.#moment()
    try {
      if (await this.#parts.following.renew(holding.lease, this.#parts.settings.ttlMs))
        holding.confirmed = start
      else this.#lose(holding, 'it was paused, or somebody else took it')
    } catch (error) {
      this.#parts.onError(error)
    } finally {
      holding.isRenewing = false
    }
  }

  #lose(holding: Holding, why: string): void {
    const { subscription } = holding.lease
    if (this.#held.get(subscription) !== holding) return
    this.#held.delete(subscription)
    this.#parts.onLost(subscription, why)
    holding.losing.abort(
      new DaybookError('LEASE_LOST', `the lease of ${subscription} is lost: ${why}`, { subscription }),
    )
  }

  /** Takes what is wanted and free; one round at a time, and one more when asked meanwhile. */
  #take(): Promise<void> {
    if (this.#isTakingSoon) return this.#taking
    this.#isTakingSoon = true
    const round = async (): Promise<void> => {
      // Claims made in the same turn are taken in one round.
      await this.#parts.host.nextTurn()
      this.#isTakingSoon = false
      if (!this.#stop.signal.aborted) await this.#takeRound()
    }
    this.#taking = this.#taking.then(round).catch((error: unknown) => this.#parts.onError(error))
    return this.#taking
  }

  async #takeRound(): Promise<void> {
    await this.#memberships.refresh()
    this.#markSurplus()
    if (this.#waiting.size === 0) return
    for (const waiting of await this.#free()) {
      if (this.#stop.signal.aborted) return
      if (!this.#hasRoomFor(waiting.claim)) continue
      const { subscription } = waiting.claim
      const start = this.#moment()
      const acquired = await this.#parts.following.acquire(
        subscription,
        this.owner,
        this.#parts.settings.ttlMs,
      )
      if (acquired === undefined) continue
      const holding = this.#hold(acquired, waiting.claim, start)
      // Whoever asked may have gone meanwhile.
      if (this.#waiting.get(subscription) === waiting) waiting.resolve(holding)
      else await this.release(holding)
    }
  }

  #hold(acquired: Acquired, claim: Claim, confirmed: Moment): Holding {
    const losing = new AbortController()
    const isOverdue = ({ steadyMs, hostMs }: Moment): boolean => {
      const now = this.#moment()
      return Math.max(now.steadyMs - steadyMs, now.hostMs - hostMs) > this.#parts.settings.ttlMs
    }
    const holding: Holding = {
      ...acquired,
      claim,
      losing,
      lost: losing.signal,
      isSurplus: false,
      isRenewing: false,
      confirmed,
      get isOverdue() {
        return isOverdue(holding.confirmed)
      },
      confirm: async () => {
        await this.#renewOne(holding)
        return !losing.signal.aborted
      },
    }
    this.#held.set(claim.subscription, holding)
    return holding
  }

  /** The claims whose leases nobody seems to hold; taking one is what decides. */
  async #free(): Promise<readonly Waiting[]> {
    const waiting = [...this.#waiting.values()]
    const { following } = this.#parts
    const [leases, nowMs] = await Promise.all([following.leases(), following.now()])
    // One that was lost by being paused is still noted as held by us: `acquire` gives it again.
    const isOther = (owner: string | undefined): boolean => owner !== undefined && owner !== this.owner
    const taken = new Set(
      leases
        .filter(({ owner, untilMs, isPaused }) => isPaused || (isOther(owner) && untilMs > nowMs))
        .map(({ subscription }) => subscription),
    )
    return this.#memberships.inTurn(waiting.filter(({ claim }) => !taken.has(claim.subscription)))
  }

  #moment(): Moment {
    return { steadyMs: performance.now(), hostMs: this.#parts.host.now() }
  }

  #heldOf(group: string): Holding[] {
    return [...this.#held.values()].filter(({ claim }) => claim.group?.name === group)
  }

  #hasRoomFor({ group }: Claim): boolean {
    if (group === undefined) return true
    return this.#heldOf(group.name).length < this.#memberships.share(group.name, group.shards)
  }

  #markSurplus(): void {
    for (const group of this.#memberships.groups) {
      const held = this.#heldOf(group)
      const shards = held[0]?.claim.group?.shards ?? 0
      const share = this.#memberships.share(group, shards)
      for (const [nth, holding] of held.entries()) holding.isSurplus = nth >= share
    }
  }
}
