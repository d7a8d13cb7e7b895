import type { SnapshotRow, SnapshotStore } from '../core/ports/snapshots.ts'
import type { Connection, Writer } from './connection.ts'
import { translated } from './errors.ts'
import * as sql from './statements.ts'

/** Snapshots in their table; written on the connection that need not reach the disk at once. */
export class SqliteSnapshots implements SnapshotStore {
  readonly #reader: () => Connection
  readonly #writer: Writer
  readonly #name: string

  constructor(reader: () => Connection, writer: Writer, name: string) {
    this.#reader = reader
    this.#writer = writer
    this.#name = name
  }

  async load(stream: string, fold: string): Promise<SnapshotRow | undefined> {
    try {
      const row = this.#reader().first(sql.readSnapshot, stream, fold)
      if (row === undefined) return undefined
      const [, , fingerprint, version, position, eventId, state, checksum] = row
      return {
        stream,
        fold,
        fingerprint: String(fingerprint),
        version: Number(version),
        position: Number(position),
        eventId: String(eventId),
        state: String(state),
        checksum: String(checksum),
      }
    } catch (error) {
      throw translated(error, this.#name)
    }
  }

  async save(row: SnapshotRow): Promise<void> {
    const { stream, fold, fingerprint, version, position, eventId, state, checksum } = row
    await this.#writer.transaction((connection) =>
      connection.run(
        sql.saveSnapshot,
        stream,
        fold,
        fingerprint,
        version,
        position,
        eventId,
        state,
        checksum,
      ),
    )
  }

  clear(fold?: string): Promise<number> {
    return this.#writer.transaction((connection) => connection.run(sql.clearSnapshots, fold ?? null))
  }

  async count(): Promise<number> {
    return Number(this.#reader().first(sql.countSnapshots)?.[0])
  }
}
