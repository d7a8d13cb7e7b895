import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { decider, decision, defineEvents, openBook } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: {
    deposit: (_state, input: { cents: bigint }) => events.Deposited({ cents: Number(input.cents) }),
    depositFrom: (_state, purse: ReadonlyMap<string, number>) =>
      events.Deposited({ cents: purse.get('cents') ?? 0 }),
    depositAt: (_state, at: Date) => events.Deposited({ cents: at.getTime() }),
    depositOne: () => events.Deposited({ cents: 1 }),
  },
})

const purse = (cents: number): ReadonlyMap<string, number> => new Map([['cents', cents]])
const keyed = { idempotencyKey: 'k' }
const illegal = { code: 'ILLEGAL_DATA' }

test("a command's input may be anything, as long as nothing is to be remembered of it", async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('1', { cents: 5n }))
  await book.execute(account.depositFrom('1', purse(7)))
  await book.execute(account.depositAt('1', new Date(100)))
  assert.equal((await book.load(account, '1')).state.cents, 112)
})

test('with a key, input that JSON does not hold is refused: all Maps would look the same', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await assert.rejects(book.execute(account.depositFrom('1', purse(1)), keyed), illegal)
  await assert.rejects(book.execute(account.depositAt('1', new Date(1)), keyed), illegal)
  await assert.rejects(book.execute(account.deposit('1', { cents: 5n }), keyed), illegal)
  const settle = decision('settle', {
    reads: (_input: ReadonlyMap<string, number>) => ({ account: account.stream('1') }),
    decide: () => undefined,
  })
  await assert.rejects(book.execute(settle(purse(1)), keyed), illegal)
  assert.equal(await book.head(), 0)
  // The key is still free, also for a command without input.
  const first = await book.execute(account.depositOne('1'), keyed)
  assert.deepEqual(await book.execute(account.depositOne('1'), keyed), { ...first, isRepeat: true })
})

test('a state may hold bigints', async () => {
  const vault = decider('vault', {
    events,
    initialState: { cents: 0n },
    evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + BigInt(cents) }) },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  })
  await using book = await openBook({ store: memory(), deciders: [vault] })
  const done = await book.execute(vault.deposit('1', { cents: 5 }))
  assert.deepEqual([done.state, (await book.load(vault, '1')).state], [{ cents: 5n }, { cents: 5n }])
})

test('a key tells inputs apart by what they say: not by the order of fields, nor by fields left undefined', async () => {
  const book = await openBook({ store: memory(), deciders: [noted] })
  const first = await book.execute(noted.note('1', { cents: 1, text: undefined, by: 'ada' }), keyed)
  const again = await book.execute(noted.note('1', { by: 'ada', cents: 1 }), keyed)
  assert.deepEqual(again, { ...first, isRepeat: true })
  const other = book.execute(noted.note('1', { cents: 1, by: 'bob' }), keyed)
  await assert.rejects(other, { code: 'IDEMPOTENCY_KEY_REUSED' })
  await book.close()
})

test("a command's input may be an event, keyed or not", async () => {
  await using book = await openBook({ store: memory(), deciders: [noted] })
  const done = await book.execute(noted.record('1', events.Deposited({ cents: 7 })), keyed)
  assert.equal(done.state.cents, 7)
})

const noted = decider('noted', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: {
    note: (_state, { cents }: { cents: number; by: string; text?: string | undefined }) =>
      events.Deposited({ cents }),
    record: (_state, deposited: ReturnType<typeof events.Deposited>) => deposited,
  },
})
