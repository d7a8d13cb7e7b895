/** What can befall a stored snapshot, short of a forger who also knows its checksum and the right event. */
import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Random } from '../random.ts'

interface StoredSnapshot {
  readonly stream: string
  readonly fold: string
  readonly fingerprint: string
  readonly version: number
  readonly position: number
  readonly event_id: string
  readonly state: string
  readonly checksum: string
}

/** Damages snapshots in their table, and brings back older ones. */
export class Corrupter {
  readonly #random: Random
  /** Snapshots as they were, by stream and fold. */
  readonly #older = new Map<string, StoredSnapshot>()

  constructor(random: Random) {
    this.#random = random
  }

  /** Damages about a third of the snapshots, each in one way; returns how many. */
  damageSome(database: DatabaseSync): number {
    const rows = storedIn(database)
    let damaged = 0
    for (const row of rows) {
      const key = `${row.fold} ${row.stream}`
      const older = this.#older.get(key)
      if (this.#random.chance(0.3)) {
        replace(database, row, this.#random.chance(0.2) && older ? older : this.#damaged(row, rows))
        damaged++
      }
      if (this.#random.chance(0.5)) this.#older.set(key, row)
    }
    return damaged
  }

  /**
   * A forger's work, which nothing could tell from the truth: another state under a fitting checksum. What was damaged before
   * stays so: its state may be none that a fold can go on from. Returns how many.
   */
  forgeAll(database: DatabaseSync): number {
    const rows = storedIn(database).filter((row) => checksummed(row).checksum === row.checksum)
    for (const row of rows)
      replace(database, row, checksummed({ ...row, state: row.state.replace(/\d/, '7') }))
    return rows.length
  }

  #damaged(row: StoredSnapshot, rows: readonly StoredSnapshot[]): StoredSnapshot | undefined {
    const random = this.#random
    const other = random.pick(rows)
    const place = random.integer(0, row.state.length - 1)
    const flipped = String.fromCharCode(row.state.charCodeAt(place) ^ (1 << random.integer(0, 6)))
    const isSame = other.stream === row.stream
    const ways: readonly (() => StoredSnapshot | undefined)[] = [
      () => ({ ...row, state: row.state.slice(0, place) + flipped + row.state.slice(place + 1) }),
      () => ({ ...row, state: row.state.slice(0, place) }),
      () => (isSame ? undefined : { ...other, stream: row.stream, fold: row.fold }),
      // Another stream's, made to fit: only the event it ends with gives it away.
      () => (isSame ? undefined : checksummed({ ...other, stream: row.stream, fold: row.fold })),
      () => ({ ...row, version: row.version + random.integer(1, 100) }),
      () => checksummed({ ...row, version: row.version + random.integer(1, 100) }),
      () => (row.version > 1 ? checksummed({ ...row, version: row.version - 1 }) : undefined),
      () => ({ ...row, position: row.position + 1 }),
      () => ({ ...row, checksum: '' }),
      () => checksummed({ ...row, fingerprint: hash('sha256', 'other code') }),
      () => checksummed({ ...row, event_id: other.stream }),
      () => checksummed({ ...row, state: row.state.slice(0, -1) }),
      () => undefined,
    ]
    return random.pick(ways)()
  }
}

function storedIn(database: DatabaseSync): StoredSnapshot[] {
  return database.prepare('SELECT * FROM snapshot').all() as unknown[] as StoredSnapshot[]
}

/** Writes a snapshot in place of another; undefined removes it. */
function replace(database: DatabaseSync, row: StoredSnapshot, by: StoredSnapshot | undefined): void {
  database.prepare('DELETE FROM snapshot WHERE stream = ? AND fold = ?').run(row.stream, row.fold)
  if (by === undefined) return
  const { stream, fold, fingerprint, version, position, event_id, state, checksum } = by
  database
    .prepare('INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    .run(stream, fold, fingerprint, version, position, event_id, state, checksum)
}

/** The row with the checksum that the product would give it. */
function checksummed(row: StoredSnapshot): StoredSnapshot {
  const { stream, fold, fingerprint, version, position, event_id, state } = row
  const text = JSON.stringify([stream, fold, fingerprint, version, position, event_id, state])
  return { ...row, checksum: hash('sha256', text) }
}
