import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testHost } from './test-host.ts'

describe('testHost', () => {
  it('moves its clock only when told', async () => {
    const host = testHost({ now: 1_000 })
    assert.equal(host.now(), 1_000)
    await host.nextTurn()
    await host.advance(50)
    assert.equal(host.now(), 1_050)
    host.setNow(7)
    assert.equal(host.now(), 7)
  })

  it('wakes sleepers in the order of their time, each at its time', async () => {
    const host = testHost({ now: 0 })
    const woken: string[] = []
    const sleep = async (name: string, timeMs: number): Promise<void> => {
      await host.sleep(timeMs)
      woken.push(`${name} at ${host.now()}`)
    }
    const all = [sleep('late', 30), sleep('early', 10), sleep('never', 1_000)]
    await host.advance(9)
    assert.deepEqual(woken, [])
    await host.advance(21)
    assert.deepEqual(woken, ['early at 10', 'late at 30'])
    assert.equal(host.sleepers(), 1)
    await host.advance(1_000)
    await Promise.all(all)
  })

  it('lets who wakes sleep again within one advance', async () => {
    const host = testHost({ now: 0 })
    const ticks: number[] = []
    const ticking = (async () => {
      for (let tick = 0; tick < 3; tick++) {
        await host.sleep(10)
        ticks.push(host.now())
      }
    })()
    await host.advance(100)
    await ticking
    assert.deepEqual(ticks, [10, 20, 30])
    assert.equal(host.now(), 100)
  })

  it('keeps sleepers asleep when only the clock is set', async () => {
    const host = testHost({ now: 0 })
    const sleeping = host.sleep(10)
    host.setNow(1_000_000)
    await host.nextTurn()
    assert.equal(host.sleepers(), 1)
    await host.advance(10)
    await sleeping
    assert.equal(host.now(), 1_000_010)
  })

  it('skips time at once: who sleeps wakes once, at the end', async () => {
    const host = testHost({ now: 0 })
    const woken: number[] = []
    const poll = async (): Promise<void> => {
      for (;;) woken.push(await host.sleep(1_000).then(() => host.now()))
    }
    void poll()
    await host.skip(86_400_000)
    assert.deepEqual(woken, [86_400_000])
    await host.advance(1_000)
    assert.deepEqual(woken, [86_400_000, 86_401_000])
  })

  it('ends a sleep that is aborted with the reason', async () => {
    const host = testHost()
    const abort = new AbortController()
    const sleeping = host.sleep(10, abort.signal)
    abort.abort(new Error('enough'))
    await assert.rejects(sleeping, /enough/)
    await assert.rejects(host.sleep(10, abort.signal), /enough/)
    assert.equal(host.sleepers(), 0)
  })

  it('gives the same ids and numbers each time, ids as UUIDs of version 7', () => {
    const made = [testHost(), testHost()].map((host) => [
      host.newId(),
      host.newId(),
      host.random(),
      host.random(),
    ])
    assert.deepEqual(made[0], made[1])
    assert.match(
      String(made[0]?.[0]),
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    assert.notEqual(testHost({ seed: 2 }).random(), testHost({ seed: 3 }).random())
    assert.equal(testHost({ ids: () => 'x' }).newId(), 'x')
  })
})
