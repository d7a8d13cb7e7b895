import type { Acquired, Lease, LeaseStatus, Trial } from '../core/ports/following.ts'

interface Held {
  readonly owner: string | undefined
  readonly token: number
  readonly renewedAtMs: number
  readonly untilMs: number
  readonly isTakenOver: boolean
  readonly isPaused: boolean
  readonly trial: Trial | undefined
}

const nobody: Held = {
  owner: undefined,
  token: 0,
  renewedAtMs: 0,
  untilMs: 0,
  isTakenOver: false,
  isPaused: false,
  trial: undefined,
}

/** Who runs which subscription. */
export class MemoryLeases {
  readonly #held = new Map<string, Held>()

  holds({ subscription, owner, token }: Lease): boolean {
    const held = this.#held.get(subscription)
    return held?.owner === owner && held.token === token
  }

  acquire(subscription: string, owner: string, leaseMs: number, nowMs: number): Acquired | undefined {
    const held = this.#held.get(subscription) ?? nobody
    const isFree = held.owner === undefined || held.owner === owner || held.untilMs <= nowMs
    if (!isFree || held.isPaused) return undefined
    const token = held.token + 1
    // Who has it already is told once more whether it was taken over: the answer may have been lost.
    const isTakenOver = held.owner === owner ? held.isTakenOver : held.owner !== undefined
    const times = { renewedAtMs: nowMs, untilMs: nowMs + leaseMs }
    this.#held.set(subscription, { ...held, ...times, owner, token, isTakenOver })
    return { lease: { subscription, owner, token }, isTakenOver, trial: held.trial }
  }

  renew(lease: Lease, leaseMs: number, nowMs: number): boolean {
    const held = this.#held.get(lease.subscription) ?? nobody
    if (!this.holds(lease) || held.isPaused) return false
    this.#held.set(lease.subscription, { ...held, renewedAtMs: nowMs, untilMs: nowMs + leaseMs })
    return true
  }

  release(lease: Lease): void {
    const held = this.#held.get(lease.subscription)
    if (held === undefined || !this.holds(lease)) return
    this.#held.set(lease.subscription, { ...held, owner: undefined, untilMs: 0, isTakenOver: false })
  }

  noteTrial(lease: Lease, trial: Trial | undefined): boolean {
    const held = this.#held.get(lease.subscription)
    if (held === undefined || !this.holds(lease)) return false
    this.#held.set(lease.subscription, { ...held, trial })
    return true
  }

  pause(subscription: string, isPaused: boolean): void {
    this.#held.set(subscription, { ...(this.#held.get(subscription) ?? nobody), isPaused })
  }

  drop(subscription: string): void {
    this.#held.delete(subscription)
  }

  status(subscription: string): LeaseStatus {
    const { isTakenOver: _, ...held } = this.#held.get(subscription) ?? nobody
    return { subscription, ...held }
  }
}
