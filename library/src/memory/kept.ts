import { compareCodePoints } from '../core/document-query.ts'
import type { ParkedEvent, ParkedFilter, ReadModelRecord } from '../core/ports/following.ts'

/** What subscriptions keep beside documents and checkpoints. Immutable, so that a transaction is a copy. */
export interface Kept {
  /** By subscription and position. */
  readonly parked: ReadonlyMap<string, ParkedEvent>
  /** Positions of seen event ids, by subscription. */
  readonly seen: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly readModels: ReadonlyMap<string, ReadModelRecord>
}

export const nothingKept: Kept = { parked: new Map(), seen: new Map(), readModels: new Map() }

/** Where a parked event is kept. */
export function parkedKey(subscription: string, position: number): string {
  return JSON.stringify([subscription, position])
}

/** The parked events of a filter, in their order. */
export function selectParked({ parked }: Kept, filter: ParkedFilter): readonly ParkedEvent[] {
  return [...parked.values()]
    .filter(
      (event) =>
        (filter.subscription ?? event.subscription) === event.subscription &&
        (filter.statuses?.includes(event.status) ?? true) &&
        (filter.stream ?? event.stream) === event.stream &&
        (filter.position ?? event.position) === event.position &&
        event.position > (filter.afterPosition ?? 0) &&
        (filter.dueAtMs === undefined || (event.nextAtMs !== null && event.nextAtMs <= filter.dueAtMs)),
    )
    .sort((a, b) => bySubscription(a, b) || a.position - b.position)
    .slice(0, filter.limit)
}

/** Without what is parked and seen of a subscription; of the parked, `stays` says what is kept all the same. */
export function without(
  kept: Kept,
  subscription: string,
  stays: (event: ParkedEvent) => boolean = () => false,
): Kept {
  const parked = [...kept.parked].filter(([, event]) => event.subscription !== subscription || stays(event))
  const seen = [...kept.seen].filter(([name]) => name !== subscription)
  return { ...kept, parked: new Map(parked), seen: new Map(seen) }
}

export function bySubscription(
  a: { readonly subscription: string },
  b: { readonly subscription: string },
): number {
  return compareCodePoints(a.subscription, b.subscription)
}
