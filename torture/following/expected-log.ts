/** The log as it lies in its table, read without the product: what every subscriber must have seen. */
import type { QueryItem } from 'daybook'
import type { BookAddress } from '../stores/address.ts'
import { type RawRow, rawRows } from '../stores/raw-rows.ts'
import { digestOf, noTally, type Seen, type Tally, tallied } from './subscribers.ts'

interface Row extends Seen {
  readonly stream: string
  readonly category: string
  readonly type: string
  readonly tags: readonly string[]
  readonly op: string
}

export class ExpectedLog {
  readonly rows: readonly Row[]
  readonly #matching = new Map<string, readonly Row[]>()

  private constructor(rows: readonly Row[]) {
    this.rows = rows
  }

  static async read(address: BookAddress): Promise<ExpectedLog> {
    const rows: Row[] = []
    for await (const page of rawRows(address)) rows.push(...page.map(rowFrom))
    return new ExpectedLog(rows)
  }

  /** Everything that a filter lets through, in order. */
  matching(items: readonly QueryItem[] | undefined): readonly Row[] {
    const key = JSON.stringify(items ?? null)
    const known = this.#matching.get(key)
    if (known !== undefined) return known
    const found = this.rows.filter((row) => items === undefined || items.some((item) => matches(item, row)))
    this.#matching.set(key, found)
    return found
  }

  /** What a page of a filter must hold, after one position up to another. */
  page(
    items: readonly QueryItem[] | undefined,
    after: number,
    to: number,
  ): { readonly count: number; readonly digest: string } {
    const rows = this.matching(items)
    const page = rows.slice(firstAfter(rows, after), firstAfter(rows, to))
    return { count: page.length, digest: digestOf(page) }
  }

  /** The fold of `tallies`, written again. */
  tallies(): ReadonlyMap<string, Tally> {
    const byCategory = new Map<string, Tally>()
    for (const { category, position } of this.rows)
      byCategory.set(category, tallied(byCategory.get(category) ?? noTally, position))
    return byCategory
  }
}

function matches({ types, categories, tags }: QueryItem, row: Row): boolean {
  return (
    (types?.includes(row.type) ?? true) &&
    (categories?.includes(row.category) ?? true) &&
    (tags?.every((tag) => row.tags.includes(tag)) ?? true)
  )
}

/** Index of the first row beyond a position. */
function firstAfter(rows: readonly Row[], position: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle] as Row).position > position) high = middle
    else low = middle + 1
  }
  return low
}

const noTags: readonly string[] = []

function rowFrom({ position, id, stream, type, tags, data }: RawRow): Row {
  return {
    position,
    id,
    stream,
    category: stream.split('-', 1)[0] as string,
    type,
    tags: tags === '[]' ? noTags : (JSON.parse(tags) as readonly string[]),
    op: (JSON.parse(data) as { readonly op: string }).op,
  }
}
