import { DaybookError } from '../core/errors.ts'
import type { RecordedEvent } from '../core/event.ts'
import type { Host } from '../core/ports/host.ts'
import type { SubscriptionDefinition, SubscriptionRetry } from '../core/subscription.ts'

/** One attempt to handle some events. */
export interface Attempt {
  readonly events: readonly RecordedEvent[]
  /** 1 for the first. */
  readonly attempt: number
  readonly isRepeat: boolean
}

/** Why an attempt failed. */
export interface Failure {
  readonly error: unknown
}

/** Runs the function of a subscription, and watches the time. Rejects with the signal's reason when it is aborted first. */
export async function handle(
  { run, timeoutMs, subscription }: SubscriptionDefinition,
  { events, attempt, isRepeat }: Attempt,
  signal: AbortSignal,
  host: Host,
): Promise<Failure | undefined> {
  const done = new AbortController()
  const late = new AbortController()
  const timeUp = host.sleep(timeoutMs, done.signal).then(() => {
    const position = events[0]?.position
    const message = `${subscription} did not end within ${timeoutMs} ms at position ${position}`
    late.abort(new DaybookError('HANDLER_TIMEOUT', message, { subscription, position, timeoutMs }))
    throw late.signal.reason
  })
  const context = {
    idempotencyKey: events[0]?.id ?? '',
    attempt,
    isRepeat,
    signal: AbortSignal.any([signal, late.signal]),
  }
  try {
    // Within a promise, so that what is thrown at once is a failure like any other.
    await Promise.race([Promise.resolve().then(() => run(events, context)), timeUp])
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return { error }
  } finally {
    done.abort()
  }
}

/** How long to wait after the n-th failure: doubled each time up to the most, then shortened by up to half by chance. */
export function retryDelayMs(
  { delayMs, maxDelayMs }: SubscriptionRetry,
  failures: number,
  random: () => number,
): number {
  const wholeMs = Math.min(maxDelayMs, delayMs * 2 ** Math.min(failures - 1, 40))
  return Math.ceil(wholeMs * (1 - random() / 2))
}
