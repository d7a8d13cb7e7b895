import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openBook, type Page } from 'daybook'
import { memory } from 'daybook/memory'
import { testHost } from 'daybook/testing'
import { order, orderEvents } from './order.ts'
import { paymentEvents } from './payment.ts'
import { journeys, orders } from './projections.ts'
import { shipmentEvents } from './shipment.ts'

const place = (customer: string, cents: number) => ({ customer, address: 'Lime Street 1', cents }) as const

test('the orders of a customer come page by page, the newest first', async () => {
  const host = testHost()
  await using book = await openBook({ store: memory(), deciders: [order], projections: [orders], host })
  for (let id = 1; id <= 9; id++) {
    host.setNow(host.now() + 60_000)
    await book.execute(order.place(String(id), place(id % 3 === 0 ? 'Grace' : 'Ada', id)))
  }
  await book.execute(order.cancel('4', { reason: 'the bank declined' }))
  const query = { where: { customer: 'Ada' }, orderBy: { placedAt: 'desc' }, limit: 4 } as const
  const model = book.read(orders)
  const first = await model.page({ ...query, notBefore: await book.head() })
  const second = await model.page({ ...query, after: first.next })
  const keys = ({ items }: Page<unknown>) => items.map(({ key }) => key)
  assert.deepEqual([keys(first), keys(second), second.next], [['8', '7', '5', '4'], ['2', '1'], undefined])
  assert.deepEqual(await model.count({ where: { customer: 'Ada', status: 'cancelled' } }), 1)
})

test('a journey is the same in whatever order its events arrive', async () => {
  await using book = await openBook({ store: memory(), projections: [journeys] })
  const facts = [
    ['order', orderEvents.OrderPlaced(place('Ada', 30_00))],
    ['payment', paymentEvents.PaymentCaptured({ reference: 'receipt-7' })],
    ['payment', paymentEvents.PaymentRefunded({})],
    ['shipment', shipmentEvents.ParcelDispatched({ parcel: 'parcel-1' })],
  ] as const
  for (const [index, arrival] of permutations(facts).entries()) {
    for (const [category, fact] of arrival)
      await book.append(`${category}-${index}`, fact, { correlationId: `journey-${index}` })
  }
  const found = await book.read(journeys).find({ notBefore: await book.head() })
  assert.equal(found.length, 24)
  for (const { key, document } of found)
    assert.deepEqual(document, {
      order: key.replace('journey-', ''),
      customer: 'Ada',
      paid: 'back',
      parcel: 'parcel-1',
    })
})

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((others) => [item, ...others]),
  )
}
