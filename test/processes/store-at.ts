import type { Store } from '../../library/src/core/ports/store.ts'
import { postgres } from '../../library/src/postgres/index.ts'
import { sqlite } from '../../library/src/sqlite/index.ts'

/** The store at `postgres://user:password@host/database`, or in the file of that path; made when it is not there. */
export function storeAt(address: string, { readOnly = false }: { readonly readOnly?: boolean } = {}): Store {
  if (address.startsWith('postgres://')) return postgres(address, { readOnly, migrate: !readOnly })
  return sqlite(address, { readOnly })
}
