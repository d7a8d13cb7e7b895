import { decider, defineEvents, refuse } from 'daybook'
import { z } from 'zod'

export const shipmentFacts = {
  ShipmentRequested: z.object({ address: z.string().min(1) }),
  ParcelDispatched: z.object({ parcel: z.string().min(1) }),
  ShipmentFailed: z.object({ reason: z.string().min(1) }),
}

export const shipmentEvents = defineEvents(shipmentFacts)

interface Shipment {
  readonly status: 'none' | 'requested' | 'dispatched' | 'failed'
}

const initialState: Shipment = { status: 'none' }

/** The parcel of an order. */
export const shipment = decider('shipment', {
  events: shipmentEvents,
  initialState,
  evolve: {
    ShipmentRequested: (state) => ({ ...state, status: 'requested' }),
    ParcelDispatched: (state) => ({ ...state, status: 'dispatched' }),
    ShipmentFailed: (state) => ({ ...state, status: 'failed' }),
  },
  commands: {
    request: ({ status }, input: { address: string }) =>
      status === 'none' ? shipmentEvents.ShipmentRequested(input) : refuse('AlreadyRequested', { status }),
    dispatch: ({ status }, input: { parcel: string }) =>
      status === 'requested' ? shipmentEvents.ParcelDispatched(input) : refuse('NotRequested', { status }),
    fail: ({ status }, input: { reason: string }) =>
      status === 'requested' ? shipmentEvents.ShipmentFailed(input) : refuse('NotRequested', { status }),
  },
})
