/** What is imported: transactions whose content follows from their name, with streams, types and tags to filter by. */
import { defineEvents, type StreamAppend } from 'daybook'
import { anything } from '../accounts.ts'
import { Random } from '../random.ts'

/** The data of an event: which transaction wrote it. */
export interface Imported {
  readonly op: string
}

export const importedEvents = defineEvents({
  Booked: anything<Imported>(),
  Checked: anything<Imported>(),
  Flagged: anything<Imported>(),
})

/** Some categories and types are common and some are rare, for filters that match much, little and next to nothing. */
function pickCategory(random: Random): string {
  const part = random.next()
  if (part < 0.6) return 'account'
  return part < 0.99 ? 'order' : 'alarm'
}

function pickType(random: Random): 'Booked' | 'Checked' | 'Flagged' {
  const part = random.next()
  if (part < 0.7) return 'Booked'
  return part < 0.99 ? 'Checked' : 'Flagged'
}

function pickTags(random: Random): readonly string[] {
  if (!random.chance(0.1)) return []
  return random.chance(0.1) ? ['audit', 'rare'] : ['audit']
}

const mostEvents = 40

/** The appends of a transaction: up to 40 events, in one to three streams. */
export function transactionOf(op: string): readonly StreamAppend[] {
  const random = new Random(op)
  const streams = new Set<string>()
  for (const _ of [1, 2, 3].slice(random.integer(0, 2)))
    streams.add(`${pickCategory(random)}-${random.integer(1, 200)}`)
  return [...streams].map((stream) => ({
    stream,
    events: Array.from({ length: random.integer(1, Math.floor(mostEvents / streams.size)) }, () => ({
      type: pickType(random),
      data: { op },
      tags: pickTags(random),
    })),
  }))
}

export function eventCountOf(writes: readonly StreamAppend[]): number {
  return writes.reduce((sum, { events }) => sum + events.length, 0)
}
