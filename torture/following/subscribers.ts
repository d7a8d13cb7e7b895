/** Who follows the import: in every way there is, filtered and not. */
import { hash } from 'node:crypto'
import { projection, type QueryItem } from 'daybook'
import { importedEvents } from './imported.ts'

/**
 * How a subscriber follows: `subscription` and `reaction` as the product runs them. Two kinds check what no subscription
 * shows, the order of the whole log and queries of several items: `follow` by `book.readLog`, `pages` by the store's own
 * pages with wake-ups. They act and then save their checkpoint themselves.
 */
export interface Subscriber {
  readonly name: string
  readonly kind: 'subscription' | 'reaction' | 'follow' | 'pages'
  /** No items: every event. A subscription has one. */
  readonly items?: readonly QueryItem[]
  /** More than one: every process takes its share. */
  readonly shards?: number
  /** Events at once; default 1. */
  readonly batch?: number
  readonly inbox?: boolean
}

const allTypes = ['Booked', 'Checked', 'Flagged']
const everything = { items: [{ types: allTypes }] }
const checked = { items: [{ types: ['Checked'] }] }
const audited = { items: [{ types: allTypes, tags: ['audit'] }] }
const alarms = { items: [{ types: ['Booked', 'Flagged'], categories: ['alarm'] }] }
const flagged = { items: [{ types: ['Flagged'] }] }
const rare = { items: [{ types: allTypes, tags: ['rare', 'audit'], categories: ['order'] }] }
const never = { items: [{ types: allTypes, tags: ['never'] }] }
const mixed = { items: [{ types: ['Flagged'] }, { categories: ['alarm'] }, { tags: ['rare'] }] }

export const subscribers: readonly Subscriber[] = [
  { name: 'all', kind: 'subscription', ...everything, batch: 50 },
  { name: 'all-grouped', kind: 'subscription', ...everything, batch: 50, shards: 4 },
  { name: 'all-noted', kind: 'subscription', ...everything, batch: 50, inbox: true },
  { name: 'checked', kind: 'subscription', ...checked, batch: 50 },
  { name: 'audited', kind: 'subscription', ...audited, batch: 20 },
  { name: 'audited-grouped', kind: 'subscription', ...audited, batch: 50, shards: 3 },
  { name: 'alarms', kind: 'subscription', ...alarms },
  { name: 'alarms-grouped', kind: 'subscription', ...alarms, shards: 2, inbox: true },
  { name: 'flagged', kind: 'subscription', ...flagged },
  { name: 'rare', kind: 'subscription', ...rare },
  { name: 'never', kind: 'subscription', ...never },
  { name: 'react-to-alarms', kind: 'reaction', ...alarms },
  { name: 'react-to-flags', kind: 'reaction', ...flagged },
  { name: 'follow-all', kind: 'follow' },
  { name: 'follow-mixed', kind: 'follow', ...mixed },
  { name: 'pages-all', kind: 'pages' },
  { name: 'pages-mixed', kind: 'pages', ...mixed },
]

/** What one process runs. */
export interface Group {
  readonly names: readonly string[]
  /** Whether it keeps the read model, together with the other processes that do. */
  readonly folds: boolean
}

/** How many processes keep the read model: with the subscribers above they are twenty. */
export const foldingProcesses = 3

/** Spreads the subscribers over processes. */
export function grouped(count: number): readonly Group[] {
  return Array.from({ length: count }, (_, index) => ({
    names: subscribers
      .filter(({ shards = 1 }, place) => shards > 1 || place % count === index)
      .map(({ name }) => name),
    folds: index < foldingProcesses,
  }))
}

/** What a category has seen, such that an event left out, doubled or out of order shows for ever. */
export interface Tally {
  readonly count: number
  readonly last: number
  readonly digest: number
}

export const noTally: Tally = { count: 0, last: 0, digest: 0 }

export function tallied({ count, digest }: Tally, position: number): Tally {
  return { count: count + 1, last: position, digest: (Math.imul(digest, 31) + position) | 0 }
}

const evolve = (tally: Tally, _data: unknown, { position }: { readonly position: number }): Tally =>
  tallied(tally, position)

export const tallies = projection('tallies', {
  from: importedEvents,
  key: ({ category }) => category,
  initial: noTally,
  evolve: { Booked: evolve, Checked: evolve, Flagged: evolve },
})

/** An event as far as following goes. */
export interface Seen {
  readonly position: number
  readonly id: string
}

/** What one page held, in its order. */
export function digestOf(events: readonly Seen[]): string {
  return hash('sha1', events.map(({ position, id }) => `${position} ${id}`).join('\n'), 'base64')
}
