import { type Customer, inventCustomer, type Wish, wishesOf } from './customer.ts'
import { compareBalance, type History, type HistoryStep, type StepKind, stepDirections } from './history.ts'

export interface GenerateOptions {
  /** A whole number from 0 to 2^32 − 1. The same options give the same history, always. */
  readonly seed: number
  /** 1 to 100,000. */
  readonly accounts: number
  /** 1 to 600; `accounts` × `months` at most 500,000, as the history is held in memory (about 7 steps each). */
  readonly months: number
  /** `YYYY-MM`, 1993-01 unless given. */
  readonly firstMonth?: string
  /** Share (0 to 1) of accounts whose owners may go below zero and then pay penalty interest; 0 unless given. */
  readonly overdraftShare?: number
  /** Share of interest steps after which the stated balance is off by 10 cents; 0 unless given. */
  readonly roundingShare?: number
  /** Share of interest bookings that change the balance but are missing from the history; 0 unless given. */
  readonly lostInterestShare?: number
}

/** The bank's own two letters in `counterparty.bank` of transfers between its accounts. */
export const ownBank = 'DB'

/** How far an account that may go below zero can be drawn; fees and penalty interest may take it further. */
const overdraftCents = 10_000_00

const statementFeeCents = { monthly: 14_60, weekly: 30_00, afterTransaction: 100_00 } as const

/**
 * Invents a plausible history of a bank: accounts are opened, salaries and pensions come in, rent, household,
 * insurance and loans are paid by standing order, cash is drawn, customers pay one another, interest is credited and
 * statements are charged for at the end of each month, a few accounts are closed. Without `overdraftShare` no
 * balance is ever negative; without `roundingShare` and `lostInterestShare` every step is exact. Throws `RangeError` for
 * options out of bounds.
 */
export function generateHistory(options: GenerateOptions): History {
  checkOptions(options)
  const first = monthNumber(options.firstMonth ?? '1993-01')
  const dateOf = (month: number, day: number): string => dateIn(first + month, day)
  const { seed, accounts, months, overdraftShare = 0 } = options
  const customers = Array.from({ length: accounts }, (_, index) =>
    inventCustomer(seed, index, months, overdraftShare, dateOf),
  )
  const bank = new Bank(customers, options)
  for (let month = 0; month < months; month++) {
    const wishes = customers.flatMap((customer) =>
      wishesOf(customer, month, accounts).map((wish) => ({ customer, wish })),
    )
    wishes.sort((one, other) => one.wish.day - other.wish.day)
    for (const { customer, wish } of wishes) bank.fulfil(customer, wish, dateOf(month, wish.day))
    for (const customer of customers) bank.endMonth(customer, dateOf(month, daysIn(first + month)))
  }
  return bank.history()
}

interface Ledger {
  balanceCents: number
  /** What the last step stated; differs from the balance after a lost booking. */
  statedCents: number
  status: 'new' | 'open' | 'closed'
  closedOn: string | undefined
}

type Extra = Pick<HistoryStep, 'purpose' | 'counterparty' | 'transferId'>

class Bank {
  readonly #customers: readonly Customer[]
  readonly #options: GenerateOptions
  readonly #ledgers: Ledger[]
  readonly #steps: HistoryStep[] = []

  constructor(customers: readonly Customer[], options: GenerateOptions) {
    this.#customers = customers
    this.#options = options
    this.#ledgers = customers.map(() => ({
      balanceCents: 0,
      statedCents: 0,
      status: 'new',
      closedOn: undefined,
    }))
  }

  history(): History {
    const accounts = this.#customers.flatMap(({ account, index }) => {
      const { status, closedOn } = this.#ledger(index)
      return status === 'new' ? [] : [{ ...account, ...(closedOn !== undefined && { closedOn }) }]
    })
    return { accounts, steps: this.#steps }
  }

  /** Does what the customer wants, or nothing if the balance does not allow it or the account is not open. */
  fulfil(customer: Customer, wish: Wish, date: string): void {
    const ledger = this.#ledger(customer.index)
    if (ledger.status === 'new' && date === customer.account.openedOn) ledger.status = 'open'
    if (ledger.status !== 'open') return
    if (wish.kind === 'closing') this.#close(customer, date)
    else if (wish.kind === 'transferWithin') this.#transfer(customer, wish, date)
    else if (stepDirections[wish.kind] === 'credit' || this.#covers(customer, wish.amountCents)) {
      const { purpose, counterparty } = wish
      this.#book(customer, date, wish.kind, wish.amountCents, {
        ...(purpose && { purpose }),
        ...(counterparty && { counterparty }),
      })
    }
  }

  /** Interest on what is there (0.3 % a month), the statement's fee, penalty interest on what is owed (1.5 %). */
  endMonth(customer: Customer, date: string): void {
    const ledger = this.#ledger(customer.index)
    if (ledger.status !== 'open') return
    const { random, account, mayOverdraw } = customer
    const { roundingShare = 0, lostInterestShare = 0 } = this.#options
    const interest = Math.round((ledger.balanceCents * 3) / 1000)
    const isLost = random.chance(lostInterestShare)
    const isRounded = random.chance(roundingShare)
    const roundedCents = random.pick([-10, 10])
    if (interest > 0 && isLost) ledger.balanceCents += interest
    else if (interest > 0) {
      const isCovered = ledger.balanceCents + interest + roundedCents >= 0
      this.#book(customer, date, 'interest', interest, {}, isRounded && isCovered ? roundedCents : 0)
    }
    const fee = statementFeeCents[account.frequency]
    if (mayOverdraw || this.#covers(customer, fee)) this.#book(customer, date, 'statementFee', fee)
    const penalty = Math.round((-ledger.balanceCents * 15) / 1000)
    if (penalty > 0) this.#book(customer, date, 'penaltyInterest', penalty)
  }

  #close(customer: Customer, date: string): void {
    const ledger = this.#ledger(customer.index)
    if (ledger.balanceCents <= 0) return
    this.#book(customer, date, 'cashWithdrawal', ledger.balanceCents)
    ledger.status = 'closed'
    ledger.closedOn = date
  }

  #transfer(customer: Customer, wish: Wish, date: string): void {
    const receiver = this.#customers[wish.receiver ?? -1]
    if (!receiver || this.#ledger(receiver.index).status !== 'open') return
    if (!this.#covers(customer, wish.amountCents)) return
    const transferId = `transfer-${this.#steps.length + 1}`
    const to = { counterparty: { bank: ownBank, account: receiver.account.accountId }, transferId }
    const from = { counterparty: { bank: ownBank, account: customer.account.accountId }, transferId }
    this.#book(customer, date, 'transferOut', wish.amountCents, to)
    this.#book(receiver, date, 'transferIn', wish.amountCents, from)
  }

  #covers(customer: Customer, amountCents: number): boolean {
    const { balanceCents } = this.#ledger(customer.index)
    return balanceCents + (customer.mayOverdraw ? overdraftCents : 0) >= amountCents
  }

  #book(
    customer: Customer,
    date: string,
    kind: StepKind,
    amountCents: number,
    extra: Extra = {},
    offBy = 0,
  ): void {
    const ledger = this.#ledger(customer.index)
    const signedCents = stepDirections[kind] === 'credit' ? amountCents : 0 - amountCents
    ledger.balanceCents += signedCents + offBy
    this.#steps.push({
      transactionId: String(this.#steps.length + 1),
      accountId: customer.account.accountId,
      date,
      kind,
      amountCents,
      signedCents,
      statedBalanceCents: ledger.balanceCents,
      ...compareBalance(ledger.statedCents, signedCents, ledger.balanceCents),
      ...extra,
    })
    ledger.statedCents = ledger.balanceCents
  }

  #ledger(index: number): Ledger {
    const ledger = this.#ledgers[index]
    if (!ledger) throw new RangeError(`There is no customer ${index}.`)
    return ledger
  }
}

function checkOptions(options: GenerateOptions): void {
  const { seed, accounts, months, firstMonth = '1993-01' } = options
  const isWithin = (value: number, least: number, most: number): boolean =>
    Number.isInteger(value) && value >= least && value <= most
  if (!isWithin(seed, 0, 2 ** 32 - 1)) throw new RangeError(`seed is ${seed}, expected 0 to 4294967295.`)
  if (!isWithin(accounts, 1, 100_000)) throw new RangeError(`accounts is ${accounts}, expected 1 to 100000.`)
  if (!isWithin(months, 1, 600)) throw new RangeError(`months is ${months}, expected 1 to 600.`)
  if (accounts * months > 500_000) {
    throw new RangeError(`accounts × months is ${accounts * months}, expected at most 500000.`)
  }
  if (!/^(19|20)\d\d-(0[1-9]|1[0-2])$/.test(firstMonth)) {
    throw new RangeError(
      `firstMonth is ${JSON.stringify(firstMonth)}, expected YYYY-MM from 1900-01 to 2099-12.`,
    )
  }
  for (const name of ['overdraftShare', 'roundingShare', 'lostInterestShare'] as const) {
    const share = options[name] ?? 0
    if (!(share >= 0 && share <= 1)) throw new RangeError(`${name} is ${share}, expected 0 to 1.`)
  }
}

/** Months since January of year 0. */
function monthNumber(month: string): number {
  return Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1
}

function dateIn(month: number, day: number): string {
  return new Date(Date.UTC(Math.floor(month / 12), month % 12, day)).toISOString().slice(0, 10)
}

function daysIn(month: number): number {
  return new Date(Date.UTC(Math.floor(month / 12), (month % 12) + 1, 0)).getUTCDate()
}
