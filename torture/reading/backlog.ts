/** A long log, and subscriptions that come no further than its first event. */
import { randomBytes } from 'node:crypto'
import { defineEvents, openBook, type Subscription, subscription } from 'daybook'
import { anything } from '../accounts.ts'
import type { Random } from '../random.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'

export const backlogEvents = defineEvents({ Noted: anything<{ readonly text: string }>() })

/** Bytes of most events, at least and at most. */
const bytes = [200, 8_000] as const
/** One in so many is large. */
const oneInLarge = 200
const largeBytes = 100_000
const atOnce = 200

/** Appends events of every size until there are so many bytes of data; returns how many events. */
export async function fill(address: BookAddress, wantedBytes: number, random: Random): Promise<number> {
  await using book = await openBook({ store: storeAt(address) })
  let events = 0
  for (let written = 0; written < wantedBytes; ) {
    const batch = Array.from({ length: atOnce }, () => {
      const length = random.integer(1, oneInLarge) === 1 ? largeBytes : random.integer(...bytes)
      written += length
      // Nothing that a database could make smaller.
      return backlogEvents.Noted({ text: randomBytes(Math.ceil(length / 2)).toString('hex') })
    })
    await book.append(`note-${random.integer(0, 99)}`, batch)
    events += batch.length
  }
  return events
}

/**
 * One of many that stand still: its function never ends, and it is not to go on with other streams meanwhile. Each
 * process has its own, or they would go on behind the event at which the process before ended.
 */
export function stalledSubscription(name: string, run: () => unknown): Subscription {
  return subscription(name, { from: backlogEvents, timeoutMs: 86_400_000, onFailure: 'stop', run })
}
