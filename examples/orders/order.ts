import { decider, defineEvents, refuse } from 'daybook'
import { z } from 'zod'

export const orderFacts = {
  OrderPlaced: z.object({
    customer: z.string().min(1),
    address: z.string().min(1),
    cents: z.int().positive(),
  }),
  OrderCompleted: z.object({}),
  OrderCancelled: z.object({ reason: z.string().min(1) }),
}

export const orderEvents = defineEvents(orderFacts)

export type OrderStatus = 'none' | 'placed' | 'completed' | 'cancelled'

interface Order {
  readonly status: OrderStatus
}

const initialState: Order = { status: 'none' }

/** What a customer wants. How it ends is decided by `fulfilment`, which knows of the money and the parcel. */
export const order = decider('order', {
  events: orderEvents,
  initialState,
  evolve: {
    OrderPlaced: (state) => ({ ...state, status: 'placed' }),
    OrderCompleted: (state) => ({ ...state, status: 'completed' }),
    OrderCancelled: (state) => ({ ...state, status: 'cancelled' }),
  },
  commands: {
    place: ({ status }, input: { customer: string; address: string; cents: number }) =>
      status === 'none' ? orderEvents.OrderPlaced(input) : refuse('AlreadyPlaced', { status }),
    complete: ({ status }) =>
      status === 'placed' ? orderEvents.OrderCompleted({}) : refuse('NotPlaced', { status }),
    cancel: ({ status }, input: { reason: string }) =>
      status === 'placed' ? orderEvents.OrderCancelled(input) : refuse('NotPlaced', { status }),
  },
})
