/** Reading a book's file as it lies there, without the product: rows, keys, tags, and whether they hang together. */
import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { type EventRow, genesisHash, RowHasher, type RowHashes } from '../library/src/core/row-hash.ts'

export interface FoundRow extends EventRow, RowHashes {}

export interface FoundKey {
  readonly key: string
  readonly firstPosition: number
  readonly eventCount: number
}

/** Everything a file holds of the log. */
export interface FoundLog {
  readonly rows: readonly FoundRow[]
  readonly keys: readonly FoundKey[]
  /** How many rows of the tag index each position has. */
  readonly tagCounts: ReadonlyMap<number, number>
  /** What SQLite itself says of the file: `ok`. */
  readonly check: string
}

const hasher = new RowHasher((bytes) => hash('sha256', bytes, 'buffer'))

/** Reads a file; throws what SQLite throws. A file without tables is an empty log. */
export function readFoundLog(path: string): FoundLog {
  const database = new DatabaseSync(path, { timeout: 10_000 })
  try {
    return foundLogOf(database)
  } finally {
    database.close()
  }
}

export function foundLogOf(database: DatabaseSync): FoundLog {
  const table = (text: string): unknown[][] => {
    const statement = database.prepare(text)
    statement.setReturnArrays(true)
    return statement.all() as unknown[] as unknown[][]
  }
  const check = table('PRAGMA quick_check').flat().join('; ')
  const tables = table(`SELECT count(*) FROM sqlite_schema WHERE name = 'event'`)[0]?.[0]
  if (tables === 0) return { rows: [], keys: [], tagCounts: new Map(), check }
  return {
    rows: table('SELECT * FROM event ORDER BY position').map(foundRow),
    keys: table('SELECT key, first_position, event_count FROM idempotency_key ORDER BY first_position').map(
      ([key, firstPosition, eventCount]) => ({
        key: String(key),
        firstPosition: Number(firstPosition),
        eventCount: Number(eventCount),
      }),
    ),
    tagCounts: new Map(
      table('SELECT position, count(*) FROM event_tag GROUP BY position').map(([position, count]) => [
        Number(position),
        Number(count),
      ]),
    ),
    check,
  }
}

function foundRow(cells: readonly unknown[]): FoundRow {
  const text = (index: number): string => String(cells[index])
  const number = (index: number): number => Number(cells[index])
  return {
    position: number(0),
    stream: text(1),
    version: number(2),
    type: text(3),
    schemaVersion: number(4),
    id: text(5),
    data: text(6),
    metadata: text(7),
    tags: text(8),
    recordedAtMs: number(9),
    leafHash: cells[10] as Uint8Array,
    chainHash: cells[11] as Uint8Array,
  }
}

/**
 * What is wrong with a log in itself: positions and versions have gaps or forks, time goes back, an id stands twice,
 * the hash chain does not follow from the rows, the tag index or a key disagrees with them, SQLite finds damage.
 */
export function unsoundness({ rows, keys, tagCounts, check }: FoundLog): string[] {
  const problems: string[] = check === 'ok' ? [] : [`quick_check: ${check}`]
  const versions = new Map<string, number>()
  const ids = new Set<string>()
  let chainHash = genesisHash
  let lastMs = 0
  for (const [index, row] of rows.entries()) {
    const at = `position ${row.position}`
    if (row.position !== index + 1) problems.push(`${at} stands where ${index + 1} should`)
    const version = (versions.get(row.stream) ?? 0) + 1
    if (row.version !== version)
      problems.push(`${at}: version ${row.version} of ${row.stream}, not ${version}`)
    versions.set(row.stream, version)
    if (ids.has(row.id)) problems.push(`${at}: id ${row.id} stands twice`)
    ids.add(row.id)
    if (row.recordedAtMs < lastMs) problems.push(`${at}: recorded time goes back`)
    lastMs = row.recordedAtMs
    const hashes = hasher.hash(row, chainHash)
    if (!isSame(hashes.leafHash, row.leafHash)) problems.push(`${at}: the leaf hash is not that of the row`)
    if (!isSame(hashes.chainHash, row.chainHash)) problems.push(`${at}: the hash chain is broken`)
    chainHash = hashes.chainHash
    const tags = (JSON.parse(row.tags) as readonly string[]).length
    if ((tagCounts.get(row.position) ?? 0) !== tags) problems.push(`${at}: the tag index disagrees`)
  }
  if ([...tagCounts.keys()].some((position) => position > rows.length)) problems.push('tags beyond the head')
  for (const { key, firstPosition, eventCount } of keys) {
    if (firstPosition + eventCount - 1 > rows.length) problems.push(`key ${key} points beyond the head`)
  }
  return problems
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
