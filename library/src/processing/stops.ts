import type { FollowingStore, Lease, ParkedEvent } from '../core/ports/following.ts'
import { type AsideEvent, errorText, parkedEvent } from './aside.ts'

/**
 * The event at which a follower stopped: kept as a parked event beyond its checkpoint, so that every process can tell why
 * it stopped, and a person can decide about it.
 */
export class Stops {
  readonly #following: FollowingStore
  readonly #subscription: string

  constructor(following: FollowingStore, subscription: string) {
    this.#following = following
    this.#subscription = subscription
  }

  /** What is recorded of the event behind a checkpoint. */
  async beyond(checkpoint: number): Promise<ParkedEvent | undefined> {
    const filter = { subscription: this.#subscription, afterPosition: checkpoint, limit: 1 }
    return (await this.#following.parked(filter))[0]
  }

  /** Keeps what it stops at; false when the lease is not held any more. */
  note(lease: Lease, event: AsideEvent, attempts: number, error: unknown, nowMs: number): Promise<boolean> {
    const state = { status: 'parked', attempts, error: errorText(error), nextAtMs: null } as const
    return this.#following.transaction(async (transaction) => {
      if (!(await transaction.holds(lease))) return false
      await transaction.putParked(parkedEvent(this.#subscription, event, nowMs, state))
      return true
    })
  }

  /** Forgets what it stopped at and has passed since: somebody else got over it. */
  async forgetThrough(lease: Lease, checkpoint: number): Promise<void> {
    const statuses = ['parked', 'retrying'] as const
    const filter = { subscription: this.#subscription, statuses, limit: 1 }
    const [passed] = await this.#following.parked(filter)
    if (passed !== undefined && passed.position <= checkpoint) await this.forget(lease, passed.position)
  }

  /** Forgets it, if the lease is still held. */
  async forget(lease: Lease, position: number): Promise<void> {
    await this.#following.transaction(async (transaction) => {
      if (await transaction.holds(lease)) await transaction.dropParked(this.#subscription, position)
    })
  }
}
