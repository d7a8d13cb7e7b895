import { type Book, openBook, type Store } from 'daybook'
import { investment } from './investment.ts'
import type { PaymentGateway } from './payment-gateway.ts'
import { payments } from './payments.ts'
import { investments } from './projections.ts'

/** What every book of investments is opened with, wherever it is kept and whoever pays. */
export const investing = { deciders: [investment], projections: [investments] }

/** Opens the book and pays for what is submitted. Of several processes that do so, one pays, and others stand by. */
export function openInvestments(store: Store, gateway: PaymentGateway): Promise<Book> {
  const opening: Promise<Book> = openBook({
    store,
    ...investing,
    reactions: [payments(gateway, () => opening)],
  })
  return opening
}
