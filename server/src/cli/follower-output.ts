import type { CopyStatus, FollowerStatus, ParkedCounts } from 'daybook'
import { counted, countText, durationText, visible } from './text.ts'

/** The name of a copy of a read model, which is that of its checkpoint: `balances@2`, `balances@2.3`. */
export function copyName(
  projection: string,
  { version, generation }: { readonly version: number; readonly generation: number },
): string {
  return generation === 1 ? `${projection}@${version}` : `${projection}@${version}.${generation}`
}

/** Where a copy stands, and who looks after it. */
export function copyText(copy: CopyStatus | undefined): string {
  if (copy === undefined) return 'none'
  const { subscription, position, behind, isPaused, owner } = copy
  const by = isPaused ? 'paused' : owner === undefined ? 'nobody runs it' : `run by ${visible(owner)}`
  return `${subscription} at position ${position}, ${counted(behind, 'event')} behind, ${by}`
}

/** `2 parked, 1 retrying`; `none` where nothing is aside. */
export function parkedText({ parked, retrying, waiting, skipped }: ParkedCounts): string {
  const counts = Object.entries({ parked, retrying, waiting, skipped }).filter(([, count]) => count > 0)
  return counts.map(([status, count]) => `${countText(count)} ${status}`).join(', ') || 'none'
}

/** For how long the oldest event has been waiting. */
export function waitingText({ behindMs }: FollowerStatus): string {
  return behindMs === 0 ? '' : durationText(behindMs)
}

/** How a follower does, in a word. */
export function statusOf({ isChanged, position, behind, isPaused }: FollowerStatus): string {
  // At position 0 nothing is stored that could be of other code.
  if (isChanged && position > 0) return 'changed'
  if (isPaused) return 'paused'
  return behind === 0 ? 'current' : 'behind'
}
