/** Where a book is, as one process tells another, and the store that opens it. */
import type { Store } from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'

export const storeNames = ['sqlite', 'postgres'] as const
export type StoreName = (typeof storeNames)[number]
export const storeTitles: { readonly [store in StoreName]: string } = {
  sqlite: 'SQLite',
  postgres: 'PostgreSQL',
}

export function isStoreName(name: string): name is StoreName {
  return storeNames.some((known) => known === name)
}

/** One book. */
export type BookAddress =
  | { readonly store: 'sqlite'; readonly path: string }
  | { readonly store: 'postgres'; readonly url: string; readonly schema: string }

export interface StoreWish {
  /** How long to wait for the log's lock, and for a server that is away, in ms; default a minute. */
  readonly timeoutMs?: number
  /** False: appends are acknowledged before they are on the disk, as controls do. */
  readonly isFlushed?: boolean
}

/** The store of a book; it makes the book when there is none. */
export function storeAt(
  address: BookAddress,
  { timeoutMs = 60_000, isFlushed = true }: StoreWish = {},
): Store {
  const unsafe = isFlushed ? {} : ({ flush: 'never', unsafeDurability: true } as const)
  if (address.store === 'sqlite') return sqlite(address.path, { lockTimeoutMs: timeoutMs, ...unsafe })
  return postgres(address.url, { schema: address.schema, migrate: true, timeoutMs, ...unsafe })
}
