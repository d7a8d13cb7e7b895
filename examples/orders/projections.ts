import { correlationOf, defineEvents, projection } from 'daybook'
import { type OrderStatus, orderEvents, orderFacts } from './order.ts'
import { paymentFacts } from './payment.ts'
import { shipmentFacts } from './shipment.ts'

interface OrderRow {
  readonly customer: string
  readonly status: OrderStatus
  readonly cents: number
  readonly placedAt: string
  /** Why it was cancelled. */
  readonly reason?: string
}

const noOrder: OrderRow = { customer: '', status: 'none', cents: 0, placedAt: '' }

/** Each order; the key is its id. By customer, newest first: `page({ where: { customer }, orderBy: { placedAt: 'desc' } })` */
export const orders = projection('orders', {
  from: orderEvents,
  key: (event) => event.streamId,
  initial: noOrder,
  columns: { customer: 'text', status: 'text', cents: 'integer', placedAt: 'text' },
  evolve: {
    OrderPlaced: (_, { customer, cents }, { recordedAt }) => ({
      customer,
      status: 'placed',
      cents,
      placedAt: recordedAt,
    }),
    OrderCompleted: (row) => ({ ...row, status: 'completed' }),
    OrderCancelled: (row, { reason }) => ({ ...row, status: 'cancelled', reason }),
  },
})

interface Journey {
  readonly order: string
  readonly customer: string
  readonly paid: 'no' | 'yes' | 'back'
  readonly parcel: string
}

const noJourney: Journey = { order: '', customer: '', paid: 'no', parcel: '' }

/**
 * What three streams tell of one order, joined by their correlation. Each event fills in its own part, so it makes no
 * difference which comes first: a warehouse may report a parcel before the payment is imported.
 */
export const journeys = projection('journeys', {
  from: defineEvents({ ...orderFacts, ...paymentFacts, ...shipmentFacts }),
  key: correlationOf,
  initial: noJourney,
  columns: { order: 'text', customer: 'text', paid: 'text' },
  evolve: {
    OrderPlaced: (journey, { customer }, { streamId }) => ({ ...journey, order: streamId, customer }),
    // Not if the money went back already.
    PaymentCaptured: (journey) => (journey.paid === 'no' ? { ...journey, paid: 'yes' } : journey),
    PaymentRefunded: (journey) => ({ ...journey, paid: 'back' }),
    ParcelDispatched: (journey, { parcel }) => ({ ...journey, parcel }),
  },
})
