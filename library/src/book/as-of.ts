import { DaybookError } from '../core/errors.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { legalInstant } from '../core/metadata.ts'
import type { ParsedRow } from '../core/row-hash.ts'
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
  /** With `asOf`: told after every page of the log which position was read, of how many. Not told where streams alone are read. */
  readonly onProgress?: ((position: number, toPosition: number) => void) | undefined
  /** With `asOf`: ends it early, and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Which events count at a moment; undefined for now. Throws `ILLEGAL_ARGUMENT`. */
export function pastBoundOf({
  asOf,
  timeline = 'business',
  onProgress,
  signal,
}: ReadAsOf): PastBound | undefined {
  if (timeline !== 'business' && timeline !== 'recorded') {
    throw new DaybookError('ILLEGAL_ARGUMENT', `timeline must be 'business' or 'recorded'`, {
      argument: 'timeline',
      value: timeline,
    })
  }
  if (asOf === undefined) return undefined
  if (typeof asOf === 'number') {
    const toPosition = integerWithin('asOf', asOf, 0, maxPosition)
    return { toPosition, counts: () => true, isOrdered: true, onProgress, signal }
  }
  const timeMs = instantMs(asOf)
  const isOrdered = timeline === 'recorded'
  const timeOf = isOrdered ? (row: ParsedRow) => row.recordedAtMs : businessTimeOf
  const counts = (row: ParsedRow): boolean => timeOf(row) <= timeMs
  return { toPosition: maxPosition, counts, isOrdered, onProgress, signal }
}

function instantMs(asOf: string | Date): number {
  if (asOf instanceof Date && !Number.isNaN(asOf.getTime())) return asOf.getTime()
  return Date.parse(legalInstant('asOf', asOf))
}
