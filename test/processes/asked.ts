/** What processes of the test of followers ask of each other, and a subscription that does it. */
import { defineEvents, type Subscription, type SubscriptionContext, subscription } from 'daybook'
import { z } from 'zod'

export const askedEvents = defineEvents({
  /** Something to be done. `deed` is what ends the process that tries. */
  Asked: z.object({ n: z.int(), deed: z.enum(['exit', 'loop']).optional() }),
})

export const doneEvents = defineEvents({
  /** Somebody did it. */
  Done: z.object({ by: z.string(), stream: z.string(), n: z.int(), attempt: z.int() }),
})

/** Dies of it sooner than in production, so that a test need not wait. */
export const lease = { ttlMs: 1_000, renewMs: 200 }

export type Handler = (
  event: {
    readonly stream: string
    readonly data: { readonly n: number; readonly deed?: 'exit' | 'loop' | undefined }
  },
  context: SubscriptionContext,
) => unknown

export function work(shards: number, run: Handler): Subscription {
  return subscription('work', {
    from: askedEvents,
    categories: ['work'],
    shards,
    retry: { maxAttempts: 2 },
    run,
  })
}
