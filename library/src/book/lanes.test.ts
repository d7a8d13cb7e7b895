import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { EventLog } from '../core/ports/store.ts'
import { decider, defineEvents, openBook, refuse, type Store } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string() }),
  Deposited: z.object({ cents: z.int() }),
})

const account = decider('account', {
  events,
  initialState: { owner: '', cents: 0 },
  evolve: {
    Opened: (state, { owner }) => ({ ...state, owner }),
    Deposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
  },
  commands: {
    open: (state, input: { owner: string }) =>
      state.owner === '' ? events.Opened(input) : refuse('AlreadyOpen'),
    openIfEmpty: (state, input: { owner: string }) =>
      state.cents === 0 ? events.Opened(input) : refuse('NotEmpty'),
    closeUnopened: (state) => {
      if (state.owner !== '') throw new Error('it is open')
      return undefined
    },
    deposit: (_state, input: { cents: number }) => events.Deposited(input),
  },
})

/** The store, where somebody else appends right before the first append of whoever opens it. */
function contested(store: Store, rival: () => Promise<unknown>): Store {
  return {
    name: store.name,
    open: async (host) => {
      const opened = await store.open(host)
      const { log } = opened
      let isFirst = true
      const guarded: EventLog = {
        head: () => log.head(),
        readStream: (slice) => log.readStream(slice),
        readLog: (slice) => log.readLog(slice),
        readHashes: (afterPosition, limit) => log.readHashes(afterPosition, limit),
        findKey: (key) => log.findKey(key),
        whenDurable: (position, proof) => log.whenDurable(position, proof),
        within: (transaction) => log.within(transaction),
        onAppended: (listener) => log.onAppended(listener),
        append: async (requests, inline) => {
          if (isFirst) {
            isFirst = false
            await rival()
          }
          return log.append(requests, inline)
        },
      }
      return { ...opened, log: guarded }
    },
  }
}

test('a refusal decided on a command of the same batch carries the position that was committed', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.append('other-1', { type: 'Noted', data: {} })
  const [opened, refused] = await Promise.all([
    book.execute(account.open('1', { owner: 'Ada' })),
    book.execute(account.open('1', { owner: 'Bob' })),
  ])
  assert.deepEqual([opened.refused, opened.version, opened.position], [undefined, 1, 2])
  assert.equal(refused.refused?.reason, 'AlreadyOpen')
  assert.deepEqual([refused.version, refused.position, refused.state], [1, 2, opened.state])
})

test('a state that cannot be folded after the commit fails the answers, and appends nothing twice', async () => {
  let failures = 1
  const fragile = decider('account', {
    events,
    initialState: { cents: 0 },
    evolve: {
      Opened: (state) => state,
      Deposited: (state, { cents }, { position }) => {
        // Only what is in the log has a position.
        if (position > 0 && failures-- > 0) throw new Error('for once')
        return { cents: state.cents + cents }
      },
    },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  })
  await using book = await openBook({ store: memory(), deciders: [fragile] })
  const both = [1, 2].map((cents) => book.execute(fragile.deposit('1', { cents })))
  for (const answer of await Promise.allSettled(both)) {
    assert.equal(answer.status === 'rejected' && answer.reason.code, 'EVOLVE_FAILED')
  }
  assert.equal(await book.head(), 2)
  assert.deepEqual(await book.load(fragile, '1'), { state: { cents: 3 }, version: 2, position: 2 })
})

test('an event that evolve cannot take is not appended, and what was decided with it is', async () => {
  const strict = decider('account', {
    events,
    initialState: { cents: 0 },
    evolve: {
      Opened: (state) => state,
      Deposited: (state, { cents }) => {
        if (cents < 0) throw new Error('negative')
        return { cents: state.cents + cents }
      },
    },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  })
  await using book = await openBook({ store: memory(), deciders: [strict] })
  const answers = await Promise.allSettled(
    [5, -1, 7].map((cents) => book.execute(strict.deposit('1', { cents }))),
  )
  assert.deepEqual(
    answers.map((answer) => (answer.status === 'rejected' ? answer.reason.code : answer.value.state.cents)),
    [5, 'EVOLVE_FAILED', 12],
  )
  assert.equal(await book.head(), 2)
})

test('a refusal and an exception decided on a state that was never committed are decided again', async () => {
  const store = memory()
  await using rival = await openBook({ store, deciders: [account] })
  const deposit = (): Promise<unknown> => rival.append('account-1', events.Deposited({ cents: 7 }))
  const host = { sleep: () => Promise.resolve() }
  await using book = await openBook({ store: contested(store, deposit), deciders: [account], host })
  // All are decided in one batch; the rival's deposit comes between that and the append.
  const [refused, closed, opened] = await Promise.all([
    book.execute(account.openIfEmpty('1', { owner: 'Ada' })),
    book.execute(account.closeUnopened('1')),
    book.execute(account.open('1', { owner: 'Bob' })),
  ])
  assert.equal(refused.refused?.reason, 'NotEmpty')
  assert.deepEqual([closed.refused, closed.version, closed.state], [undefined, 1, { owner: '', cents: 7 }])
  assert.deepEqual([opened.refused, opened.version, opened.state], [undefined, 2, { owner: 'Bob', cents: 7 }])
  assert.equal(await book.head(), 2)
})

test('commands of one stream wait for a store that is away together, not one after the other', async () => {
  const store = memory()
  let asked = 0
  let most = 0
  const slow: Store = {
    name: store.name,
    open: async (host) => {
      const opened = await store.open(host)
      const { findKey } = opened.log
      opened.log.findKey = async (key) => {
        most = Math.max(most, ++asked)
        await host.nextTurn()
        asked--
        return findKey.call(opened.log, key)
      }
      return opened
    },
  }
  await using book = await openBook({ store: slow, deciders: [account] })
  const deposits = Array.from({ length: 20 }, (_, index) =>
    book.execute(account.deposit('1', { cents: 1 }), { idempotencyKey: `deposit ${index}` }),
  )
  assert.equal((await Promise.all(deposits)).at(-1)?.state.cents, 20)
  assert.ok(most > 10, `only ${most} keys were looked up at a time`)
})
