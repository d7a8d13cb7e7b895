import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineEvents } from './event.ts'
import { subscription } from './subscription.ts'

const orders = defineEvents({
  Placed: z.object({ sku: z.string() }),
  Cancelled: z.object({ why: z.string() }),
})
const payments = defineEvents({ Paid: z.object({ cents: z.int() }) })

test('a subscription gets events of its types, and no others', () => {
  subscription('one', {
    from: orders,
    types: ['Placed'],
    run: ({ type, data }, { idempotencyKey, attempt, isRepeat, signal }): readonly unknown[] => {
      const exact: 'Placed' = type
      // @ts-expect-error: this is of another type
      const why: unknown = data.why
      return [exact, data.sku satisfies string, why, idempotencyKey, attempt, isRepeat, signal]
    },
  })
  subscription('all', { from: orders, run: ({ type }) => type satisfies 'Placed' | 'Cancelled' })
  subscription('several', {
    from: [orders, payments],
    types: ['Paid', 'Cancelled'],
    run: (event) => (event.type === 'Paid' ? event.data.cents : event.data.why),
  })
  subscription('batches', {
    from: [orders, payments],
    types: ['Paid'],
    batch: 10,
    runBatch: (batch) => batch.map(({ data }) => data.cents satisfies number),
  })
  // @ts-expect-error: no event of these is called so
  const unknownType = (): unknown => subscription('unknown', { from: orders, types: ['Paid'], run: () => {} })
  // @ts-expect-error: it would handle nothing
  const idle = (): unknown => subscription('idle', { from: orders })
  assert.throws(unknownType, { code: 'DEFINITION_INVALID' })
  assert.throws(idle, { code: 'DEFINITION_INVALID' })
})
