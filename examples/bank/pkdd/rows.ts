/** How often the bank issues a statement, and so charges for it. */
export type StatementFrequency = 'monthly' | 'weekly' | 'afterTransaction'

/** The channel a transaction went through. The bank leaves it out for interest. */
export type PkddOperation =
  | 'cashDeposit'
  | 'cashWithdrawal'
  | 'cardWithdrawal'
  | 'collectionFromBank'
  | 'remittanceToBank'

/** What a transaction or standing order was for, where the bank says so. */
export type PkddPurpose =
  | 'household'
  | 'insurance'
  | 'interest'
  | 'leasing'
  | 'loanPayment'
  | 'penaltyInterest'
  | 'pension'
  | 'statementFee'

/** An account in another bank: the bank's two letters (empty when unknown) and the account's digits. */
export interface PkddPartner {
  readonly bank: string
  readonly account: string
}

/** A row of `trans`. Money in cents; the balance is the bank's own, after the transaction. */
export interface TransactionRow {
  readonly transactionId: number
  readonly accountId: number
  readonly date: string
  readonly direction: 'credit' | 'debit'
  readonly operation: PkddOperation | undefined
  readonly amountCents: number
  /** `amountCents`, negative for a debit. */
  readonly signedCents: number
  readonly statedBalanceCents: number
  readonly purpose: PkddPurpose | undefined
  readonly partner: PkddPartner | undefined
  /** Line in the file, 1 is the header. */
  readonly line: number
}

export interface AccountRow {
  readonly accountId: number
  readonly districtId: number
  readonly frequency: StatementFrequency
  readonly openedOn: string
}

export interface ClientRow {
  readonly clientId: number
  readonly districtId: number
  readonly bornOn: string
  readonly sex: 'female' | 'male'
}

/** Who may use which account. Every account has one owner and at most one disponent. */
export interface DispositionRow {
  readonly dispositionId: number
  readonly clientId: number
  readonly accountId: number
  readonly role: 'owner' | 'disponent'
}

export interface CardRow {
  readonly cardId: number
  readonly dispositionId: number
  readonly type: 'junior' | 'classic' | 'gold'
  readonly issuedOn: string
}

/** A standing order to an account in another bank. */
export interface OrderRow {
  readonly orderId: number
  readonly accountId: number
  readonly partner: PkddPartner
  readonly amountCents: number
  readonly purpose: PkddPurpose | undefined
}

export interface LoanRow {
  readonly loanId: number
  readonly accountId: number
  readonly grantedOn: string
  readonly amountCents: number
  readonly durationMonths: number
  /** What is due each month. */
  readonly paymentCents: number
  readonly status: 'paid' | 'defaulted' | 'running' | 'inDebt'
}

/** A district and its figures; `null` where the source does not know. */
export interface DistrictRow {
  readonly districtId: number
  readonly name: string
  readonly region: string
  readonly inhabitants: number | null
  readonly averageSalaryCrowns: number | null
  readonly unemployment1995Percent: number | null
  readonly unemployment1996Percent: number | null
}

/** All eight files. */
export interface PkddData {
  readonly transactions: readonly TransactionRow[]
  readonly accounts: readonly AccountRow[]
  readonly clients: readonly ClientRow[]
  readonly dispositions: readonly DispositionRow[]
  readonly cards: readonly CardRow[]
  readonly orders: readonly OrderRow[]
  readonly loans: readonly LoanRow[]
  readonly districts: readonly DistrictRow[]
}
