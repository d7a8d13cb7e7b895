/** A saved state: disposable, never trusted over the events. */
export interface SnapshotRow {
  readonly stream: string
  /** Which fold made it: the decider's or aggregate's name. */
  readonly fold: string
  /** Fingerprint of the fold's code and initial state. */
  readonly fingerprint: string
  readonly version: number
  readonly position: number
  /** Id of the event at `version`: proves that the snapshot belongs to this history. */
  readonly eventId: string
  /** JSON text. */
  readonly state: string
  /** SHA-256 of all the other fields, hex. */
  readonly checksum: string
}

/** Where snapshots are kept, beside the log and outside its guarantees. */
export interface SnapshotStore {
  load(stream: string, fold: string): Promise<SnapshotRow | undefined>
  /** Keeps the snapshot unless a newer one of the same fingerprint is there. */
  save(snapshot: SnapshotRow): Promise<void>
  /** Deletes every snapshot, or those of one fold; returns how many. */
  clear(fold?: string): Promise<number>
  count(): Promise<number>
}
