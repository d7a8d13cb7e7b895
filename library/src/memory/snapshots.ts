import type { SnapshotRow, SnapshotStore } from '../core/ports/snapshots.ts'

/** Snapshots in a map, one per stream and fold. */
export class MemorySnapshots implements SnapshotStore {
  readonly #rows = new Map<string, SnapshotRow>()

  load(stream: string, fold: string): Promise<SnapshotRow | undefined> {
    return Promise.resolve(this.#rows.get(keyOf(stream, fold)))
  }

  save(snapshot: SnapshotRow): Promise<void> {
    const key = keyOf(snapshot.stream, snapshot.fold)
    const held = this.#rows.get(key)
    const isNewer = held?.fingerprint !== snapshot.fingerprint || held.version <= snapshot.version
    if (isNewer) this.#rows.set(key, snapshot)
    return Promise.resolve()
  }

  clear(fold?: string): Promise<number> {
    const before = this.#rows.size
    for (const [key, row] of this.#rows) if (fold === undefined || row.fold === fold) this.#rows.delete(key)
    return Promise.resolve(before - this.#rows.size)
  }

  count(): Promise<number> {
    return Promise.resolve(this.#rows.size)
  }
}

function keyOf(stream: string, fold: string): string {
  return JSON.stringify([stream, fold])
}
