import { deadline, finish, processManager } from 'daybook'
import { order, orderEvents } from './order.ts'
import { payment, paymentEvents } from './payment.ts'
import { shipment, shipmentEvents } from './shipment.ts'

/**
 * From an order to its end: paid and dispatched, or cancelled with nothing owed to anybody. It compensates backwards: no
 * parcel, so the money goes back; once it is back, or never came, the order is cancelled.
 */
export const fulfilment = processManager('fulfilment', {
  from: [orderEvents, paymentEvents, shipmentEvents],
  // An order, its payment and its shipment share their id.
  key: (event) => event.streamId,
  startsWith: ['OrderPlaced'],
  initialState: { address: '', reason: '' },
  evolve: {
    OrderPlaced: (state, { address }) => ({ ...state, address }),
    RefundRequested: (state, { reason }) => ({ ...state, reason }),
  },
  on: {
    OrderPlaced: (_, { customer, cents }, { streamId }) => [
      payment.request(streamId, { customer, cents }),
      deadline.set('pay', { hours: 24 }),
    ],
    PaymentCaptured: ({ address }, _, { streamId }) => [
      deadline.cancel('pay'),
      shipment.request(streamId, { address }),
    ],
    ParcelDispatched: (_, __, { streamId }) => order.complete(streamId),

    PaymentDeclined: (_, { reason }, { streamId }) => order.cancel(streamId, { reason }),
    PaymentExpired: (_, __, { streamId }) => order.cancel(streamId, { reason: 'not paid within 24 hours' }),
    ShipmentFailed: (_, { reason }, { streamId }) => payment.refund(streamId, { reason }),
    PaymentRefunded: ({ reason }, _, { streamId }) => order.cancel(streamId, { reason }),

    OrderCompleted: () => finish(),
    OrderCancelled: () => finish(),
  },
  deadlines: {
    // Not the order: the payment may be captured at this very moment, and only its own stream knows which was first.
    pay: (_, { key }) => payment.expire(key),
  },
  pendingLimitMs: 48 * 3_600_000,
})
