import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogHead } from '../core/append-plan.ts'
import { Turn } from './turns.ts'

const headAt = (position: number): LogHead => ({
  position,
  recordedAtMs: 0,
  chainHash: new Uint8Array(32).fill(position),
})

describe('a turn of appending', () => {
  it('goes on from the head that the one before leaves, once that is committed', async () => {
    const first = new Turn(undefined)
    const second = new Turn(first)
    first.end(headAt(7))
    const mayGoOn = second.mayGoOn(headAt(7))
    first.commit()
    assert.equal(await mayGoOn, true)
  })

  it('does not hold the lock that the one before still waits for', async () => {
    const first = new Turn(undefined)
    const second = new Turn(first)
    first.end(headAt(7))
    assert.equal(await second.mayGoOn(headAt(6)), false)
  })

  it('goes on from any head once the one before is committed: others append as well', async () => {
    const first = new Turn(undefined)
    const second = new Turn(first)
    first.end(headAt(7))
    first.commit()
    assert.equal(await second.mayGoOn(headAt(9)), true)
  })

  it('lets the one before be done again first', async () => {
    const first = new Turn(undefined)
    const second = new Turn(first)
    first.end(headAt(7))
    const mayGoOn = second.mayGoOn(headAt(7))
    first.fail()
    assert.equal(await mayGoOn, false)
    first.finish()
    await second.previousIsOver()
    assert.equal(await second.mayGoOn(headAt(6)), true)
  })
})
