import type { Store } from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'

/**
 * The store of an address: `sqlite:FILE`, or `postgres://user:password@host/database?schema=bank`, where the book is made
 * when it is missing. Undefined for anything else.
 */
export function storeAt(address: string): Store | undefined {
  const file = /^sqlite:(.+)$/.exec(address)?.[1]
  if (file !== undefined) return sqlite(file)
  if (!/^postgres(ql)?:\/\//.test(address)) return undefined
  const [place = '', query] = address.split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  const schema = parameters.get('schema') ?? 'daybook'
  parameters.delete('schema')
  const rest = parameters.size === 0 ? '' : `?${parameters}`
  return postgres(`${place}${rest}`, { schema, migrate: true })
}
