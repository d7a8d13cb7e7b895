import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Store } from 'daybook'
import { memory } from 'daybook/memory'
import { type PostgresStore, postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { CommandFailure, usage } from './failures.ts'

/** The store of an address: `sqlite:FILE`, `postgres://user:password@host/database?schema=bank` or `memory:`. */
export function storeAt(address: string): Store {
  if (/^postgres(ql)?:\/\//i.test(address)) return serverAt(address)
  const scheme = /^[a-z]{2,}:/i.exec(address)?.[0]
  const rest = address.slice(scheme?.length)
  if (scheme === 'memory:' && rest === '') return memory()
  if (scheme === 'sqlite:' && rest !== '') return sqlite(rest)
  if (scheme === undefined && address !== '')
    throw usage(
      `--store ${shown(address)} has no scheme`,
      `For a SQLite file: --store sqlite:${shown(address)}`,
    )
  throw usage(
    `--store ${shown(address)} is no address of a store`,
    'Known are sqlite:FILE, postgres://user:password@host/database and memory:.',
  )
}

/** The parameter `schema` is ours; what else stands behind the question mark is for the driver. */
function serverAt(address: string): Store {
  const [place = '', query] = address.split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  const schema = parameters.get('schema')
  parameters.delete('schema')
  // What stands before an empty host, the user say, the driver reads in its own way.
  if (!URL.canParse(place) && !URL.canParse(place.replace('@/', '@host/'))) {
    throw usage(
      `--store ${shown(address)} cannot be read as an address`,
      'Write special characters of a password by their number: @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25. Or leave it out and set PGPASSWORD.',
    )
  }
  const rest = parameters.size === 0 ? '' : `?${parameters}`
  const lowered = place.replace(/^[a-z]+/i, (scheme) => scheme.toLowerCase())
  return postgres(`${lowered}${rest}`, schema === null ? {} : { schema })
}

/** An address as people and logs may see it: no user, no password, nothing that could hold one. */
function shown(address: string): string {
  return address.replace(/\/\/.*@/s, '//…@').replace(/\?.*/s, '?…')
}

/** A store on PostgreSQL, known by what it can do: the configuration may bring its own copy of the library. */
export function isPostgres(store: Store): store is PostgresStore {
  return 'migrations' in store
}

/** The file of a SQLite store, as its name tells it; undefined for other stores. */
export function fileOf(store: Store): string | undefined {
  return store.name.startsWith('sqlite:') ? store.name.slice('sqlite:'.length) : undefined
}

/** The same store opened for reading only, so that reading changes nothing, waits for no lock and needs no permission to write. */
export function readOnly(store: Store): Store {
  if (store.readOnly !== undefined) return store.readOnly()
  const file = fileOf(store)
  return file === undefined ? store : sqlite(file, { readOnly: true })
}

/** Throws `STORE_CANNOT_OPEN` where reading would have to create the file. A server says by itself what it has not. */
export function requireBook(store: Store): void {
  const file = fileOf(store)
  if (file === undefined) return
  const path = resolve(file)
  const facts = { store: store.name, path }
  if (!existsSync(path)) {
    throw new CommandFailure({
      code: 'STORE_CANNOT_OPEN',
      message: `${store.name} does not exist`,
      hint: `Looked for ${path}; a relative path counts from the current folder. Only append and run begin a new book.`,
      facts,
    })
  }
  refuseFolder(store)
  if (statSync(path).size > 0) return
  throw new CommandFailure({
    code: 'STORE_FOREIGN',
    message: `${store.name} is an empty file, not a book`,
    hint: 'Check the path. Append to it to make it a book.',
    facts,
  })
}

/** Throws `STORE_CANNOT_OPEN` for a path that is a folder. */
export function refuseFolder(store: Store): void {
  const file = fileOf(store)
  if (file === undefined || statSync(file, { throwIfNoEntry: false })?.isDirectory() !== true) return
  throw new CommandFailure({
    code: 'STORE_CANNOT_OPEN',
    message: `${store.name} is a folder`,
    hint: 'Name the file of the book in it.',
    facts: { store: store.name },
  })
}

/** Bytes of the file and of what SQLite keeps beside it; undefined for other stores. */
export function bytesOf(store: Store): number | undefined {
  const file = fileOf(store)
  if (file === undefined) return undefined
  const sizes = [file, `${file}-wal`].map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
  return sizes.reduce((sum, size) => sum + size)
}
