/** Hears what writers and subscribers tell, and holds it against the log. */
import type { Message } from '../child.ts'
import type { ExpectedLog } from './expected-log.ts'
import { digestOf, type Subscriber, subscribers } from './subscribers.ts'

/** What a subscriber acted on at a time: everything of its filter after one position up to another. */
export interface Told {
  /** Counts the processes that the subscriber has lived in. */
  readonly life: number
  readonly after: number
  readonly to: number
  readonly digest: string
}

/** One call of a subscription's function. */
export interface Handled {
  readonly positions: readonly number[]
  readonly digest: string
  readonly isRepeat: boolean
  /** Of the machine's clock that only goes on, in ns: which process was first. */
  readonly at: number
}

export function isReader({ kind }: Subscriber): boolean {
  return kind === 'follow' || kind === 'pages'
}

/** Those that tell of pages, and those that tell of calls. */
export const readers: readonly Subscriber[] = subscribers.filter(isReader)
export const called: readonly Subscriber[] = subscribers.filter((subscriber) => !isReader(subscriber))

export class Witness {
  committedEvents = 0
  rebuilds = 0
  /** What subscribers themselves complain of. */
  readonly problems: string[] = []
  readonly pages = new Map<string, Told[]>(readers.map(({ name }) => [name, []]))
  readonly calls = new Map<string, Handled[]>(called.map(({ name }) => [name, []]))
  readonly #handled = new Map<string, Set<number>>(called.map(({ name }) => [name, new Set()]))
  readonly #committed = new Map<string, number>()
  readonly #noted = new Set<string>()
  readonly #rolledBack = new Set<string>()

  hearWriter({ committed, events, noted, rolledBack }: Message): void {
    if (typeof committed === 'string') {
      this.#committed.set(committed, Number(events))
      this.committedEvents += Number(events)
      if (noted === true) this.#noted.add(committed)
    }
    if (typeof rolledBack === 'string') this.#rolledBack.add(rolledBack)
  }

  hearSubscriber(life: number, message: Message): void {
    const { page, handled, after, to, digest, positions, at, isRepeat, rebuilt, problem } = message
    if (rebuilt === true) this.rebuilds++
    if (typeof problem === 'string') this.problems.push(problem)
    if (typeof page === 'string')
      this.pages.get(page)?.push({ life, after: Number(after), to: Number(to), digest: String(digest) })
    if (typeof handled === 'string') {
      const own = positions as readonly number[]
      const call = { positions: own, digest: String(digest), isRepeat: isRepeat === true, at: Number(at) }
      this.calls.get(handled)?.push(call)
      const all = this.#handled.get(handled)
      for (const position of own) all?.add(position)
    }
  }

  get rolledBack(): number {
    return this.#rolledBack.size
  }

  get transactions(): number {
    return this.#committed.size + this.#rolledBack.size
  }

  /** Whether a subscriber has seen the last event of its filter. */
  hasSeenAll(subscriber: Subscriber, log: ExpectedLog): boolean {
    const { name, items } = subscriber
    const expected = log.matching(items)
    if (!isReader(subscriber)) return (this.#handled.get(name)?.size ?? 0) >= expected.length
    return (this.pages.get(name)?.at(-1)?.to ?? 0) >= (expected.at(-1)?.position ?? 0)
  }

  /** How often a page, or an event of a call, was acted on again after a kill. */
  repeats(): number {
    let repeats = 0
    for (const [name, calls] of this.calls)
      repeats +=
        calls.reduce((sum, { positions }) => sum + positions.length, 0) - (this.#handled.get(name)?.size ?? 0)
    for (const told of this.pages.values())
      repeats += told.filter(({ after }, index) => index > 0 && after < (told[index - 1]?.to ?? 0)).length
    return repeats
  }

  /** What the log contradicts of what the writers were told, and what their own rows do. */
  writerProblems(log: ExpectedLog, notes: readonly string[]): string[] {
    const problems: string[] = []
    const found = new Map<string, number>()
    for (const [index, { position, op }] of log.rows.entries()) {
      if (position !== index + 1) problems.push(`position ${position} stands where ${index + 1} should`)
      found.set(op, (found.get(op) ?? 0) + 1)
    }
    for (const [op, events] of this.#committed)
      if (found.get(op) !== events)
        problems.push(`${op} committed ${events} events, ${found.get(op)} are there`)
    for (const op of found.keys())
      if (!this.#committed.has(op)) problems.push(`${op} is there and was not committed`)
    const noted = new Set(notes)
    if (noted.size !== notes.length) problems.push('a row of a caller stands twice')
    for (const op of this.#noted.symmetricDifference(noted))
      problems.push(`${op}: the caller's row and the events did not commit together`)
    return problems
  }

  /** What subscribers skipped, doubled or saw in another order. */
  subscriberProblems(log: ExpectedLog): string[] {
    return subscribers.flatMap((subscriber) => {
      const { name } = subscriber
      if (isReader(subscriber)) return pageProblems(subscriber, this.pages.get(name) ?? [], log)
      return callProblems(subscriber, this.calls.get(name) ?? [], log)
    })
  }
}

/**
 * Every event of the filter, in order per stream. With an inbox an event is new only once; without one nobody may know any
 * more that it is not.
 */
export function callProblems(
  { name, items, inbox = false }: Subscriber,
  calls: readonly Handled[],
  log: ExpectedLog,
): string[] {
  const problems: string[] = []
  const missing = new Set(log.matching(items).map(({ position }) => position))
  const handled = new Set<number>()
  const asNew = new Set<number>()
  const last = new Map<string, number>()
  for (const { positions, digest, isRepeat } of calls.toSorted((a, b) => a.at - b.at)) {
    const rows = positions.flatMap((position) => log.rows[position - 1] ?? [])
    if (digestOf(rows) !== digest) problems.push(`${name} got other events at ${positions[0]} than are there`)
    for (const { position, stream } of rows) {
      if (inbox && !isRepeat && asNew.has(position))
        problems.push(`${name} got position ${position} twice as new`)
      if (!isRepeat) asNew.add(position)
      if (handled.has(position)) continue
      handled.add(position)
      const before = last.get(stream) ?? 0
      if (!missing.delete(position)) problems.push(`${name} got position ${position}, which is not for it`)
      if (position < before) problems.push(`${name} got ${position} of ${stream} after ${before}`)
      last.set(stream, position)
    }
  }
  const [first] = missing
  if (first !== undefined) problems.push(`${name} never got ${missing.size} events, the first at ${first}`)
  return problems
}

/** Pages must follow each other and hold what the log holds; a new life may repeat the last page of the one before. */
export function pageProblems(
  { name, items }: Subscriber,
  pages: readonly Told[],
  log: ExpectedLog,
): string[] {
  const problems: string[] = []
  let last: Told = { life: 0, after: 0, to: 0, digest: '' }
  for (const page of pages) {
    const isRepeat = page.life !== last.life && page.after === last.after
    if (page.after !== last.to && !isRepeat)
      problems.push(`${name} went on after ${page.after}, having seen everything up to ${last.to}`)
    if (log.page(items, page.after, page.to).digest !== page.digest)
      problems.push(`${name} saw other events after ${page.after} up to ${page.to} than are there`)
    last = page
  }
  const end = log.matching(items).at(-1)?.position ?? 0
  if (last.to < end) problems.push(`${name} saw nothing after ${last.to} of ${end}`)
  return problems
}
