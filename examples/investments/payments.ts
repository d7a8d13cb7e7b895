import { accepted, type Book, reaction } from 'daybook'
import { investment, investmentEvents } from './investment.ts'
import type { PaymentGateway } from './payment-gateway.ts'

/**
 * Pays for what was submitted, and records how it went. It runs after the commit, at least once: the event's id is the
 * key under which the gateway pays once, and under which the outcome is recorded once, whatever dies in between.
 */
export function payments(gateway: PaymentGateway, opening: () => Promise<Book>) {
  return reaction('payments', {
    from: investmentEvents,
    types: ['InvestmentSubmitted'],
    // Every submitted investment is owed its payment, also one from before this reaction first ran.
    startAt: 'beginning',
    run: async (event, { idempotencyKey, signal }) => {
      const { investor, cents } = event.data
      const answer = await gateway.charge({ idempotencyKey, payer: investor, cents }, signal)
      const outcome = answer.isPaid
        ? investment.settle(event.streamId, { payment: answer.reference })
        : investment.fail(event.streamId, { reason: answer.reason })
      const book = await opening()
      accepted(await book.execute(outcome, { causedBy: event, idempotencyKey, actor: 'payments' }))
    },
  })
}
