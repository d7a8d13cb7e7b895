// #region projection
import { correlationOf, defineEvents, openBook, projection } from 'daybook'
import { memory } from 'daybook/memory'
import { z } from 'zod'

const events = defineEvents({
  WithdrawalRequested: z.object({ cents: z.int() }),
  PaymentSettled: z.object({ bank: z.string() }),
})

const withdrawals = projection('withdrawals', {
  from: events,
  key: correlationOf,
  initial: { cents: null as number | null, bank: null as string | null },
  evolve: {
    WithdrawalRequested: (joined, { cents }) => ({ ...joined, cents }),
    PaymentSettled: (joined, { bank }) => ({ ...joined, bank }),
  },
})
// #endregion

await using book = await openBook({ store: memory(), projections: [withdrawals] })

// #region caused
const requested = await book.append('account-42', events.WithdrawalRequested({ cents: 500 }))
const [cause] = requested.events
await book.append('payment-7', events.PaymentSettled({ bank: 'North' }), { causedBy: cause })
// #endregion

// #region either
// A bank that reports before its request is imported: both carry the number they share.
await book.append('payment-8', events.PaymentSettled({ bank: 'South' }), { correlationId: 'transfer-8' })
const last = await book.append('account-43', events.WithdrawalRequested({ cents: 900 }), {
  correlationId: 'transfer-8',
})

const model = book.read(withdrawals)
console.log(await model.get(cause?.id ?? '', { notBefore: last.position }))
console.log(await model.get('transfer-8'))
// #endregion
