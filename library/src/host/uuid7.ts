import { randomFillSync } from 'node:crypto'

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * Makes UUIDs of version 7 (RFC 9562, section 5.7) that strictly increase within the maker: 48 bits of time in ms,
 * then a 26-bit counter (method 1 of section 6.2: the 12 bits of rand_a and the first 14 of rand_b), which starts at
 * random below 2^24 each millisecond, then 48 random bits. A clock that steps back, or a full counter, keeps or
 * advances the time already used.
 */
export function uuid7Maker(now: () => number): () => string {
  const pool = new Uint8Array(4_096)
  let used = pool.length
  let timeMs = -1
  let counter = 0

  function take(bytes: number): number {
    if (used + bytes > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const start = used
    used += bytes
    return start
  }

  return () => {
    const clockMs = now()
    if (clockMs > timeMs) {
      timeMs = clockMs
      const start = take(3)
      counter = ((byteAt(pool, start) << 16) | (byteAt(pool, start + 1) << 8) | byteAt(pool, start + 2)) >>> 0
    } else if (++counter >= 2 ** 26) {
      timeMs++
      counter = 0
    }
    const time = timeMs.toString(16).padStart(12, '0')
    const high = (0x7000 | (counter >>> 14)).toString(16)
    const low = (0x8000 | (counter & 0x3fff)).toString(16)
    let random = ''
    const start = take(6)
    for (let index = start; index < start + 6; index++) random += hex[byteAt(pool, index)]
    return `${time.slice(0, 8)}-${time.slice(8)}-${high}-${low}-${random}`
  }
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}
