/** What the machine gives. Injected, so that tests and replays decide time, ids and chance. */
export interface Host {
  /** Milliseconds since 1970-01-01 UTC, an integer. May jump backwards; the log never does. */
  readonly now: () => number
  /** A new UUID, version 7; strictly increasing within the process. */
  readonly newId: () => string
  /** SHA-256 of the bytes: 32 bytes. */
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** A number from 0 (inclusive) to 1 (exclusive), for jitter only. */
  readonly random: () => number
  /** Resolves after a time, or rejects with the signal's reason when it is aborted first. */
  readonly sleep: (timeMs: number, signal?: AbortSignal) => Promise<void>
  /** Resolves after pending input and output had their turn. */
  readonly nextTurn: () => Promise<void>
}
