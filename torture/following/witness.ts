/** Hears what writers and subscribers tell, and holds it against the log. */
import type { Message } from '../child.ts'
import type { ExpectedLog } from './expected-log.ts'
import { type Seen, type Subscriber, subscribers } from './subscribers.ts'

/** What a subscriber acted on at a time: everything of its filter after one position up to another. */
export interface Told {
  /** Counts the processes that the subscriber has lived in. */
  readonly life: number
  readonly after: number
  readonly to: number
  readonly digest: string
}

/** Names of those that tell of pages. */
export const readers: readonly Subscriber[] = subscribers.filter(({ kind }) => kind !== 'reaction')

interface Reacted extends Seen {
  readonly life: number
}

export class Witness {
  committedEvents = 0
  rebuilds = 0
  /** What subscribers themselves complain of. */
  readonly problems: string[] = []
  readonly pages = new Map<string, Told[]>(readers.map(({ name }) => [name, []]))
  readonly #reactions = new Map<string, Reacted[]>()
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
    const { page, reacted, after, to, digest, position, id, rebuilt, problem } = message
    if (rebuilt === true) this.rebuilds++
    if (typeof problem === 'string') this.problems.push(problem)
    if (typeof page === 'string')
      this.pages.get(page)?.push({ life, after: Number(after), to: Number(to), digest: String(digest) })
    if (typeof reacted === 'string') {
      const all = this.#reactions.get(reacted) ?? []
      all.push({ life, position: Number(position), id: String(id) })
      this.#reactions.set(reacted, all)
    }
  }

  get rolledBack(): number {
    return this.#rolledBack.size
  }

  get transactions(): number {
    return this.#committed.size + this.#rolledBack.size
  }

  /** Whether a subscriber has seen the last event of its filter. */
  hasSeenAll({ name, kind, items }: Subscriber, log: ExpectedLog): boolean {
    const last = log.matching(items).at(-1)?.position ?? 0
    const reached =
      kind === 'reaction' ? this.#reactions.get(name)?.at(-1)?.position : this.pages.get(name)?.at(-1)?.to
    return (reached ?? 0) >= last
  }

  /** How often a page or an event was acted on again after a kill. */
  repeats(): number {
    let repeats = 0
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
      const { name, kind } = subscriber
      if (kind === 'reaction') return this.#reactionProblems(subscriber, log)
      return pageProblems(subscriber, this.pages.get(name) ?? [], log)
    })
  }

  #reactionProblems({ name, items }: Subscriber, log: ExpectedLog): string[] {
    const expected = log.matching(items)
    let next = 0
    let last: Reacted | undefined
    for (const told of this.#reactions.get(name) ?? []) {
      const isRepeat = told.position === last?.position && told.life !== last.life
      if (!isRepeat) {
        const { position, id } = expected[next++] ?? {}
        if (told.position !== position || told.id !== id)
          return [`${name} reacted to position ${told.position} where ${position} should come`]
      }
      last = told
    }
    return next === expected.length ? [] : [`${name} reacted to ${next} of ${expected.length} events`]
  }
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
