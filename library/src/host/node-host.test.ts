import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeHost } from './node-host.ts'

describe('the host of Node', () => {
  // FIPS 180-2, appendix B.1.
  const ofAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

  it('hashes with SHA-256', () => {
    const hash = nodeHost().sha256(new TextEncoder().encode('abc'))
    assert.equal(Buffer.from(hash).toString('hex'), ofAbc)
  })

  it('gives a hash memory of its own: who keeps one keeps nothing else alive', () => {
    const hash = nodeHost().sha256(new TextEncoder().encode('abc'))
    assert.equal(hash.buffer.byteLength, 32)
  })
})
