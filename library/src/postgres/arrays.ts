/**
 * Arrays as parameters in PostgreSQL's binary format (array_recv in src/backend/utils/adt/arrayfuncs.c): dimensions,
 * a flag for nulls, the element type, the size and lower bound of the one dimension, then each element's length and
 * bytes. `pg` sends a Buffer as it is; text arrays would have to escape every quote of every JSON text.
 */

const headerBytes = 20
/** Object ids of the types, pg_type.dat; they never change. */
const oids = { text: 25, int8: 20, uuid: 2950, json: 114, bytea: 17 } as const

/** `text[]`. */
export function textArray(texts: readonly string[]): Buffer {
  return ofTexts(oids.text, texts)
}

/** `json[]`: the exact text of each. */
export function jsonArray(texts: readonly string[]): Buffer {
  return ofTexts(oids.json, texts)
}

function ofTexts(oid: number, texts: readonly string[]): Buffer {
  // Exactly as large as needed: what a busy process throws away beside the heap, the garbage collector counts as well.
  const lengths = texts.map((text) => Buffer.byteLength(text))
  const buffer = withHeader(
    oid,
    texts.length,
    lengths.reduce((sum, length) => sum + 4 + length, headerBytes),
  )
  let offset = headerBytes
  for (const [index, text] of texts.entries()) {
    offset = buffer.writeInt32BE(lengths[index] as number, offset)
    offset += buffer.write(text, offset, 'utf8')
  }
  return buffer
}

/** `int8[]`, of safe integers. */
export function int8Array(numbers: readonly number[]): Buffer {
  const buffer = withHeader(oids.int8, numbers.length, headerBytes + numbers.length * 12)
  let offset = headerBytes
  for (const number of numbers) {
    offset = buffer.writeInt32BE(8, offset)
    offset = buffer.writeInt32BE(Math.floor(number / 0x1_0000_0000), offset)
    offset = buffer.writeUInt32BE(number >>> 0, offset)
  }
  return buffer
}

/** `uuid[]`, of UUIDs in their text form. */
export function uuidArray(ids: readonly string[]): Buffer {
  const buffer = withHeader(oids.uuid, ids.length, headerBytes + ids.length * 20)
  let offset = headerBytes
  for (const id of ids) {
    offset = buffer.writeInt32BE(16, offset)
    offset += buffer.write(id.replaceAll('-', ''), offset, 'hex')
  }
  return buffer
}

/** `bytea[]`. */
export function byteaArray(values: readonly Uint8Array[]): Buffer {
  return ofBytes(oids.bytea, values)
}

function ofBytes(oid: number, values: readonly Uint8Array[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + 4 + value.length, headerBytes)
  const buffer = withHeader(oid, values.length, bytes)
  let offset = headerBytes
  for (const value of values) {
    offset = buffer.writeInt32BE(value.length, offset)
    buffer.set(value, offset)
    offset += value.length
  }
  return buffer
}

function withHeader(oid: number, count: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes)
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(0, 4)
  buffer.writeInt32BE(oid, 8)
  buffer.writeInt32BE(count, 12)
  buffer.writeInt32BE(1, 16)
  return buffer
}
