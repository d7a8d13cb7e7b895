import { hash } from 'node:crypto'
import { setImmediate as immediate, setTimeout as timeout } from 'node:timers/promises'
import type { Host } from '../core/ports/host.ts'
import { uuid7Maker } from './uuid7.ts'

/** The machine's clock, ids, hash and timers; any of them can be replaced, in tests or for a deterministic import. */
export function nodeHost(replaced: Partial<Host> = {}): Host {
  const now = replaced.now ?? Date.now
  return {
    now,
    newId: uuid7Maker(now),
    // A Latin-1 string crosses from OpenSSL at half the cost of a buffer; it holds exactly the 32 bytes.
    sha256: (bytes) => bytesOf(hash('sha256', bytes, 'binary')),
    random: Math.random,
    sleep: (timeMs, signal) => timeout(timeMs, undefined, signal ? { signal } : {}),
    nextTurn: () => immediate(),
    ...replaced,
  }
}

/**
 * The bytes of a Latin-1 string. A `Buffer` would be a slice of 64 KB (Node 24), which are kept as long as one of their slices
 * is, and are counted beside the heap: at 10,000 appends/s that made V8 collect the whole heap twice a second.
 */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index)
  return bytes
}
