/** Errands, of which some end badly whoever runs them. */
import {
  defineEvents,
  type FailurePolicy,
  type Subscription,
  type SubscriptionContext,
  subscription,
} from 'daybook'
import { anything } from '../accounts.ts'

/**
 * What whoever tries it comes to: `throw` fails, `hang` never answers, `loop` never lets its process do anything else,
 * `exit` and `kill` end it.
 */
export type Deed = 'throw' | 'hang' | 'loop' | 'exit' | 'kill'

export interface Errand {
  readonly deed?: Deed
}

export const errandEvents = defineEvents({ Asked: anything<Errand>() })

export const maxAttempts = 2

export interface ErrandSettings {
  readonly onFailure: FailurePolicy
  readonly timeoutMs: number
}

export interface AskedEvent {
  readonly position: number
  readonly stream: string
  readonly data: Errand
}

export function errands(
  settings: ErrandSettings,
  run: (event: AskedEvent, context: SubscriptionContext) => unknown,
): Subscription {
  return subscription('errands', {
    from: errandEvents,
    retry: { maxAttempts, maxDelayMs: 50 },
    ...settings,
    run,
  })
}
