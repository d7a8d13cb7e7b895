import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { accepted, decider, defineEvents, isDaybookError, openBook, refuse } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  MoneyDeposited: z.object({ cents: z.int() }),
  BalanceAdjusted: z.object({ cents: z.int() }),
  AccountClosed: z.object({}),
})

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: {
    MoneyDeposited: (state, { cents }) => ({ cents: state.cents + cents }),
    BalanceAdjusted: (state, { cents }) => ({ cents: state.cents + cents }),
    AccountClosed: (state) => state,
  },
  commands: {
    deposit: (_state, input: { cents: number }) => events.MoneyDeposited(input),
    close: () => events.AccountClosed({}),
  },
  compensate: {
    MoneyDeposited: (state, { cents }) =>
      state.cents < cents ? refuse('SpentAlready') : events.BalanceAdjusted({ cents: -cents }),
  },
})

const correction = { actor: 'operator-7', reason: 'booked twice' }

test('undo appends a compensating event that says who, why and which event; redo brings it back', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('1', { cents: 500 }))
  const undone = accepted(await book.undo(account, '1', { version: 1, ...correction }))
  assert.equal(undone.state.cents, 0)
  const [original, compensation] = await book.readStream('account-1').toArray()
  assert.equal(compensation?.type, 'BalanceAdjusted')
  assert.equal(compensation.metadata.actor, 'operator-7')
  assert.equal(compensation.metadata.reason, 'booked twice')
  assert.equal(compensation.metadata.causationId, original?.id)
  assert.equal(compensation.metadata.correlationId, original?.metadata.correlationId)

  const again = await book.undo(account, '1', { version: 1, ...correction })
  assert.equal(again.refused?.reason, 'AlreadyUndone')
  const redone = accepted(await book.redo(account, '1', { version: 1, ...correction }))
  assert.equal(redone.state.cents, 500)
  assert.equal((await book.redo(account, '1', { version: 1, ...correction })).refused?.reason, 'NotUndone')
  const undoneAgain = accepted(await book.undo(account, '1', { version: 1, ...correction }))
  assert.equal(undoneAgain.state.cents, 0)
})

test('undo is refused for what cannot be taken back, and needs actor and reason', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('1', { cents: 500 }))
  await book.execute(account.close('1'))
  assert.equal(
    (await book.undo(account, '1', { version: 2, ...correction })).refused?.reason,
    'NotCompensable',
  )
  assert.equal((await book.undo(account, '1', { version: 9, ...correction })).refused?.reason, 'NoSuchEvent')
  await book.append('account-1', events.BalanceAdjusted({ cents: -100 }))
  assert.equal((await book.undo(account, '1', { version: 1, ...correction })).refused?.reason, 'SpentAlready')
  await assert.rejects(
    book.undo(account, '1', { version: 1, actor: 'operator-7', reason: '' }),
    (error) => isDaybookError(error, 'ILLEGAL_ARGUMENT') && error.facts.argument === 'reason',
  )
})

test('an undo repeated with its key has one effect, and two at once take the event back once', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('1', { cents: 500 }))
  const undo = (idempotencyKey?: string) =>
    book.undo(account, '1', { version: 1, ...correction, ...(idempotencyKey ? { idempotencyKey } : {}) })
  const both = await Promise.all([undo(), undo()])
  const reasons = both.map(({ refused }) => refused?.reason)
  assert.deepEqual(new Set(reasons), new Set([undefined, 'AlreadyUndone']))
  accepted(await book.redo(account, '1', { version: 1, ...correction }))
  const first = accepted(await undo('key-1'))
  const repeat = accepted(await undo('key-1'))
  assert.equal(first.isRepeat, false)
  assert.equal(repeat.isRepeat, true)
  assert.deepEqual(repeat.events, first.events)
  assert.deepEqual(repeat.state, first.state)
})

test('a repeated undo gives the first outcome, version, position and state included, whatever came after', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('1', { cents: 500 }))
  const options = { version: 1, ...correction, idempotencyKey: 'key-1' }
  const first = await book.undo(account, '1', options)
  assert.deepEqual([first.refused, first.version, first.isRepeat], [undefined, 2, false])
  assert.deepEqual(await book.undo(account, '1', options), { ...first, isRepeat: true })
  await book.execute(account.deposit('1', { cents: 7 }))
  assert.deepEqual(await book.undo(account, '1', options), { ...first, isRepeat: true })
  await assert.rejects(book.redo(account, '1', options), { code: 'IDEMPOTENCY_KEY_REUSED' })
})

test('redo appends the recorded data as it is: a schema that transforms has done so already', async () => {
  const scaled = defineEvents({
    Paid: z.object({ euros: z.number().transform((euros) => euros * 100) }),
    Priced: z.object({ cents: z.string().transform(Number) }),
  })
  const payment = decider('payment', {
    events: scaled,
    initialState: { paid: 0, price: 0 },
    evolve: {
      Paid: (state, { euros }) => ({ ...state, paid: state.paid + euros }),
      Priced: (state, { cents }) => ({ ...state, price: state.price + cents }),
    },
    commands: {
      pay: (_state, input: { euros: number }) => scaled.Paid(input),
      price: (_state, input: { cents: string }) => scaled.Priced(input),
    },
    compensate: {
      Paid: (_state, { euros }) => scaled.Paid({ euros: -euros / 100 }),
      Priced: (_state, { cents }) => scaled.Priced({ cents: String(-cents) }),
    },
  })
  await using book = await openBook({ store: memory(), deciders: [payment] })
  await book.execute(payment.pay('1', { euros: 5 }))
  const { state: before } = await book.execute(payment.price('1', { cents: '700' }))
  assert.deepEqual(before, { paid: 500, price: 700 })
  for (const version of [1, 2]) {
    accepted(await book.undo(payment, '1', { version, ...correction }))
    const redone = accepted(await book.redo(payment, '1', { version, ...correction }))
    assert.deepEqual(redone.state, before)
    const original = await book.readStream('payment-1', { fromVersion: version, limit: 1 }).toArray()
    assert.deepEqual(redone.events[0]?.data, original[0]?.data)
  }
})
