import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { decider, defineEvents, event, openBook } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Deposited: event(z.object({ cents: z.int() }), { version: 2, tags: ({ cents }) => [`cents:${cents}`] }),
})

const account = decider('account', {
  events,
  initialState: { cents: 0 },
  evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
  commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
})

test("the definition of the stream's category counts, also for an event that another set made", async () => {
  const foreign = defineEvents({ Deposited: z.object({ cents: z.union([z.int(), z.string()]) }) })
  await using book = await openBook({ store: memory(), deciders: [account] })
  const illegal = book.append('account-1', foreign.Deposited({ cents: 'five' }))
  await assert.rejects(illegal, { code: 'EVENT_INVALID' })
  assert.equal(await book.head(), 0)
  const { events: appended } = await book.append('account-1', foreign.Deposited({ cents: 5 }))
  assert.deepEqual([appended[0]?.schemaVersion, appended[0]?.tags], [2, ['cents:5']])
  assert.equal((await book.load(account, '1')).state.cents, 5)
})

test('where the category has no decider, the set that made the event counts', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  const { events: appended } = await book.append('other-1', events.Deposited({ cents: 5 }))
  assert.deepEqual([appended[0]?.schemaVersion, appended[0]?.tags], [2, ['cents:5']])
  const illegal = book.append('other-1', events.Deposited({ cents: 0.5 }))
  await assert.rejects(illegal, { code: 'EVENT_INVALID' })
  await book.append('other-1', { type: 'Deposited', data: { cents: 0.5 } })
  assert.equal(await book.head(), 2)
})
