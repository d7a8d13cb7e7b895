import { accepted, type Book, type BookOptions, openBook, type Store } from 'daybook'
import type { Carrier } from './carrier.ts'
import { fulfilment } from './fulfilment.ts'
import { order } from './order.ts'
import { payment } from './payment.ts'
import type { Confirmation, PaymentGateway } from './payment-gateway.ts'
import { journeys, orders } from './projections.ts'
import { shipment } from './shipment.ts'
import { charges, collections, refunds } from './side-effects.ts'

/** What every book of the shop is opened with, wherever it is kept. */
export const shop = {
  deciders: [order, payment, shipment],
  projections: [orders, journeys],
  processes: [fulfilment],
}

/** Whom the shop works with. */
export interface Partners {
  readonly gateway: PaymentGateway
  readonly carrier: Carrier
}

/** Opens the shop: places orders, and does all that follows from them. */
export function openShop(
  store: Store,
  { gateway, carrier }: Partners,
  options: Pick<BookOptions, 'host'> = {},
): Promise<Book> {
  const opening: Promise<Book> = openBook({
    store,
    ...shop,
    ...options,
    reactions: [
      charges(gateway, () => opening),
      refunds(gateway, () => opening),
      collections(carrier, () => opening),
    ],
  })
  return opening
}

/** The gateway calls about a payment that took some time. The reference is the key: a second call changes nothing. */
export async function paymentConfirmed(book: Book, { order: id, reference, correlationId }: Confirmation) {
  const capture = payment.capture(id, { reference })
  return accepted(await book.execute(capture, { idempotencyKey: reference, correlationId }))
}
