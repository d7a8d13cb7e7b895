/** Who follows the import: in every way there is, filtered and not. */
import { hash } from 'node:crypto'
import { projection, type QueryItem } from 'daybook'
import { importedEvents } from './imported.ts'

/**
 * How a subscriber follows: `follow` by `book.readLog`, `pages` by the store's own pages with wake-ups, `reaction` by a
 * side effect of the library. The first two act and then save their checkpoint themselves.
 */
export interface Subscriber {
  readonly name: string
  readonly kind: 'follow' | 'pages' | 'reaction'
  /** No items: every event. */
  readonly items?: readonly QueryItem[]
}

const everything = {}
const checked = { items: [{ types: ['Checked'] }] }
const audited = { items: [{ tags: ['audit'] }] }
const alarms = { items: [{ categories: ['alarm'] }] }
const rare = { items: [{ tags: ['rare', 'audit'], categories: ['order'] }] }
const mixed = { items: [{ types: ['Flagged'] }, { categories: ['alarm'] }, { tags: ['rare'] }] }
const nothing = { items: [{ types: ['NeverHappened'] }] }

export const subscribers: readonly Subscriber[] = [
  { name: 'follow-all', kind: 'follow', ...everything },
  { name: 'pages-all', kind: 'pages', ...everything },
  { name: 'follow-audited', kind: 'follow', ...audited },
  { name: 'pages-checked', kind: 'pages', ...checked },
  { name: 'follow-alarms', kind: 'follow', ...alarms },
  { name: 'pages-mixed', kind: 'pages', ...mixed },
  {
    name: 'react-to-alarms',
    kind: 'reaction',
    items: [{ types: ['Booked', 'Flagged'], categories: ['alarm'] }],
  },
  { name: 'pages-audited', kind: 'pages', ...audited },
  { name: 'react-to-flags', kind: 'reaction', items: [{ types: ['Flagged'] }] },
  { name: 'follow-all-too', kind: 'follow', ...everything },
  { name: 'pages-all-too', kind: 'pages', ...everything },
  { name: 'follow-checked', kind: 'follow', ...checked },
  { name: 'pages-alarms', kind: 'pages', ...alarms },
  { name: 'follow-mixed', kind: 'follow', ...mixed },
  { name: 'pages-rare', kind: 'pages', ...rare },
  { name: 'follow-rare', kind: 'follow', ...rare },
  { name: 'pages-nothing', kind: 'pages', ...nothing },
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
    names: subscribers.filter((_subscriber, place) => place % count === index).map(({ name }) => name),
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
