import { DaybookError } from './errors.ts'
import { printable } from './limits.ts'
import { categoryOf, legalCategory, legalName } from './names.ts'

/**
 * One item of a query. An event matches when its type is any of `types`, its category any of `categories`, and it
 * carries all of `tags`; a field left out does not restrict.
 */
export interface QueryItem {
  readonly types?: readonly string[]
  readonly categories?: readonly string[]
  readonly tags?: readonly string[]
}

/** Items of which any may match. The same value filters a read, guards an append and scopes a subscription. */
export type Query = QueryItem | readonly QueryItem[]

/** No event matching `query` may stand after position `after` (exclusive; 0 means anywhere in the log). */
export interface AppendCondition {
  readonly query: Query
  readonly after: number
}

const fields = ['types', 'categories', 'tags'] as const

/** Checks a query from outside and returns its items; throws `ILLEGAL_QUERY` or `ILLEGAL_NAME`. */
export function queryItems(query: Query): readonly QueryItem[] {
  const items: readonly unknown[] = Array.isArray(query) ? query : [query]
  if (items.length === 0) throw illegal('has no items; leave it out to match every event')
  return items.map(legalItem)
}

function legalItem(item: unknown, index: number): QueryItem {
  if (item === null || typeof item !== 'object' || Array.isArray(item))
    throw illegal(`item ${index} is ${printable(item)}`)
  const unknownField = Object.keys(item).find((key) => !(fields as readonly string[]).includes(key))
  if (unknownField !== undefined) {
    throw illegal(
      `item ${index} has the unknown field ${printable(unknownField)}; known are ${fields.join(', ')}`,
    )
  }
  const given = item as { readonly [field in (typeof fields)[number]]?: unknown }
  const legal: { [field in (typeof fields)[number]]?: readonly string[] } = {}
  for (const field of fields) {
    const names = given[field]
    if (names === undefined) continue
    if (!Array.isArray(names)) throw illegal(`item ${index}: ${field} is ${printable(names)}, not an array`)
    if (names.length === 0)
      throw illegal(`item ${index}: ${field} is empty; leave it out to not restrict by it`)
    const legalise =
      field === 'categories' ? legalCategory : (name: unknown) => legalName(field.slice(0, -1), name)
    legal[field] = [...new Set(names.map(legalise))]
  }
  if (Object.keys(legal).length === 0)
    throw illegal(`item ${index} names nothing; leave the query out to match every event`)
  return legal
}

function illegal(problem: string): DaybookError {
  return new DaybookError('ILLEGAL_QUERY', `the query ${problem}`, { problem })
}

/** True when any item matches the event. No items match nothing; "every event" is the absence of a query. */
export function matchesQuery(
  items: readonly QueryItem[],
  event: { readonly stream: string; readonly type: string; readonly tags: readonly string[] },
): boolean {
  for (const item of items) {
    if (item.types !== undefined && !item.types.includes(event.type)) continue
    if (item.categories !== undefined && !item.categories.includes(categoryOf(event.stream))) continue
    if (item.tags !== undefined && !item.tags.every((tag) => event.tags.includes(tag))) continue
    return true
  }
  return false
}
