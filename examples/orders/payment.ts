import { decider, defineEvents, refuse } from 'daybook'
import { z } from 'zod'

const cents = z.int().positive()
const reference = z.string().min(1)
const reason = z.string().min(1)

export const paymentFacts = {
  PaymentRequested: z.object({ customer: z.string().min(1), cents }),
  PaymentCaptured: z.object({ reference }),
  PaymentDeclined: z.object({ reason }),
  /** The customer took too long: what comes in from now on is paid back. */
  PaymentExpired: z.object({}),
  RefundRequested: z.object({ reference, cents, reason }),
  PaymentRefunded: z.object({}),
}

export const paymentEvents = defineEvents(paymentFacts)

interface Payment {
  readonly status: 'none' | 'requested' | 'captured' | 'declined' | 'expired' | 'refunding' | 'refunded'
  readonly cents: number
  /** The gateway's own number, once the money is there. */
  readonly reference: string
}

const initialState: Payment = { status: 'none', cents: 0, reference: '' }

/** The money of an order. Its stream is where "paid" and "expired" meet when they come at once: one is first. */
export const payment = decider('payment', {
  events: paymentEvents,
  initialState,
  evolve: {
    PaymentRequested: (state, { cents }) => ({ ...state, status: 'requested', cents }),
    PaymentCaptured: (state, { reference }) => ({ ...state, status: 'captured', reference }),
    PaymentDeclined: (state) => ({ ...state, status: 'declined' }),
    PaymentExpired: (state) => ({ ...state, status: 'expired' }),
    RefundRequested: (state, { reference }) => ({ ...state, status: 'refunding', reference }),
    PaymentRefunded: (state) => ({ ...state, status: 'refunded' }),
  },
  commands: {
    request: ({ status }, input: { customer: string; cents: number }) =>
      status === 'none' ? paymentEvents.PaymentRequested(input) : refuse('AlreadyRequested', { status }),
    capture: ({ status, cents }, { reference }: { reference: string }) => {
      if (status === 'requested') return paymentEvents.PaymentCaptured({ reference })
      // The money has moved whatever we say: what comes too late is not refused, it goes back.
      if (status === 'expired')
        return paymentEvents.RefundRequested({ reference, cents, reason: 'paid too late' })
      return refuse('NotRequested', { status })
    },
    decline: ({ status }, input: { reason: string }) =>
      status === 'requested' ? paymentEvents.PaymentDeclined(input) : refuse('NotRequested', { status }),
    expire: ({ status }) =>
      status === 'requested' ? paymentEvents.PaymentExpired({}) : refuse('NotRequested', { status }),
    refund: ({ status, reference, cents }, { reason }: { reason: string }) =>
      status === 'captured'
        ? paymentEvents.RefundRequested({ reference, cents, reason })
        : refuse('NotCaptured', { status }),
    confirmRefund: ({ status }) =>
      status === 'refunding' ? paymentEvents.PaymentRefunded({}) : refuse('NotRefunding', { status }),
  },
})
