import { DaybookError } from '../core/errors.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { legalInstant } from '../core/metadata.ts'
import type { EventRow } from '../core/row-hash.ts'
import type { PastBound } from '../processing/past-rows.ts'
import { businessTimeOf } from './loading.ts'

/** A moment to ask a read model about, instead of now. */
export interface ReadAsOf {
  /**
   * A position of the log, or a time (ISO 8601 or a Date), both inclusive. The answer is folded from the log at the price of
   * reading it: one document of its own streams, where the projection is keyed by `event.stream`, or by `event.streamId` and
   * names its categories; else every event of the projection up to there, and for all but `get` every document in memory.
   */
  readonly asOf?: number | string | Date | undefined
  /**
   * Of a time: `'business'`, the default, counts the time each event says it occurred (`occurredAt`), or was recorded where
   * it says none; `'recorded'` counts the latter only: what the book said at that moment.
   */
  readonly timeline?: 'business' | 'recorded' | undefined
}

/** Which events count at a moment; undefined for now. Throws `ILLEGAL_ARGUMENT`. */
export function pastBoundOf({ asOf, timeline = 'business' }: ReadAsOf): PastBound | undefined {
  if (timeline !== 'business' && timeline !== 'recorded') {
    throw new DaybookError('ILLEGAL_ARGUMENT', `timeline must be 'business' or 'recorded'`, {
      argument: 'timeline',
      value: timeline,
    })
  }
  if (asOf === undefined) return undefined
  if (typeof asOf === 'number') {
    const toPosition = integerWithin('asOf', asOf, 0, maxPosition)
    return { toPosition, counts: () => true, isOrdered: true }
  }
  const timeMs = instantMs(asOf)
  const isOrdered = timeline === 'recorded'
  const timeOf = isOrdered ? (row: EventRow) => row.recordedAtMs : businessTimeOf
  return { toPosition: maxPosition, counts: (row) => timeOf(row) <= timeMs, isOrdered }
}

function instantMs(asOf: string | Date): number {
  if (asOf instanceof Date && !Number.isNaN(asOf.getTime())) return asOf.getTime()
  return Date.parse(legalInstant('asOf', asOf))
}
