/** Accounts of subscribers, forged: each must be seen to be false. */
import type { Control } from '../torture-test.ts'
import type { ExpectedLog } from './expected-log.ts'
import { digestOf } from './subscribers.ts'
import {
  called,
  callProblems,
  type Handled,
  pageProblems,
  readers,
  type Told,
  type Witness,
} from './witness.ts'

type Forge = (pages: readonly Told[], index: number, withoutOne: Told) => readonly Told[]

const forgeries: { readonly [name: string]: Forge } = {
  'a page is skipped': (pages, index) => pages.toSpliced(index, 1),
  'a page is seen twice': (pages, index) => pages.toSpliced(index, 0, pages[index] as Told),
  'two pages are swapped': (pages, index) =>
    pages.toSpliced(index, 2, pages[index + 1] as Told, pages[index] as Told),
  'a page lacks one event': (pages, index, withoutOne) => pages.with(index, withoutOne),
}

type ForgeCall = (calls: readonly Handled[], index: number) => readonly Handled[]

const forgedCalls: { readonly [name: string]: ForgeCall } = {
  'a call is left out': (calls, index) => calls.filter((call) => !isOfSame(call, calls[index])),
  'a call is made twice as if it were new': (calls, index) => [
    ...calls,
    { ...(calls[index] as Handled), isRepeat: false, at: Number.MAX_SAFE_INTEGER },
  ],
  'a call comes after all others': (calls, index) => [
    ...calls.filter((call) => !isOfSame(call, calls[index])),
    { ...(calls[index] as Handled), at: Number.MAX_SAFE_INTEGER },
  ],
}

/** True for a call and its repeats. */
function isOfSame({ positions }: Handled, other: Handled | undefined): boolean {
  return positions.some((position) => other?.positions.includes(position))
}

/**
 * The first call after which another one brings a later event of the same stream: whoever leaves such a call out, repeats or moves it tells
 * another story. That of a stream's last events may come at any time. -1 when there is none.
 */
export function firstThatMatters(
  calls: readonly { readonly positions: readonly number[] }[],
  streamAt: (position: number) => string | undefined,
): number {
  return calls.findIndex(({ positions }, index) => {
    const last = new Map(positions.map((position) => [streamAt(position), position]))
    return calls
      .slice(index + 1)
      .some((later) =>
        later.positions.some((position) => position > (last.get(streamAt(position)) ?? position)),
      )
  })
}

/** Forges one call of what those told who get every event. */
function forgedCallControls(witness: Witness, log: ExpectedLog): Control[] {
  const among = called.flatMap((subscriber) => {
    if ((subscriber.batch ?? 1) === 1) return []
    const calls = (witness.calls.get(subscriber.name) ?? []).toSorted((a, b) => a.at - b.at)
    const index = firstThatMatters(calls, (position) => log.rows[position - 1]?.stream)
    return index < 0 ? [] : [{ subscriber, calls, index }]
  })
  return Object.entries(forgedCalls).map(([sabotage, forge]) => {
    const seen = among.filter(({ subscriber, calls, index }) => {
      const problems = callProblems(subscriber, calls, log).length
      return callProblems(subscriber, forge(calls, index), log).length > problems
    }).length
    return { sabotage: `forged: ${sabotage}`, seen, trials: among.length }
  })
}

/** Forges what each subscriber told, in its middle; a forgery that gets through once counts as not seen at all. */
export function forgedControls(witness: Witness, log: ExpectedLog): Control[] {
  const pages = Object.entries(forgeries).map(([name, forge]) => {
    let [seen, trials] = [0, 0]
    for (const reader of readers) {
      const pages = witness.pages.get(reader.name) ?? []
      const index = Math.floor(pages.length / 2)
      const page = pages[index]
      const events = log
        .matching(reader.items)
        .filter(({ position }) => page !== undefined && position > page.after && position <= page.to)
      if (page === undefined || index + 1 >= pages.length || events.length === 0) continue
      const forged = forge(pages, index, { ...page, digest: digestOf(events.slice(1)) })
      trials++
      if (pageProblems(reader, forged, log).length > pageProblems(reader, pages, log).length) seen++
    }
    return { sabotage: `forged: ${name}`, seen: seen === trials ? seen : 0, trials }
  })
  return [...pages, ...forgedCallControls(witness, log)]
}
