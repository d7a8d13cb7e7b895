import type { LogReader } from '../core/ports/store.ts'
import { type EventRow, genesisHash, RowHasher, type RowHashes } from '../core/row-hash.ts'

/** How to verify a log. */
export interface VerifyOptions {
  /** Told after every page how many events were verified, of how many. */
  readonly onProgress?: (verified: number, events: number) => void
  /** Ends it early: rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What verifying found. */
export interface Verification {
  /** Events found in order, from the first one on. */
  readonly events: number
  /** The first position that is not as it was recorded; undefined when all are. */
  readonly firstBad?: { readonly position: number; readonly problem: string }
}

const pageEvents = 500

/**
 * Recomputes the log from its stored fields, up to the head of this moment: positions and versions without gap,
 * recorded time that never decreases, leaf and chain hashes. A chain alone cannot see that its end was cut off, or
 * that all of it was replaced. Keeps one number per stream in memory.
 *
 * @param sha256 32 bytes for any bytes
 */
export async function verifyLog(
  log: LogReader,
  sha256: (bytes: Uint8Array) => Uint8Array,
  options: VerifyOptions = {},
): Promise<Verification> {
  const check = new LogCheck(new RowHasher(sha256))
  const toPosition = (await log.head()).position
  while (check.position < toPosition) {
    options.signal?.throwIfAborted()
    const afterPosition = check.position
    const { rows } = await log.readLog({ afterPosition, toPosition, items: undefined, limit: pageEvents })
    const hashes = await log.readHashes(afterPosition, Math.max(1, rows.length))
    const problem = rows.length === 0 ? 'it is missing' : check.page(rows, hashes)
    if (problem !== undefined)
      return { events: check.position, firstBad: { position: check.position + 1, problem } }
    options.onProgress?.(check.position, toPosition)
  }
  return { events: check.position }
}

/** What was verified so far, and what the next row must be. */
class LogCheck {
  position = 0
  readonly #hasher: RowHasher
  readonly #versions = new Map<string, number>()
  #chainHash = genesisHash
  #recordedAtMs = Number.NEGATIVE_INFINITY

  constructor(hasher: RowHasher) {
    this.#hasher = hasher
  }

  /** What is wrong with the first bad row; undefined when all are good. */
  page(rows: readonly EventRow[], hashes: readonly RowHashes[]): string | undefined {
    for (const [index, row] of rows.entries()) {
      const problem = this.#row(row, hashes[index])
      if (problem !== undefined) return problem
    }
    return undefined
  }

  #row(row: EventRow, stored: RowHashes | undefined): string | undefined {
    if (row.position !== this.position + 1) return `it is missing: position ${row.position} follows`
    const version = (this.#versions.get(row.stream) ?? 0) + 1
    if (row.version !== version)
      return `stream "${row.stream}" has version ${row.version} here, not ${version}`
    if (row.recordedAtMs < this.#recordedAtMs) return 'its recorded time lies before that of the event before'
    if (stored === undefined) return 'its hashes are missing'
    const { leafHash, chainHash } = this.#hasher.hash(row, this.#chainHash)
    if (!isSame(leafHash, stored.leafHash)) return 'its fields are not those that were hashed (leaf hash)'
    if (!isSame(chainHash, stored.chainHash)) return 'it does not follow on the event before (chain hash)'
    this.position = row.position
    this.#versions.set(row.stream, version)
    this.#recordedAtMs = row.recordedAtMs
    this.#chainHash = chainHash
    return undefined
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
