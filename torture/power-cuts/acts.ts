/** What somebody did in the world outside because of an event: it cannot be undone, so the event must be there. */
import type { FoundLog } from '../found-log.ts'

export interface Act {
  readonly position: number
  readonly id: string
}

/** The acts for which there is no event, or another one. */
export function groundless(acts: readonly Act[], { rows }: FoundLog): string[] {
  return acts
    .filter(({ position, id }) => rows[position - 1]?.id !== id)
    .map(({ position }) => `somebody acted on the event at position ${position}, which is lost`)
}
