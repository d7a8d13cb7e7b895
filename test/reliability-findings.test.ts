/** What the torture found once, and must not find again. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aggregate, decider, defineEvents, isDaybookError, openBook, type Schema } from 'daybook'
import { memory } from 'daybook/memory'

function anything<Value>(): Schema<Value> {
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Value }) } }
}

describe('metadata comes back as it was given, or is refused', () => {
  const happened = { type: 'Happened', data: {} }

  it('keeps a __proto__ key as data', async () => {
    await using book = await openBook({ store: memory() })
    const metadata = JSON.parse('{"__proto__": 5, "a": 1}') as { readonly [key: string]: number }
    const { events } = await book.append('thing-1', happened, { metadata })
    assert.ok(Object.hasOwn(events[0]?.metadata ?? {}, '__proto__'))
  })

  it('refuses what is no plain object', async () => {
    await using book = await openBook({ store: memory() })
    const metadata: object = new Map([['a', 1]])
    const appending = book.append('thing-1', happened, { metadata: metadata as { [key: string]: never } })
    await assert.rejects(appending, (error) => isDaybookError(error, 'ILLEGAL_DATA'))
  })
})

describe('data is stored as it was checked', () => {
  it('refuses accessors, which may answer otherwise a second time', async () => {
    await using book = await openBook({ store: memory() })
    let looks = 0
    const data = {
      get changing() {
        return looks++ === 0 ? 1 : Number.NaN
      },
    }
    const appended = await book.append('thing-1', { type: 'Happened', data }).catch(() => undefined)
    assert.notDeepEqual(appended?.events[0]?.data, { changing: null })
  })
})

describe('a snapshot of an older shape is never trusted', () => {
  const events = defineEvents({ Added: anything<{ readonly amount: number }>() })

  function meterStartingAt(opening: number) {
    return class Meter extends aggregate('meter', events) {
      value = opening
      readonly on = this.appliers({
        Added: ({ amount }) => {
          this.value += amount
        },
      })
      override toSnapshot(): { value: number } {
        return { value: this.value }
      }
      override fromSnapshot({ value }: { value: number }): void {
        this.value = value
      }
    }
  }

  it('also when a field of an aggregate begins otherwise', async () => {
    const store = memory()
    const before = await openBook({ store, snapshots: { everyEvents: 1 } })
    await before.append('meter-1', { type: 'Added', data: { amount: 1 } })
    await before.repository(meterStartingAt(0)).load('1')
    await before.close()
    await using after = await openBook({ store })
    const later = await after.repository(meterStartingAt(100)).load('1')
    assert.equal(later.value, 101)
  })

  it('nor when an initial state differs only by what JSON drops', async () => {
    const startingAt = (value: number) =>
      decider('zero', {
        events,
        initialState: { value },
        evolve: { Added: (state) => ({ ...state }) },
        commands: {},
      })
    const store = memory()
    const earlier = startingAt(0)
    const before = await openBook({ store, deciders: [earlier], snapshots: { everyEvents: 1 } })
    await before.append('zero-1', { type: 'Added', data: { amount: 1 } })
    await before.load(earlier, '1')
    await before.close()
    const later = startingAt(-0)
    await using after = await openBook({ store, deciders: [later] })
    assert.deepEqual((await after.load(later, '1')).state, { value: -0 })
  })

  it('nor comes a bare dictionary back with a prototype', async () => {
    const bare = (): { [key: string]: number } => Object.create(null) as { [key: string]: number }
    const counts = decider('counts', {
      events,
      initialState: bare(),
      evolve: { Added: (state, { amount }) => Object.assign(bare(), state, { [`n${amount}`]: amount }) },
      commands: {},
    })
    const store = memory()
    const before = await openBook({ store, deciders: [counts], snapshots: { everyEvents: 1 } })
    await before.append('counts-1', { type: 'Added', data: { amount: 1 } })
    await before.load(counts, '1')
    await before.close()
    await using after = await openBook({ store, deciders: [counts] })
    const [loaded, replayed] = [
      await after.load(counts, '1'),
      await after.load(counts, '1', { atVersion: 1 }),
    ]
    assert.deepEqual(Object.getPrototypeOf(loaded.state), Object.getPrototypeOf(replayed.state))
  })
})
