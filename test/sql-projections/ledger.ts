/** A ledger by SQL, and databases of every kind to keep it in. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import {
  type Book,
  type BookOptions,
  type Diagnostic,
  defineEvents,
  type SqlProjectionOptions,
  type SqlTransaction,
  type Store,
  sqlProjection,
} from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { Client } from 'pg'
import { z } from 'zod'

export const events = defineEvents({
  Deposited: z.object({ cents: z.int() }),
  Withdrawn: z.object({ cents: z.int() }),
  Other: z.object({}),
})

/** Gone when the tests are over. */
export const folder: string = mkdtempSync(join(tmpdir(), 'daybook-'))
after(() => rmSync(folder, { recursive: true }))
const server = await testServer()
after(server.dispose)

/** A store, and how its tables are asked. */
export interface Place {
  readonly store: Store
  rows(text: string): Promise<readonly (readonly unknown[])[]>
}

let files = 0
/** An empty database of each kind. */
export const places: { readonly [dialect: string]: () => Promise<Place> } = {
  async sqlite() {
    const path = join(folder, `${files++}.db`)
    return {
      store: sqlite(path),
      async rows(text) {
        using database = new DatabaseSync(path)
        return database
          .prepare(text)
          .all()
          .map((row) => Object.values(row))
      },
    }
  },
  async postgres() {
    const url = server.url(await server.createDatabase())
    return {
      store: postgres(url, { migrate: true }),
      async rows(text) {
        const client = new Client({ connectionString: url })
        await client.connect()
        try {
          return (await client.query({ text, rowMode: 'array' })).rows
        } finally {
          await client.end()
        }
      },
    }
  },
}

/** `?` for both. */
export function run(
  sql: SqlTransaction,
  text: string,
  ...values: readonly unknown[]
): ReturnType<SqlTransaction['query']> {
  let nth = 0
  return sql.query(sql.dialect === 'sqlite' ? text : text.replaceAll('?', () => `$${++nth}`), values)
}

export const table =
  'CREATE TABLE ledger (position bigint PRIMARY KEY, account text NOT NULL, cents bigint NOT NULL CHECK (cents <> 13))'
export const both = (...texts: readonly string[]) => ({ sqlite: texts, postgres: texts })
export const insert = 'INSERT INTO ledger VALUES (?, ?, ?)'

export type Options = SqlProjectionOptions<
  typeof events extends import('daybook').EventSet<infer Definitions> ? Definitions : never
>

export function ledger(changed: Partial<Options> = {}) {
  return sqlProjection('ledger', {
    from: events,
    tables: both(table),
    clear: both('DROP TABLE ledger'),
    evolve: {
      Deposited: (sql, { cents }, event) => run(sql, insert, event.position, event.streamId, cents),
      Withdrawn: (sql, { cents }, event) => run(sql, insert, event.position, event.streamId, -cents),
    },
    ...changed,
  })
}

/** However busy the machine is. */
export function reach(book: Book, projection: ReturnType<typeof ledger>, notBefore: number): Promise<void> {
  return book.whenReached(projection, { notBefore, timeoutMs: 60_000 })
}

/** Deposits of these cents, an event of another type after each. */
export async function deposit(book: Book, ...all: readonly number[]): Promise<number> {
  const { position } = await book.append(
    'account-1',
    all.flatMap((cents) => [events.Deposited({ cents }), events.Other({})]),
  )
  return position
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, nth) => nth + 100)
}

/** Resolves when something is reported of a kind. */
export function reported(kind: Diagnostic['kind']): {
  readonly seen: Promise<Diagnostic>
  readonly options: Partial<BookOptions>
} {
  const { promise, resolve } = Promise.withResolvers<Diagnostic>()
  return {
    seen: promise,
    options: {
      onDiagnostic: (diagnostic) => {
        if (diagnostic.kind === kind) resolve(diagnostic)
      },
    },
  }
}
