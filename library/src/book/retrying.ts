import type { Host } from '../core/ports/host.ts'

/** How often a command is decided again after a conflict, and how long it waits in between. */
export interface RetryPolicy {
  /** Tries in all, the first included: 1 to 1,000, default 20. */
  readonly maxAttempts: number
  /** Longest wait, in ms; waits grow to it and are chosen at random below, so that rivals do not meet again. Default 100. */
  readonly maxDelayMs: number
}

export const defaultRetries: RetryPolicy = { maxAttempts: 20, maxDelayMs: 100 }

/** Waits before the next try: full jitter under a bound that doubles from 1 ms. */
export async function backOff(host: Host, policy: RetryPolicy, attempt: number): Promise<void> {
  const boundMs = Math.min(policy.maxDelayMs, 2 ** Math.min(attempt - 1, 20))
  await host.sleep(host.random() * boundMs)
}
