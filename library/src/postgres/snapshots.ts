import type { SnapshotRow, SnapshotStore } from '../core/ports/snapshots.ts'
import type { Session } from './connection.ts'
import type { DerivedWriter } from './derived-writer.ts'
import type { LogStatements } from './statements.ts'

/** Snapshots in their table; their commits need not reach the disk at once. */
export class PostgresSnapshots implements SnapshotStore {
  readonly #reader: Session
  readonly #derived: DerivedWriter
  readonly #sql: LogStatements

  constructor(reader: Session, derived: DerivedWriter, sql: LogStatements) {
    this.#reader = reader
    this.#derived = derived
    this.#sql = sql
  }

  load(stream: string, fold: string): Promise<SnapshotRow | undefined> {
    return this.#reader.repeatable(async (runner) => {
      const [row] = await runner.run(this.#sql.readSnapshot, [stream, fold])
      if (row === undefined) return undefined
      const [fingerprint, version, position, eventId, state, checksum] = row
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
    })
  }

  async save(row: SnapshotRow): Promise<void> {
    const { stream, fold, fingerprint, version, position, eventId, state, checksum } = row
    await this.#derived.transaction((transaction) =>
      transaction.run(this.#sql.saveSnapshot, [
        stream,
        fold,
        fingerprint,
        version,
        position,
        eventId,
        state,
        checksum,
      ]),
    )
  }

  clear(fold?: string): Promise<number> {
    return this.#derived.transaction(async (transaction) => {
      const [row] = await transaction.run(this.#sql.clearSnapshots, [fold ?? null])
      return Number(row?.[0])
    })
  }

  count(): Promise<number> {
    return this.#reader.repeatable(async (runner) =>
      Number((await runner.run(this.#sql.countSnapshots))[0]?.[0]),
    )
  }
}
