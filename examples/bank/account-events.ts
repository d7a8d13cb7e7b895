import { defineEvents } from 'daybook'
import { z } from 'zod'

const cents = z.int().positive()

/** The bank's own number of a booking, where it has one. */
const reference = z.string().optional()

const purpose = z.enum(['household', 'insurance', 'leasing', 'pension', 'rent', 'salary']).optional()

/** The other account of a transfer; the bank's two letters may be unknown. */
const counterparty = z.object({ bank: z.string(), account: z.string() })

const transferId = z.string().optional()

/** Everything that can happen to an account. Amounts are in cents and positive; the type gives the direction. */
export const accountEvents = defineEvents({
  AccountOpened: z.object({
    owner: z.string().min(1),
    /** A second person who may use the account. */
    disponent: z.string().optional(),
    currency: z.string().length(3).default('CZK'),
    /** How often the bank issues a statement. */
    statements: z.enum(['monthly', 'weekly', 'afterTransaction']).default('monthly'),
  }),
  OverdraftAgreed: z.object({ limitCents: z.int().nonnegative() }),
  MoneyDeposited: z.object({ cents, purpose, reference }),
  MoneyWithdrawn: z.object({ cents, purpose, reference }),
  CardWithdrawalMade: z.object({ cents, purpose, reference }),
  TransferSent: z.object({ cents, counterparty, purpose, transferId, reference }),
  TransferReceived: z.object({ cents, counterparty, purpose, transferId, reference }),
  LoanPaymentMade: z.object({ cents, counterparty: counterparty.optional(), reference }),
  InterestCredited: z.object({ cents, reference }),
  PenaltyInterestCharged: z.object({ cents, reference }),
  FeeCharged: z.object({ cents, reference }),
  ChargeRefunded: z.object({ cents }),
  /** A correction: nothing recorded is changed, a new fact puts it right and says who did it and why. */
  BalanceAdjusted: z.object({
    cents: z.int().refine((value) => value !== 0, 'must not be 0'),
    reason: z.string().min(1),
    operator: z.string().min(1),
  }),
  /** A booking took the account further below zero than was agreed. */
  OverdraftExceeded: z.object({ limitCents: z.int().nonnegative(), byCents: cents }),
  AccountClosed: z.object({}),
})

/** The data of one event type, as its maker takes it. */
export type DataOf<Type extends keyof typeof accountEvents & string> = Parameters<
  (typeof accountEvents)[Type]
>[0]

/** The event types that change the balance, and in which direction; an adjustment carries its own sign. */
export const movementSigns = {
  MoneyDeposited: 1,
  TransferReceived: 1,
  InterestCredited: 1,
  ChargeRefunded: 1,
  BalanceAdjusted: 1,
  MoneyWithdrawn: -1,
  CardWithdrawalMade: -1,
  TransferSent: -1,
  LoanPaymentMade: -1,
  PenaltyInterestCharged: -1,
  FeeCharged: -1,
} as const

export type MovementType = keyof typeof movementSigns

/** An event that changes the balance, before it is recorded. */
export type Movement = {
  [Type in MovementType]: { readonly type: Type; readonly data: DataOf<Type> }
}[MovementType]
