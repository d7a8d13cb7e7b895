/** Who may import whom. A new room is added here on purpose; a file in an unknown room is a complaint. */

export interface Room {
  /** Other rooms of the same tree that this one may import. Its own files it always may. */
  readonly rooms: readonly string[]
  /** Modules from outside: exact names, or a prefix that ends in `*`. */
  readonly modules?: readonly string[]
}

/** Rooms of library/src. A file that stands in src itself is its own room. */
export const libraryRooms: Readonly<Record<string, Room>> = {
  'index.ts': { rooms: ['core', 'host', 'book', 'processing', 'evolution', 'proof', 'audit'] },
  core: { rooms: [] },
  host: { rooms: ['core'], modules: ['node:*'] },
  book: { rooms: ['core', 'host', 'processing', 'proof'] },
  processing: { rooms: ['core', 'host'] },
  evolution: { rooms: ['core'] },
  proof: { rooms: ['core'] },
  audit: { rooms: ['core'] },
  memory: { rooms: ['core', 'host'] },
  sqlite: { rooms: ['core', 'host'], modules: ['node:*'] },
  postgres: { rooms: ['core', 'host'], modules: ['node:*', 'pg'] },
  testing: {
    rooms: ['core', 'host', 'book', 'processing', 'memory'],
    modules: ['node:test', 'node:assert', 'node:assert/strict'],
  },
  relay: { rooms: ['core', 'host', 'processing'] },
  client: { rooms: ['core', 'host'] },
}

/** The rooms that are stores: they alone hold SQL, and none imports another. */
export const stores: readonly string[] = ['memory', 'sqlite', 'postgres']

/** Tests stand beside what they test, and may use these rooms and modules besides those of their own room. */
export const forLibraryTests: Room = {
  rooms: [
    'index.ts',
    'core',
    'host',
    'book',
    'processing',
    'evolution',
    'proof',
    'audit',
    'memory',
    'testing',
  ],
  modules: [
    'node:*',
    'fast-check',
    'zod',
    'valibot',
    'arktype',
    '@standard-schema/spec',
    'pg',
    '@daybook/postgres-server',
    '@daybook/postgres-server/recycling',
    '@daybook/postgres-server/testing',
    '@daybook/postgres-server/watched',
  ],
}

export const serverRooms: Readonly<Record<string, Room>> = {
  cli: { rooms: ['http'] },
  http: { rooms: [] },
}
