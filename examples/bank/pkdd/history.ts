/**
 * What a step of a bank's history is, and whether it raises or lowers the balance. The kind says what happened;
 * `HistoryStep.purpose` says what for, where the customer's side of it is known.
 */
export const stepDirections = {
  cashDeposit: 'credit',
  transferIn: 'credit',
  interest: 'credit',
  cashWithdrawal: 'debit',
  cardWithdrawal: 'debit',
  transferOut: 'debit',
  loanPayment: 'debit',
  statementFee: 'debit',
  penaltyInterest: 'debit',
} as const

export type StepKind = keyof typeof stepDirections

export type StepPurpose = 'household' | 'insurance' | 'leasing' | 'pension' | 'rent' | 'salary'

/** How a stated balance agrees with the one before it: `rounding` is off by at most 10 cents, `other` by more. */
export type Agreement = 'exact' | 'rounding' | 'other'

/** The largest difference, in cents, that counts as rounding: the bank states balances to a tenth of a crown. */
export const roundingCents = 10

export interface HistoryPerson {
  readonly personId: string
  /** Absent in the anonymised data. */
  readonly name?: string
  readonly bornOn: string
  readonly sex: 'female' | 'male'
  readonly district?: { readonly name: string; readonly region: string }
}

export interface HistoryAccount {
  readonly accountId: string
  readonly openedOn: string
  /** The day of its last step, which takes the balance to 0; absent while the account is open. */
  readonly closedOn?: string
  /** How often the bank issues a statement. */
  readonly frequency: 'monthly' | 'weekly' | 'afterTransaction'
  readonly owner: HistoryPerson
  /** A second person who may use the account. */
  readonly disponent?: HistoryPerson
}

/** One thing that happened to one account, in the order in which the bank booked it. Money in cents. */
export interface HistoryStep {
  /** Unique over the whole history. */
  readonly transactionId: string
  readonly accountId: string
  /** `YYYY-MM-DD`; the sources know no time of day. */
  readonly date: string
  readonly kind: StepKind
  /** Never negative. */
  readonly amountCents: number
  /** `amountCents`, negative when the kind is a debit. */
  readonly signedCents: number
  /** The balance after the step, as the bank states it. */
  readonly statedBalanceCents: number
  /** `statedBalanceCents` less (the balance stated before + `signedCents`). An account starts from 0. */
  readonly differenceCents: number
  readonly agreement: Agreement
  readonly purpose?: StepPurpose
  /** The other account of a transfer. Within the bank, `account` is an `accountId` of this history. */
  readonly counterparty?: { readonly bank: string; readonly account: string }
  /** Set on both steps of a transfer between two accounts of this history, and the same on both. */
  readonly transferId?: string
}

/**
 * A bank's history, whatever its source. `steps` are sorted by date and, within an account, stand in the bank's
 * order; every step's account is among `accounts`, and every account has a step.
 */
export interface History {
  readonly accounts: readonly HistoryAccount[]
  readonly steps: readonly HistoryStep[]
}

/** Compares a stated balance with the one stated before it and the amount booked between them. */
export function compareBalance(
  previousCents: number,
  signedCents: number,
  statedCents: number,
): { readonly differenceCents: number; readonly agreement: Agreement } {
  const differenceCents = statedCents - (previousCents + signedCents)
  const size = Math.abs(differenceCents)
  return { differenceCents, agreement: size === 0 ? 'exact' : size <= roundingCents ? 'rounding' : 'other' }
}
