/** The ledger of acknowledgements, kept outside of the process that appends: what a book is later held to. */
import type { Written } from './accounts.ts'
import type { FoundLog, FoundRow } from './found-log.ts'
import { type Answer, operationOf } from './operations.ts'

/**
 * What is known of operations: begun, and perhaps acknowledged. Of a book it must hold that
 * acknowledged ⊆ found ⊆ acknowledged ∪ begun, each operation wholly, once, in one piece, byte for byte.
 */
export class Ledger {
  readonly #begun = new Set<string>()
  readonly #acknowledged = new Map<string, Answer>()
  readonly #refused = new Set<string>()
  readonly #repeated = new Set<string>()
  readonly #contradictions: string[] = []

  /** Notes that somebody sets out to do it, for the first time or again. */
  begin(op: string): void {
    if (this.#begun.has(op)) this.#repeated.add(op)
    this.#begun.add(op)
  }

  /** Notes an error that promises that nothing was written: by this try, which says nothing of others. */
  refuse(op: string): void {
    this.#refused.add(op)
  }

  /** Notes an acknowledgement; a second one, after a repeat, must say the same. */
  acknowledge(op: string, answer: Answer): void {
    const earlier = this.#acknowledged.get(op)
    if (earlier !== undefined && (earlier.first !== answer.first || earlier.last !== answer.last)) {
      this.#contradictions.push(
        `${op} was answered ${earlier.first}–${earlier.last}, its repeat ${answer.first}–${answer.last}`,
      )
    }
    this.#acknowledged.set(op, answer)
  }

  get acknowledged(): readonly string[] {
    return [...this.#acknowledged.keys()]
  }

  /** Operations of which nobody knows whether they happened. */
  get doubtful(): readonly string[] {
    return [...this.#begun].filter((op) => !this.#acknowledged.has(op))
  }

  /** What a log that was found contradicts. */
  problems(found: FoundLog): string[] {
    const problems = [...this.#contradictions]
    const byOp = Map.groupBy(found.rows, (row) => (JSON.parse(row.data) as Written).op)
    for (const [op, answer] of this.#acknowledged) {
      const rows = byOp.get(op)
      if (rows === undefined) problems.push(`${op} was acknowledged and is lost`)
      else if (
        answer.first > 0 &&
        (rows[0]?.position !== answer.first || rows.at(-1)?.position !== answer.last)
      )
        problems.push(`${op} was acknowledged at ${answer.first} and stands at ${rows[0]?.position}`)
    }
    for (const [op, rows] of byOp) {
      if (!this.#begun.has(op)) problems.push(`${op} is found and was never begun`)
      if (this.#refused.has(op) && !this.#repeated.has(op)) problems.push(`${op} is found and was refused`)
      problems.push(...unlike(op, rows))
    }
    return problems
  }
}

/** How the rows of an operation differ from what it is: half of it, doubled, torn apart, changed. */
function unlike(op: string, rows: readonly FoundRow[]): string[] {
  const expected = operationOf(op).writes.flatMap(({ stream, events }) =>
    events.map(({ data, tags }) => ({ stream, data: JSON.stringify(data), tags: tags ?? [] })),
  )
  if (rows.length !== expected.length) return [`${op} has ${rows.length} events of ${expected.length}`]
  return expected.flatMap(({ stream, data, tags }, index) => {
    const row = rows[index] as FoundRow
    if (row.position !== (rows[0]?.position ?? 0) + index) return [`${op} is not in one piece`]
    const isSame = row.stream === stream && row.data === data && row.tags === JSON.stringify([...tags].sort())
    return isSame ? [] : [`${op}: event ${index} was changed`]
  })
}
