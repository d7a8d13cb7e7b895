import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { defineEvents } from '../core/event.ts'
import { projection } from '../core/projection.ts'
import { foldProjection } from './fold-projection.ts'
import { recordedEvents } from './recorded-events.ts'

const events = defineEvents({
  Deposited: z.object({ cents: z.number() }),
  Closed: z.object({}),
  Noted: z.object({}),
})
const balances = projection('balances', {
  from: events,
  categories: ['account'],
  key: (event) => [event.streamId, 'all'],
  initial: { cents: 0, at: 0 },
  columns: { cents: 'integer' },
  evolve: {
    Deposited: (document, { cents }, event) => ({ cents: document.cents + cents, at: event.position }),
    Closed: () => null,
  },
})

const writes = [
  { stream: 'account-1', events: [events.Deposited({ cents: 5 }), events.Noted({})] },
  { stream: 'loan-1', events: [events.Deposited({ cents: 100 })] },
  { stream: 'account-2', events: [events.Deposited({ cents: 7 })] },
]

describe('foldProjection', () => {
  it('folds new events into documents by key', () => {
    const documents = foldProjection(balances, writes)
    assert.deepEqual(
      documents,
      new Map([
        ['1', { cents: 5, at: 1 }],
        ['all', { cents: 12, at: 4 }],
        ['2', { cents: 7, at: 4 }],
      ]),
    )
    // The documents have the type of the projection.
    const cents: number | undefined = documents.get('1')?.cents
    assert.equal(cents, 5)
  })

  it('folds recorded events, and deletes', () => {
    const recorded = recordedEvents([...writes, { stream: 'account-1', events: [events.Closed({})] }])
    assert.deepEqual(foldProjection(balances, recorded), new Map([['2', { cents: 7, at: 4 }]]))
    assert.deepEqual(foldProjection(balances, []), new Map())
  })

  it('fails where the engine would', () => {
    const wrong = [{ stream: 'account-1', events: [events.Deposited({ cents: 0.5 })] }]
    assert.throws(() => foldProjection(balances, wrong), { code: 'PROJECTION_FAILED' })
  })
})
