import type { FollowingStore } from '../core/ports/following.ts'
import type { Claim } from './lease-keeper.ts'

/** The groups that this process is a member of, and who else is. */
export class Memberships {
  readonly #following: FollowingStore
  readonly #owner: string
  readonly #memberMs: number
  readonly #members = new Map<string, readonly string[]>()

  constructor(following: FollowingStore, owner: string, memberMs: number) {
    this.#following = following
    this.#owner = owner
    this.#memberMs = memberMs
  }

  get groups(): Iterable<string> {
    return this.#members.keys()
  }

  /** Becomes a member at the next refresh. */
  want(group: string): void {
    if (!this.#members.has(group)) this.#members.set(group, [])
  }

  /** Tells that this process is there, and learns who else is. */
  async refresh(): Promise<void> {
    for (const group of this.#members.keys())
      this.#members.set(group, await this.#following.join(group, this.#owner, this.#memberMs))
  }

  /** How many shards a member may hold: its part, rounded up. */
  share(group: string, shards: number): number {
    return Math.ceil(shards / Math.max(1, this.#members.get(group)?.length ?? 1))
  }

  /** The claims in an order of this member's own, so that members that come at once do not all want the same first. */
  inTurn<Each extends { readonly claim: Claim }>(claims: readonly Each[]): readonly Each[] {
    const ranks = new Map([...this.#members].map(([group, members]) => [group, members.indexOf(this.#owner)]))
    return claims.toSorted((a, b) => this.#turn(ranks, a.claim) - this.#turn(ranks, b.claim))
  }

  #turn(ranks: ReadonlyMap<string, number>, { subscription, group }: Claim): number {
    if (group === undefined) return 0
    const members = Math.max(1, this.#members.get(group.name)?.length ?? 1)
    const shard = Number(subscription.slice(subscription.lastIndexOf('#') + 1))
    const rank = Math.max(0, ranks.get(group.name) ?? 0)
    // Member 1 of 3 begins with the second third.
    return (shard + group.shards - Math.floor((rank * group.shards) / members)) % group.shards
  }

  async leaveAll(): Promise<void> {
    for (const group of this.#members.keys()) await this.#following.leave(group, this.#owner)
  }
}
