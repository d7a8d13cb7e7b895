import { accepted, type Book, correlationOf, reaction } from 'daybook'
import type { Carrier } from './carrier.ts'
import { payment, paymentEvents } from './payment.ts'
import type { PaymentGateway } from './payment-gateway.ts'
import { shipment, shipmentEvents } from './shipment.ts'

/** Gives the book that a side effect is part of, once it is open. */
type Opening = () => Promise<Book>

/** Asks for the money, and records the answer if there is one already. */
export function charges(gateway: PaymentGateway, opening: Opening) {
  return reaction('charges', {
    from: paymentEvents,
    types: ['PaymentRequested'],
    startAt: 'beginning',
    run: async (event, { idempotencyKey }) => {
      const { streamId: id, data } = event
      const correlationId = correlationOf(event)
      const answer = await gateway.charge({ ...data, idempotencyKey, order: id, correlationId })
      if (answer.status === 'waiting') return
      const outcome = answer.status === 'paid' ? payment.capture(id, answer) : payment.decline(id, answer)
      const book = await opening()
      accepted(await book.execute(outcome, { causedBy: event, idempotencyKey }))
    },
  })
}

/** Pays back. */
export function refunds(gateway: PaymentGateway, opening: Opening) {
  return reaction('refunds', {
    from: paymentEvents,
    types: ['RefundRequested'],
    startAt: 'beginning',
    run: async (event, { idempotencyKey }) => {
      const { streamId: id, data } = event
      await gateway.refund({ idempotencyKey, order: id, cents: data.cents })
      const book = await opening()
      accepted(await book.execute(payment.confirmRefund(id), { causedBy: event, idempotencyKey }))
    },
  })
}

/** Has the parcel collected. */
export function collections(carrier: Carrier, opening: Opening) {
  return reaction('collections', {
    from: shipmentEvents,
    types: ['ShipmentRequested'],
    startAt: 'beginning',
    run: async (event, { idempotencyKey }) => {
      const { streamId: id, data } = event
      const answer = await carrier.collect({ idempotencyKey, address: data.address })
      const outcome = answer.isCollected ? shipment.dispatch(id, answer) : shipment.fail(id, answer)
      const book = await opening()
      accepted(await book.execute(outcome, { causedBy: event, idempotencyKey }))
    },
  })
}
