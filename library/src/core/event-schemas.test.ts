import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { defineEvents, event, openBook } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string().min(1), currency: z.string().default('CZK') }),
  Paid: v.object({
    amount: v.pipe(v.string(), v.transform(Number), v.integer()),
    note: v.optional(v.string(), ''),
  }),
  Closed: type({ reason: 'string > 0', at: 'string = "now"' }),
})

test('defaults and transformations of Zod, Valibot and ArkType are what the log holds', async () => {
  await using book = await openBook({ store: memory() })
  const { events: appended } = await book.append('account-1', [
    events.Opened({ owner: 'Ada' }),
    events.Paid({ amount: '500' }),
    events.Closed({ reason: 'moved' }),
  ])
  assert.deepEqual(
    appended.map(({ type: name, data, schemaVersion }) => [name, data, schemaVersion]),
    [
      ['Opened', { owner: 'Ada', currency: 'CZK' }, 1],
      ['Paid', { amount: 500, note: '' }, 1],
      ['Closed', { reason: 'moved', at: 'now' }, 1],
    ],
  )
  assert.deepEqual(await book.readStream('account-1').toArray(), appended)
})

test('invalid data is refused with every issue and its path, and nothing is appended', async () => {
  await using book = await openBook({ store: memory() })
  const invalid = [
    [events.Opened(JSON.parse('{"owner":"","currency":5}')), ['currency', 'owner']],
    [events.Paid(JSON.parse('{"amount":"1.5"}')), ['amount']],
    [events.Closed(JSON.parse('{"reason":""}')), ['reason']],
  ] as const
  for (const [refused, paths] of invalid) {
    await assert.rejects(
      book.append('account-1', [events.Opened({ owner: 'Ada' }), refused]),
      (error: { code?: string; facts?: { issues?: { path: string }[] } }) => {
        assert.equal(error.code, 'EVENT_INVALID')
        assert.deepEqual(error.facts?.issues?.map(({ path }) => path).toSorted(), paths)
        return true
      },
    )
  }
  assert.equal(await book.head(), 0)
})

test('a schema that must wait is refused', async () => {
  const slow = defineEvents({ Checked: z.object({ iban: z.string().refine(async () => true) }) })
  await using book = await openBook({ store: memory() })
  await assert.rejects(book.append('account-1', slow.Checked({ iban: 'x' })), { code: 'SCHEMA_ASYNC' })
  assert.equal(await book.head(), 0)
})

test('version and tags follow from the definition; tags of one event are added', async () => {
  const booked = defineEvents({
    SeatBooked: event(z.object({ course: z.string(), student: z.string() }), {
      version: 3,
      tags: ({ course, student }) => [`student:${student}`, `course:${course}`],
    }),
  })
  await using book = await openBook({ store: memory() })
  const seat = booked.SeatBooked({ course: '7', student: '9' })
  const { events: appended } = await book.append('seat-1', { ...seat, tags: ['vip', 'course:7'] })
  assert.equal(appended[0]?.schemaVersion, 3)
  assert.deepEqual(appended[0]?.tags, ['course:7', 'student:9', 'vip'])
  await assert.rejects(book.append('seat-1', { ...seat, schemaVersion: 2 }), { code: 'EVENT_INVALID' })
})

test('what is no schema, no event type or no version is refused when it is defined', () => {
  for (const wrong of ['null', '{}', '5', '"text"', '{"schema":{}}']) {
    assert.throws(() => defineEvents({ Opened: JSON.parse(wrong) }), { code: 'DEFINITION_INVALID' }, wrong)
  }
  assert.throws(() => defineEvents({ '': z.object({}) }), { code: 'ILLEGAL_NAME' })
  for (const version of [0, 1.5, -1]) {
    assert.throws(() => event(z.object({}), { version }), { code: 'DEFINITION_INVALID' })
  }
})
