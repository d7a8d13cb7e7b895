import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Store } from 'daybook'
import { memory } from 'daybook/memory'
import { sqlite } from 'daybook/sqlite'
import { CommandFailure, usage } from './failures.ts'

/** The store of an address: `sqlite:FILE` or `memory:`. */
export function storeAt(address: string): Store {
  const scheme = /^[a-z]{2,}:/i.exec(address)?.[0]
  const rest = address.slice(scheme?.length)
  if (scheme === 'memory:' && rest === '') return memory()
  if (scheme === 'sqlite:' && rest !== '') return sqlite(rest)
  if (scheme === undefined && address !== '')
    throw usage(`--store ${address} has no scheme`, `For a SQLite file: --store sqlite:${address}`)
  throw usage(`--store ${address} is no address of a store`, 'Known are sqlite:FILE and memory:.')
}

/** The file of a SQLite store, as its name tells it; undefined for other stores. */
export function fileOf(store: Store): string | undefined {
  return store.name.startsWith('sqlite:') ? store.name.slice('sqlite:'.length) : undefined
}

/** The same store opened for reading only, so that reading changes nothing, waits for no lock and needs no permission to write. */
export function readOnly(store: Store): Store {
  const file = fileOf(store)
  return file === undefined ? store : sqlite(file, { readOnly: true })
}

/** Throws `STORE_CANNOT_OPEN` where reading would have to create the file. */
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
