import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { KeyRecord } from '../core/append-plan.ts'
import {
  accepted,
  type Book,
  type BookOptions,
  decider,
  defineEvents,
  openBook,
  refuse,
  type Store,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string() }),
  Deposited: z.object({ cents: z.int().positive() }),
  Withdrawn: z.object({ cents: z.int().positive() }),
})

const account = decider('account', {
  events,
  initialState: { isOpen: false, cents: 0 },
  evolve: {
    Opened: (state) => ({ ...state, isOpen: true }),
    Deposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
    Withdrawn: (state, { cents }) => ({ ...state, cents: state.cents - cents }),
  },
  commands: {
    open: (state, { owner }: { owner: string }) =>
      state.isOpen ? refuse('AlreadyOpen') : [events.Opened({ owner }), events.Deposited({ cents: 100 })],
    deposit: (_state, { cents }: { cents: number }) => events.Deposited({ cents }),
    withdraw: (state, { cents }: { cents: number }) =>
      cents <= state.cents ? events.Withdrawn({ cents }) : refuse('Insufficient', { available: state.cents }),
    settle: () => undefined,
  },
})

function open(store: Store = memory(), options: Partial<BookOptions> = {}): Promise<Book> {
  return openBook({ store, deciders: [account], ...options })
}

test('an accepted command answers with state, version, position and events', async () => {
  await using book = await open()
  const done = accepted(await book.execute(account.open('1', { owner: 'Ada' }), { actor: 'teller' }))
  assert.deepEqual(done.state, { isOpen: true, cents: 100 })
  assert.deepEqual([done.version, done.position, done.isRepeat], [2, 2, false])
  assert.deepEqual(done.events, await book.readStream('account-1').toArray())
  const [first, second] = done.events
  assert.equal(second?.metadata.actor, 'teller')
  assert.equal(second?.metadata.correlationId, first?.id)
})

test('a refusal is an outcome with its facts, appends nothing, and is an exception for who asks', async () => {
  await using book = await open()
  const outcome = await book.execute(account.withdraw('1', { cents: 5 }))
  assert.equal(outcome.refused?.reason, 'Insufficient')
  assert.deepEqual(outcome.refused?.facts, { available: 0 })
  assert.throws(() => accepted(outcome), { code: 'COMMAND_REFUSED' })
  assert.equal(await book.head(), 0)
})

test('commands on one stream at once are decided one on the other, in their order', async () => {
  await using book = await open()
  await book.execute(account.deposit('1', { cents: 30 }))
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      book.execute(account.withdraw('1', { cents: index < 3 ? 10 : 1 })),
    ),
  )
  const refused = outcomes.filter(({ refused: refusal }) => refusal !== undefined)
  assert.equal(refused.length, 297)
  assert.deepEqual(
    outcomes.slice(0, 3).map(({ version }) => version),
    [2, 3, 4],
  )
  assert.equal((await book.load(account, '1')).state.cents, 0)
})

test('two books on one store share a hot stream without a lost or doubled command', async () => {
  const store = memory()
  const host = { sleep: () => Promise.resolve() }
  const books = await Promise.all([open(store, { host }), open(store, { host })])
  const retries = books.map((book, nth) =>
    Promise.all(Array.from({ length: 150 }, () => book.execute(account.deposit('1', { cents: nth + 1 })))),
  )
  const outcomes = (await Promise.all(retries)).flat()
  const versions = outcomes.map(({ version }) => version).toSorted((one, other) => one - other)
  assert.deepEqual(
    versions,
    Array.from({ length: 300 }, (_, index) => index + 1),
  )
  const [book] = books
  assert.equal((await book?.load(account, '1'))?.state.cents, 450)
  await Promise.all(books.map((each) => each.close()))
})

test('one illegal command fails alone', async () => {
  await using book = await open()
  const settled = await Promise.allSettled(
    [5, -1, 7].map((cents) => book.execute(account.deposit('1', { cents }))),
  )
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal((await book.load(account, '1')).state.cents, 12)
})

test('a repeated key gives the first outcome, also after more events, after reopening and at once', async () => {
  const store = memory()
  const book = await open(store)
  const options = { idempotencyKey: 'request-1' }
  const both = await Promise.all([
    book.execute(account.open('1', { owner: 'Ada' }), options),
    book.execute(account.open('1', { owner: 'Ada' }), options),
  ])
  await book.execute(account.deposit('1', { cents: 1 }))
  await book.close()
  await using reopened = await open(store)
  const repeat = await reopened.execute(account.open('1', { owner: 'Ada' }), options)
  assert.equal(both[0].isRepeat, false)
  for (const later of [both[1], repeat]) assert.deepEqual(later, { ...both[0], isRepeat: true })
  await assert.rejects(reopened.execute(account.open('1', { owner: 'Bob' }), options), {
    code: 'IDEMPOTENCY_KEY_REUSED',
  })
  await assert.rejects(reopened.append('account-1', events.Opened({ owner: 'Ada' }), options), {
    code: 'IDEMPOTENCY_KEY_REUSED',
  })
  assert.equal(await reopened.head(), 3)
})

test('a command without events keeps its key, too', async () => {
  await using book = await open()
  await book.execute(account.deposit('1', { cents: 7 }))
  const first = await book.execute(account.settle('1'), { idempotencyKey: 'k' })
  await book.execute(account.deposit('1', { cents: 7 }))
  const repeat = await book.execute(account.settle('1'), { idempotencyKey: 'k' })
  assert.deepEqual(repeat, { ...first, isRepeat: true })
  assert.deepEqual([first.version, first.position, first.state.cents], [1, 1, 7])
})

test('a command on a conflict is decided again, as often as the policy allows', async () => {
  let waits = 0
  const host = { sleep: () => Promise.resolve(void waits++) }
  const store = memory()
  const rival = await open(store)
  let conflicts = 3
  let decided = 0
  const contested = decider('account', {
    events,
    initialState: { cents: 0 },
    evolve: {
      Opened: (state) => state,
      Deposited: (state, { cents }) => ({ cents: state.cents + cents }),
      Withdrawn: (state) => state,
    },
    commands: {
      double: (state) => {
        decided++
        if (conflicts > 0) pending = rival.append('account-1', events.Deposited({ cents: 1 }))
        conflicts--
        return events.Deposited({ cents: state.cents + 1 })
      },
    },
  })
  let pending: Promise<unknown> = Promise.resolve()
  await using book = await open(store, { host, deciders: [contested], retries: { maxAttempts: 4 } })
  const done = await book.execute(contested.double('1'))
  await pending
  assert.ok(decided <= 4 && decided > 1, `decided ${decided} times`)
  assert.equal(waits, decided - 1)
  const recorded = await book.readStream('account-1').toArray()
  assert.equal(done.version, recorded.length)
  await rival.close()
})

test('commands are named by text, and unknown ones are refused with those there are', async () => {
  await using book = await open()
  const done = await book.run('account', '1', 'deposit', { cents: 5 })
  assert.equal(done.version, 1)
  await assert.rejects(async () => book.run('account', '1', 'close', {}), { code: 'COMMAND_UNKNOWN' })
  await assert.rejects(async () => book.run('order', '1', 'open', {}), { code: 'NOT_REGISTERED' })
  assert.throws(() => account.deposit('', { cents: 5 }), { code: 'ILLEGAL_NAME' })
})

test('events that the decider does not know are refused on its streams, and only there', async () => {
  await using book = await open()
  await assert.rejects(book.append('account-1', { type: 'Unknown', data: {} }), { code: 'EVENT_INVALID' })
  await assert.rejects(book.append('account-1', { type: 'Deposited', data: { cents: -1 } }), {
    code: 'EVENT_INVALID',
  })
  await book.append('other-1', { type: 'Unknown', data: {} })
  await assert.rejects(book.append('account-1', []), { code: 'ILLEGAL_ARGUMENT' })
})

/**
 * A store that says of a key so many times what stood there before a crash: a key is looked up before its events are
 * read, and a crash of the server may take back in between what was not flushed.
 */
function forgetful(times: number, before: Partial<KeyRecord>): { readonly store: Store; arm(): void } {
  let left = 0
  const { name, open } = memory()
  return {
    store: {
      name,
      async open(host) {
        const opened = await open(host)
        const findKey = opened.log.findKey.bind(opened.log)
        opened.log.findKey = async (key) => {
          const record = await findKey(key)
          return record === undefined || left-- <= 0 ? record : { ...record, ...before }
        }
        return opened
      },
    },
    arm: () => {
      left = times
    },
  }
}

for (const [what, firstPosition] of [
  ['is not answered with the events of others that took the place of lost ones', 1],
  ['does not wait for positions that the log does not have any more', 3],
] as const) {
  test(`a repeat ${what}`, async () => {
    const { store, arm } = forgetful(1, { firstPosition })
    await using book = await open(store)
    await book.execute(account.deposit('other', { cents: 1 }))
    const key = { idempotencyKey: 'once' }
    const first = accepted(await book.execute(account.deposit('1', { cents: 5 }), key))
    arm()
    const again = accepted(await book.execute(account.deposit('1', { cents: 5 }), key))
    assert.equal(again.isRepeat, true)
    assert.deepEqual(again.events, first.events)
    assert.equal(again.state.cents, 5)
  })
}

test('a key that leads to events that are not there is damage', async () => {
  const { store, arm } = forgetful(Number.POSITIVE_INFINITY, { firstPosition: 3 })
  await using book = await open(store)
  const key = { idempotencyKey: 'once' }
  await book.execute(account.deposit('1', { cents: 5 }), key)
  arm()
  const again = book.execute(account.deposit('1', { cents: 5 }), key)
  await assert.rejects(again, {
    code: 'STORE_CORRUPT',
    message: /"once" leads to 1 events from position 3 on/,
  })
})
