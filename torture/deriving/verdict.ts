/** What is wrong with what was kept: documents, a table, and what the world was told. */
import { DatabaseSync } from 'node:sqlite'
import type { Book } from 'daybook'
import { Client } from 'pg'
import type { Message } from '../child.ts'
import type { BookAddress } from '../stores/address.ts'
import { type FoldedRow, referenceTallies, shards, tableOf, tallies } from './kept.ts'

export async function documentProblems(book: Book, rows: readonly FoldedRow[]): Promise<string[]> {
  const found = new Map<string, string>()
  for await (const { key, document } of book.read(tallies).all()) {
    const { count, last, digest } = document
    found.set(key, `${count} ${last} ${digest}`)
  }
  return differences('the document', found, rows)
}

export async function tableProblems(address: BookAddress, rows: readonly FoldedRow[]): Promise<string[]> {
  const cells = await tableRows(address)
  const found = new Map(cells.map(([stream, ...numbers]) => [String(stream), numbers.join(' ')]))
  return differences('the row', found, rows)
}

function differences(what: string, found: ReadonlyMap<string, string>, rows: readonly FoldedRow[]): string[] {
  const reference = referenceTallies(rows)
  const problems = [...found.keys()]
    .filter((stream) => !reference.has(stream))
    .map((stream) => `${what} of ${stream} is of no event`)
  for (const [stream, { count, last, digest }] of reference) {
    const expected = `${count} ${last} ${digest}`
    if (found.get(stream) !== expected)
      problems.push(`${what} of ${stream} is ${found.get(stream)}, not ${expected}`)
  }
  return problems
}

async function tableRows(address: BookAddress): Promise<readonly (readonly unknown[])[]> {
  const text = `SELECT stream, count, last, digest FROM ${tableOf(address)}`
  if (address.store === 'sqlite') {
    using database = new DatabaseSync(address.path, { timeout: 10_000 })
    const rows = database.prepare(text).all()
    return rows.map((row) => Object.values(row))
  }
  const client = new Client({ connectionString: address.url })
  await client.connect()
  try {
    const { rows } = await client.query<unknown[]>({ text, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

interface Told {
  readonly position: number
  readonly stream: string
  readonly isRepeat: boolean
  /** Of the machine's clock that only goes on, in ns: which process told it first. */
  readonly at: number
}

/** What the world was told, by whichever process. */
export class Effects {
  /** Leases that were lost: each may lead to one repeat. */
  lost = 0
  repeats = 0
  readonly #told: Told[] = []
  readonly #positions = new Set<number>()

  hear({ told, stream, isRepeat, at }: Message): void {
    const position = Number(told)
    this.#told.push({ position, stream: String(stream), isRepeat: isRepeat === true, at: Number(at) })
    this.#positions.add(position)
  }

  hasAll(rows: readonly FoldedRow[]): boolean {
    return rows.every(({ type, position }) => type !== 'Withdrawn' || this.#positions.has(position))
  }

  /**
   * Every withdrawal told, in order per stream; again only as a repeat, but by the one call that was under way when its
   * process was frozen; and no more often than processes were interrupted.
   */
  problems(rows: readonly FoldedRow[], interruptions: number): string[] {
    const problems: string[] = []
    const missing = new Set(rows.filter(({ type }) => type === 'Withdrawn').map(({ position }) => position))
    const expected = new Set(missing)
    const firsts = new Set<number>()
    const last = new Map<string, number>()
    this.repeats = 0
    for (const { position, stream, isRepeat } of this.#told.toSorted((a, b) => a.at - b.at)) {
      if (!expected.has(position)) problems.push(`position ${position} was told, and is no withdrawal`)
      if (!isRepeat && firsts.has(position)) problems.push(`position ${position} was told twice as new`)
      if (!isRepeat) firsts.add(position)
      if (!missing.delete(position)) this.repeats++
      else if (position < (last.get(stream) ?? 0))
        problems.push(`position ${position} of ${stream} was told after ${last.get(stream)}`)
      else last.set(stream, position)
    }
    for (const position of missing) problems.push(`position ${position} was never told`)
    const most = shards * interruptions + this.lost
    if (this.repeats > most)
      problems.push(
        `${this.repeats} repeats, after ${interruptions} interruptions and ${this.lost} lost leases`,
      )
    return problems
  }
}
