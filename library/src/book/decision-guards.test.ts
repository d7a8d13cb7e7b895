import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { EventLog } from '../core/ports/store.ts'
import {
  appendTo,
  boundary,
  decider,
  decision,
  defineEvents,
  openBook,
  refuse,
  type Store,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string() }),
  Deposited: z.object({ cents: z.int() }),
})

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: {
    Opened: (state) => state,
    Deposited: (state, { cents }) => ({ cents: state.cents + cents }),
  },
  commands: {
    open: (_state, input: { owner: string }) => events.Opened(input),
    deposit: (_state, input: { cents: number }) => events.Deposited(input),
  },
})

/** The store, where somebody else appends right before a stream is read for the given time. */
function contested(store: Store, nth: number, rival: () => Promise<unknown>): Store {
  return {
    name: store.name,
    open: async (host) => {
      const opened = await store.open(host)
      const { log } = opened
      let reads = 0
      const guarded: EventLog = {
        head: () => log.head(),
        readStream: async (slice) => {
          if (++reads === nth) await rival()
          return log.readStream(slice)
        },
        readLog: (slice) => log.readLog(slice),
        readHashes: (afterPosition, limit) => log.readHashes(afterPosition, limit),
        findKey: (key) => log.findKey(key),
        whenDurable: (position, proof) => log.whenDurable(position, proof),
        within: (transaction) => log.within(transaction),
        onAppended: (listener) => log.onAppended(listener),
        append: (requests, inline) => log.append(requests, inline),
      }
      return { ...opened, log: guarded }
    },
  }
}

test('a stream read under two names is guarded by the older read', async () => {
  const transfer = decision('transfer', {
    reads: ({ from, to }: { from: string; to: string }) => ({
      from: account.stream(from),
      to: account.stream(to),
    }),
    decide: ({ from, to }) =>
      from.state.cents < 100
        ? refuse('Insufficient')
        : [
            appendTo(from, events.Deposited({ cents: -100 })),
            appendTo(to, events.Deposited({ cents: 90 })),
            appendTo('fees-1', events.Deposited({ cents: 10 })),
          ],
  })
  const store = memory()
  await using rival = await openBook({ store, deciders: [account] })
  await rival.execute(account.deposit('1', { cents: 100 }))
  // The rival takes everything when the account has been read as the source, not yet as the target.
  const withdraw = (): Promise<unknown> => rival.execute(account.deposit('1', { cents: -100 }))
  const host = { sleep: () => Promise.resolve() }
  await using book = await openBook({ store: contested(store, 2, withdraw), deciders: [account], host })
  const outcome = await book.execute(transfer({ from: '1', to: '1' }))
  assert.equal(outcome.refused?.reason, 'Insufficient')
  assert.deepEqual(await rival.load(account, '1'), { state: { cents: 0 }, version: 2, position: 2 })
})

test('a decision that reads a category by another decider gets the state of that decider', async () => {
  const owners = decider('account', {
    events,
    initialState: { owners: [] as readonly string[] },
    evolve: {
      Opened: (state, { owner }) => ({ owners: [...state.owners, owner] }),
      Deposited: (state) => state,
    },
    commands: {},
  })
  const look = decision('look', {
    reads: (id: string) => ({ money: account.stream(id), people: owners.stream(id) }),
    decide: () => undefined,
  })
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.open('1', { owner: 'Ada' }))
  for (let cents = 1; cents <= 2; cents++) {
    await book.execute(account.deposit('1', { cents }))
    const { money, people } = (await book.execute(look('1'))).state
    assert.deepEqual([money.state, people.state], [{ cents: (cents * (cents + 1)) / 2 }, { owners: ['Ada'] }])
  }
})

test('an event that what was read cannot be folded with is not appended', async () => {
  const strict = decider('strict', {
    events,
    initialState: { cents: 0 },
    evolve: {
      Opened: (state) => state,
      Deposited: (_state, { cents }) => {
        if (cents < 0) throw new Error('negative')
        return { cents }
      },
    },
    commands: {},
  })
  const all = boundary('all', {
    events,
    initialState: { opened: 0 },
    evolve: {
      Opened: ({ opened }, { owner }) => {
        if (owner === '') throw new Error('nobody')
        return { opened: opened + 1 }
      },
    },
  })
  const write = decision('write', {
    reads: (_input: { owner: string; cents: number }) => ({
      stream: strict.stream('1'),
      all: all.matching({ types: ['Opened'] }),
    }),
    decide: ({ stream }, { owner, cents }) => [
      appendTo(stream, events.Deposited({ cents })),
      appendTo('other-1', events.Opened({ owner })),
    ],
  })
  await using book = await openBook({ store: memory() })
  const failed = { code: 'EVOLVE_FAILED' }
  await assert.rejects(book.execute(write({ owner: 'Ada', cents: -1 })), failed)
  await assert.rejects(book.execute(write({ owner: '', cents: 1 })), failed)
  assert.equal(await book.head(), 0)
  const done = await book.execute(write({ owner: 'Ada', cents: 1 }))
  assert.deepEqual([done.state.stream.state, done.state.all.state], [{ cents: 1 }, { opened: 1 }])
})
