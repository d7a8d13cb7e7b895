import { messageOf } from './errors.ts'
import type { Fold } from './fold.ts'
import { encodeLegalData } from './legal-data.ts'
import type { SnapshotRow } from './ports/snapshots.ts'

/** Hex SHA-256 of a text. */
export type Digest = (text: string) => string

/** What a snapshot is taken of. */
export interface SnapshotSubject {
  readonly stream: string
  readonly version: number
  readonly position: number
  readonly eventId: string
  readonly state: unknown
}

/** Encodes a state as a snapshot; throws `ILLEGAL_DATA` when it would not come back as it is. */
export function encodeSnapshot(fold: Fold, subject: SnapshotSubject, digest: Digest): SnapshotRow {
  const state = encodeLegalData(fold.toSnapshot?.(subject.state), 'state', { refusesBareObjects: true })
  const { stream, version, position, eventId } = subject
  const fields = {
    stream,
    fold: fold.name,
    fingerprint: digest(fold.fingerprintText),
    version,
    position,
    eventId,
    state,
  }
  return { ...fields, checksum: checksumOf(fields, digest) }
}

/** The state of a snapshot, or why it must be ignored. */
export function decodeSnapshot(
  fold: Fold,
  row: SnapshotRow,
  fingerprint: string,
  digest: Digest,
): { readonly state: unknown } | { readonly odd: string } {
  if (row.fingerprint !== fingerprint) return { odd: 'it was made by other code' }
  if (row.checksum !== checksumOf(row, digest)) return { odd: 'its checksum does not match' }
  try {
    return { state: fold.fromSnapshot?.(JSON.parse(row.state)) }
  } catch (error) {
    return { odd: `it cannot be read: ${messageOf(error)}` }
  }
}

function checksumOf(row: Omit<SnapshotRow, 'checksum'>, digest: Digest): string {
  return digest(
    JSON.stringify([
      row.stream,
      row.fold,
      row.fingerprint,
      row.version,
      row.position,
      row.eventId,
      row.state,
    ]),
  )
}
