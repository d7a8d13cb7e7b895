import { utf8Length } from './names.ts'

/** An event exactly as stored. `data`, `metadata` and `tags` are JSON text, kept byte for byte. */
export interface EventRow {
  readonly position: number
  readonly stream: string
  readonly version: number
  readonly type: string
  readonly schemaVersion: number
  readonly id: string
  readonly data: string
  readonly metadata: string
  readonly tags: string
  /** Milliseconds since 1970-01-01 UTC. */
  readonly recordedAtMs: number
}

/** An event of which each text of JSON may be what it is the text of, where the store has parsed it. */
export interface ParsedRow extends Omit<EventRow, 'data' | 'metadata' | 'tags'> {
  /** Legal data is always an object. */
  readonly data: string | object
  readonly metadata: string | object
  readonly tags: string | readonly string[]
}

/** An event without what few folds look at. */
export type BriefRow = Omit<ParsedRow, 'id' | 'metadata' | 'tags'>

/** The two hashes stored with each row; see `docs/reference/row-and-hash-format.md`. */
export interface RowHashes {
  /** SHA-256 over the row's fields: a leaf of the Merkle tree of RFC 6962, section 2.1. */
  readonly leafHash: Uint8Array
  /** SHA-256(chain hash of the previous row ‖ leaf hash). */
  readonly chainHash: Uint8Array
}

/** The chain hash before the first event. */
export const genesisHash: Uint8Array = new Uint8Array(32)

const domain = 'daybook/event/1\n'
const fieldCount = 10
const headerBytes = 1 + domain.length + 4 * fieldCount
const encoder = new TextEncoder()

/**
 * Hashes rows in order. The leaf's input is 0x00 ‖ "daybook/event/1\n" ‖ the byte lengths of the ten fields as
 * big-endian u32 ‖ the fields in UTF-8: position, stream, version, type, schema version, id, data, metadata, tags,
 * recorded time in ms. All lengths stand before all contents, so no two different rows share an input.
 */
export class RowHasher {
  readonly #sha256: (bytes: Uint8Array) => Uint8Array
  readonly #link = new Uint8Array(64)
  #buffer = new Uint8Array(4_096)
  #view = new DataView(this.#buffer.buffer)

  constructor(sha256: (bytes: Uint8Array) => Uint8Array) {
    this.#sha256 = sha256
    this.#writeDomain()
  }

  hash(row: EventRow, previousChainHash: Uint8Array): RowHashes {
    const leafHash = this.#sha256(this.leafInput(row))
    this.#link.set(previousChainHash, 0)
    this.#link.set(leafHash, 32)
    return { leafHash, chainHash: this.#sha256(this.#link) }
  }

  /** The bytes that the leaf hash covers; valid until the next call. */
  leafInput(row: EventRow): Uint8Array {
    const fields = [
      String(row.position),
      row.stream,
      String(row.version),
      row.type,
      String(row.schemaVersion),
      row.id,
      row.data,
      row.metadata,
      row.tags,
      String(row.recordedAtMs),
    ]
    const content = fields.join('')
    this.#reserve(headerBytes + content.length * 3)
    const { written } = encoder.encodeInto(content, this.#buffer.subarray(headerBytes))
    // As many bytes as characters means that all is ASCII, and lengths need no counting.
    const isAscii = written === content.length
    let offset = 1 + domain.length
    for (const field of fields) {
      this.#view.setUint32(offset, isAscii ? field.length : utf8Length(field))
      offset += 4
    }
    return this.#buffer.subarray(0, headerBytes + written)
  }

  #reserve(bytes: number): void {
    if (this.#buffer.length >= bytes) return
    this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)))
    this.#view = new DataView(this.#buffer.buffer)
    this.#writeDomain()
  }

  #writeDomain(): void {
    this.#buffer[0] = 0
    encoder.encodeInto(domain, this.#buffer.subarray(1))
  }
}
