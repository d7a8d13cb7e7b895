import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { correlationOf, defineEvents, openBook, type ProjectionMode, projection } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Requested: z.object({ cents: z.int() }),
  Settled: z.object({ bank: z.string() }),
  Noted: z.object({ text: z.string() }),
})

function stories(mode: ProjectionMode) {
  return projection('stories', {
    from: events,
    mode,
    key: correlationOf,
    initial: { cents: 0, bank: '', texts: [] as readonly string[] },
    evolve: {
      Requested: (story, { cents }) => ({ ...story, cents }),
      Settled: (story, { bank }) => ({ ...story, bank }),
      Noted: (story, { text }, { metadata }) => ({
        ...story,
        texts: [...story.texts, `${metadata.actor}: ${text}`],
      }),
    },
  })
}

const parts = {
  request: { stream: 'account-1', event: events.Requested({ cents: 5 }) },
  settlement: { stream: 'payment-9', event: events.Settled({ bank: 'North' }) },
  note: { stream: 'desk-3', event: events.Noted({ text: 'late' }) },
} as const

const orders = [
  ['request', 'settlement', 'note'],
  ['request', 'note', 'settlement'],
  ['settlement', 'request', 'note'],
  ['settlement', 'note', 'request'],
  ['note', 'request', 'settlement'],
  ['note', 'settlement', 'request'],
] as const

for (const mode of ['async', 'inline', 'live'] as const) {
  test(`${mode}: events of several streams are joined by their correlation id, in whatever order they come`, async () => {
    const projection = stories(mode)
    await using book = await openBook({ store: memory(), projections: [projection] })
    let notBefore = 0
    for (const [nth, order] of orders.entries())
      for (const part of order) {
        const { stream, event } = parts[part]
        const appended = await book.append(stream, event, { correlationId: `story ${nth}`, actor: 'Ada' })
        notBefore = appended.position
      }
    const whole = { cents: 5, bank: 'North', texts: ['Ada: late'] }
    assert.deepEqual(
      await book.read(projection).find({ notBefore }),
      orders.map((_order, nth) => ({ key: `story ${nth}`, document: whole })),
    )
    assert.deepEqual(await book.read(projection).get('story 2', { asOf: 8 }), { ...whole, texts: [] })
  })
}

test('what an event caused is joined to it by its id, over several steps', async () => {
  const projection = stories('async')
  await using book = await openBook({ store: memory(), projections: [projection] })
  const [first] = (await book.append('account-1', parts.request.event)).events
  const [second] = (await book.append('desk-3', parts.note.event, { causedBy: first, actor: 'Ada' })).events
  const { position } = await book.append('payment-9', parts.settlement.event, { causedBy: second })
  await book.append('account-2', parts.request.event)
  assert.deepEqual(await book.read(projection).get(first?.id ?? '', { notBefore: position }), {
    cents: 5,
    bank: 'North',
    texts: ['Ada: late'],
  })
  assert.equal(await book.read(projection).count({ notBefore: position + 1 }), 2)
})
