import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** A name for one opening of a book that tells people where to look: `web-1/4711/5f3a90c1d2e4`, machine and process. */
export function ownerName(): string {
  return `${hostname().slice(0, 64)}/${process.pid}/${randomBytes(6).toString('hex')}`
}
