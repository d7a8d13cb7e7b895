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
    sha256: (bytes) => Buffer.from(hash('sha256', bytes, 'binary'), 'latin1'),
    random: Math.random,
    sleep: (timeMs, signal) => timeout(timeMs, undefined, signal ? { signal } : {}),
    nextTurn: () => immediate(),
    ...replaced,
  }
}
