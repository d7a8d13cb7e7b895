/** What a key led to is read in several steps, and a crash of the server may take back in between what was not flushed. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { z } from 'zod'
import type { KeyRecord } from '../core/append-plan.ts'
import type { Store } from '../core/ports/store.ts'
import { accepted, type Book, decider, defineEvents, openBook } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
})

/** A store that once says of a key what stood there before a crash. */
function forgetful(before: (record: KeyRecord) => KeyRecord): { readonly store: Store; arm(): void } {
  let isArmed = false
  const inner = memory()
  const store: Store = {
    name: inner.name,
    async open(host) {
      const opened = await inner.open(host)
      const findKey = opened.log.findKey.bind(opened.log)
      opened.log.findKey = async (key) => {
        const record = await findKey(key)
        if (record === undefined || !isArmed) return record
        isArmed = false
        return before(record)
      }
      return opened
    },
  }
  return {
    store,
    arm() {
      isArmed = true
    },
  }
}

async function repeatedOn(store: Store, arm: () => void): Promise<void> {
  await using book: Book = await openBook({ store, deciders: [account] })
  // The first attempt stood at position 1 and was lost; this took its place.
  await book.execute(account.deposit('other', { cents: 1 }))
  const key = { idempotencyKey: 'once' }
  const first = accepted(await book.execute(account.deposit('1', { cents: 5 }), key))
  arm()
  const again = accepted(await book.execute(account.deposit('1', { cents: 5 }), key))
  assert.equal(again.isRepeat, true)
  assert.deepEqual(again.events, first.events)
  assert.deepEqual(again.state, { cents: 5 })
}

it('a repeat is not answered with the events of others that took the place of lost ones', async () => {
  const { store, arm } = forgetful((record) => ({ ...record, firstPosition: 1 }))
  await repeatedOn(store, arm)
})

it('a repeat does not wait for positions that the log does not have any more', async () => {
  const { store, arm } = forgetful((record) => ({ ...record, firstPosition: 3 }))
  await repeatedOn(store, arm)
})
