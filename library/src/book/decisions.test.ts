import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { appendTo, boundary, decider, decision, defineEvents, event, openBook, refuse } from '../index.ts'
import { memory } from '../memory/index.ts'

const money = defineEvents({
  Deposited: z.object({ cents: z.int() }),
  Withdrawn: z.object({ cents: z.int() }),
})

const account = decider('account', {
  events: money,
  initialState: { cents: 0 },
  evolve: {
    Deposited: (state, { cents }) => ({ cents: state.cents + cents }),
    Withdrawn: (state, { cents }) => ({ cents: state.cents - cents }),
  },
  commands: { deposit: (_state, input: { cents: number }) => money.Deposited(input) },
})

const transfer = decision('transfer', {
  reads: ({ from, to }: { from: string; to: string; cents: number }) => ({
    from: account.stream(from),
    to: account.stream(to),
  }),
  decide: ({ from, to }, { cents }) =>
    from.state.cents < cents
      ? refuse('Insufficient', { available: from.state.cents })
      : [appendTo(from, money.Withdrawn({ cents })), appendTo(to, money.Deposited({ cents }))],
})

const seatEvents = defineEvents({
  SeatBooked: event(z.object({ course: z.string(), student: z.string() }), {
    tags: ({ course, student }) => [`course:${course}`, `student:${student}`],
  }),
})

const seats = boundary('seats', {
  events: seatEvents,
  initialState: { booked: 0 },
  evolve: { SeatBooked: ({ booked }) => ({ booked: booked + 1 }) },
})

const bookSeat = decision('book seat', {
  reads: ({ course, student }: { course: string; student: string }) => ({
    course: seats.matching({ tags: [`course:${course}`] }),
    student: seats.matching({ tags: [`student:${student}`] }),
  }),
  decide: ({ course, student }, input) => {
    if (course.state.booked >= 3) return refuse('CourseFull')
    if (student.state.booked >= 2) return refuse('StudentBusy')
    return [appendTo(`seat-${input.course}-${input.student}`, seatEvents.SeatBooked(input))]
  },
})

test('a transfer between two streams is one append, and its outcome holds both new states', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('a', { cents: 100 }))
  const done = await book.execute(transfer({ from: 'a', to: 'b', cents: 60 }))
  assert.deepEqual(done.state, {
    from: { state: { cents: 40 }, stream: 'account-a', version: 2 },
    to: { state: { cents: 60 }, stream: 'account-b', version: 1 },
  })
  assert.equal(done.position, 3)
  const refused = await book.execute(transfer({ from: 'a', to: 'b', cents: 60 }))
  assert.deepEqual(refused.refused?.facts, { available: 40 })
  assert.equal(await book.head(), 3)
})

test('transfers at once never overdraw and never lose money', async () => {
  await using book = await openBook({
    store: memory(),
    deciders: [account],
    retries: { maxAttempts: 1_000, maxDelayMs: 1 },
  })
  for (const id of ['a', 'b', 'c']) await book.execute(account.deposit(id, { cents: 100 }))
  const pairs = [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'a'],
    ['b', 'a'],
  ] as const
  await Promise.all(
    Array.from({ length: 60 }, (_, index) => {
      const [from, to] = pairs[index % 4] ?? pairs[0]
      return book.execute(transfer({ from, to, cents: 30 }))
    }),
  )
  const balances = await Promise.all(
    ['a', 'b', 'c'].map(async (id) => (await book.load(account, id)).state.cents),
  )
  assert.equal(
    balances.reduce((sum, cents) => sum + cents),
    300,
  )
  for (const stream of ['account-a', 'account-b', 'account-c']) {
    let cents = 0
    for (const { type, data } of await book.readStream(stream).toArray()) {
      const amount = (data as { cents: number }).cents
      cents += type === 'Deposited' ? amount : -amount
      assert.ok(cents >= 0, `${stream} was overdrawn`)
    }
  }
})

test('invariants over tags hold when everybody decides at once', async () => {
  await using book = await openBook({ store: memory(), retries: { maxAttempts: 1_000, maxDelayMs: 1 } })
  const wishes = ['1', '2', '3', '4', '5'].flatMap((student) =>
    ['x', 'y', 'z'].map((course) => ({ student, course })),
  )
  const outcomes = await Promise.all(wishes.map((wish) => book.execute(bookSeat(wish))))
  const booked = await book.readLog().toArray()
  assert.equal(outcomes.filter(({ refused }) => refused === undefined).length, booked.length)
  const count = (tag: string): number => booked.filter(({ tags }) => tags.includes(tag)).length
  for (const course of ['x', 'y', 'z']) assert.ok(count(`course:${course}`) <= 3)
  for (const student of ['1', '2', '3', '4', '5']) assert.ok(count(`student:${student}`) <= 2)
  assert.ok(booked.length >= 8, `${booked.length} seats were booked`)
})

test('a repeated key gives the same events and states, with other input it is refused', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('a', { cents: 100 }))
  const options = { idempotencyKey: 'k' }
  const [first, second] = await Promise.all([
    book.execute(transfer({ from: 'a', to: 'b', cents: 60 }), options),
    book.execute(transfer({ from: 'a', to: 'b', cents: 60 }), options),
  ])
  await book.execute(account.deposit('a', { cents: 1 }))
  const third = await book.execute(transfer({ from: 'a', to: 'b', cents: 60 }), options)
  for (const repeat of [second, third]) {
    assert.equal(repeat.isRepeat, true)
    assert.deepEqual(
      [repeat.events, repeat.position, repeat.state],
      [first.events, first.position, first.state],
    )
  }
  await assert.rejects(book.execute(transfer({ from: 'a', to: 'b', cents: 61 }), options), {
    code: 'IDEMPOTENCY_KEY_REUSED',
  })
})

test('a repeat is the whole first outcome, version and positions included, for streams and for boundaries', async () => {
  await using book = await openBook({ store: memory(), deciders: [account] })
  await book.execute(account.deposit('a', { cents: 100 }))
  const moved = transfer({ from: 'a', to: 'b', cents: 60 })
  const booked = bookSeat({ course: 'x', student: '1' })
  const firstMoved = await book.execute(moved, { idempotencyKey: 'move' })
  const firstBooked = await book.execute(booked, { idempotencyKey: 'book' })
  assert.deepEqual([firstMoved.version, firstMoved.position, firstMoved.isRepeat], [1, 3, false])
  assert.deepEqual(firstBooked.state, {
    course: { state: { booked: 1 }, position: 4 },
    student: { state: { booked: 1 }, position: 4 },
  })
  await book.execute(transfer({ from: 'b', to: 'a', cents: 10 }))
  await book.execute(bookSeat({ course: 'x', student: '2' }))
  const againMoved = await book.execute(moved, { idempotencyKey: 'move' })
  const againBooked = await book.execute(booked, { idempotencyKey: 'book' })
  assert.deepEqual(againMoved, { ...firstMoved, isRepeat: true })
  assert.deepEqual(againBooked, { ...firstBooked, isRepeat: true })
})

test('events go to the log in the order in which they were returned', async () => {
  const weave = decision('weave', {
    reads: () => ({}),
    decide: () =>
      ['a', 'b', 'a', 'c', 'b'].map((id, nth) => appendTo(`account-${id}`, money.Deposited({ cents: nth }))),
  })
  await using book = await openBook({ store: memory() })
  await book.execute(weave(undefined))
  const recorded = await book.readLog().toArray()
  assert.deepEqual(
    recorded.map(({ stream, version }) => `${stream}@${version}`),
    ['account-a@1', 'account-b@1', 'account-a@2', 'account-c@1', 'account-b@2'],
  )
})

test('a decision that answers with anything else is refused', async () => {
  await using book = await openBook({ store: memory() })
  for (const answer of ['5', '"text"', '[{}]', '[null]', '{"type":"Deposited"}']) {
    const wrong = decision('wrong', { reads: () => ({}), decide: () => JSON.parse(answer) })
    await assert.rejects(book.execute(wrong(undefined)), { code: 'DEFINITION_INVALID' }, answer)
  }
})
