import type { Book, ExecuteOptions } from 'daybook'
import { account } from '../account.ts'
import { accountEvents, type Movement } from '../account-events.ts'
import type { History, HistoryAccount, HistoryStep } from '../pkdd/history.ts'
import { recordTransfer } from '../transfer.ts'

/** One command of the import. */
export interface Booking {
  readonly kind: 'opening' | 'steps' | 'closing'
  /** The accounts it concerns, one or two. */
  readonly accountIds: readonly string[]
  /** How many transactions of the source it takes over. */
  readonly steps: number
  /** For people: `transaction 232961`. */
  readonly subject: string
  /** Runs it; the outcome tells whether it was refused. */
  readonly run: (book: Book) => Promise<{ readonly refused: unknown }>
}

/** What was booked by the bank on its own; everything else was done by the account's owner. */
const bankKinds = new Set(['interest', 'statementFee', 'penaltyInterest', 'transferIn'])

const reasons = {
  cashDeposit: 'cash paid in',
  transferIn: 'transfer received',
  interest: 'interest',
  cashWithdrawal: 'cash withdrawn',
  cardWithdrawal: 'cash withdrawn by card',
  transferOut: 'transfer ordered',
  loanPayment: 'loan payment',
  statementFee: 'fee for statements',
  penaltyInterest: 'penalty interest on a negative balance',
} as const

/**
 * Accounts that the bank closed though their amounts do not sum to 0, for what it rounded or lost on the way. The rule
 * of closing holds for the import as well: they stay open, for somebody to adjust and close.
 */
export function unbalancedClosings({ accounts, steps }: History) {
  const sums = new Map<string, number>()
  for (const { accountId, signedCents } of steps)
    sums.set(accountId, (sums.get(accountId) ?? 0) + signedCents)
  return new Set(
    accounts.flatMap(({ accountId, closedOn }) =>
      closedOn !== undefined && sums.get(accountId) !== 0 ? [accountId] : [],
    ),
  )
}

/**
 * The commands that make a history, in its order: each account is opened before its first step and closed after its
 * last where it was and can be. Idempotency keys follow from the source's own numbers, so a repeat has no second effect.
 */
export function* bookingsOf(history: History, source: string): Generator<Booking> {
  const { accounts, steps } = history
  const unbalanced = unbalancedClosings(history)
  const byId = new Map(accounts.map((one) => [one.accountId, one]))
  const lastSteps = new Map(steps.map((step) => [step.accountId, step]))
  const transfers = Map.groupBy(steps, (step) => step.transferId)
  const opened = new Set<string>()
  const transferred = new Set<string>()
  for (const step of steps) {
    const { accountId, transferId } = step
    const holder = byId.get(accountId)
    if (holder === undefined) throw new RangeError(`Transaction ${step.transactionId} is of no account.`)
    if (!opened.has(accountId)) yield opening(holder, source)
    opened.add(accountId)
    if (transferId === undefined) yield single(step, holder, source)
    else if (!transferred.has(transferId)) {
      transferred.add(transferId)
      yield both(transfers.get(transferId) ?? [], holder, source)
    }
    const isLast = lastSteps.get(accountId) === step
    if (isLast && holder.closedOn !== undefined && !unbalanced.has(accountId)) yield closing(holder, source)
  }
}

function opening(holder: HistoryAccount, source: string): Booking {
  const { accountId, owner, disponent, frequency, openedOn } = holder
  const command = account.open(accountId, {
    owner: owner.name ?? `client ${owner.personId}`,
    ...(disponent && { disponent: disponent.name ?? `client ${disponent.personId}` }),
    currency: 'CZK',
    statements: frequency,
  })
  const options = optionsOf(source, `open:${accountId}`, openedOn, 'bank', 'account opened')
  return {
    kind: 'opening',
    accountIds: [accountId],
    steps: 0,
    subject: `the opening of account ${accountId}`,
    run: (book) => book.execute(command, options),
  }
}

function closing({ accountId, closedOn, owner }: HistoryAccount, source: string): Booking {
  const actor = `client ${owner.personId}`
  const options = optionsOf(source, `close:${accountId}`, closedOn ?? '', actor, 'account closed')
  return {
    kind: 'closing',
    accountIds: [accountId],
    steps: 0,
    subject: `the closing of account ${accountId}`,
    run: (book) => book.execute(account.close(accountId), options),
  }
}

function single(step: HistoryStep, holder: HistoryAccount, source: string): Booking {
  const { accountId, transactionId, date, kind } = step
  const actor = bankKinds.has(kind) ? 'bank' : `client ${holder.owner.personId}`
  const reason = step.purpose === undefined ? reasons[kind] : `${reasons[kind]}: ${step.purpose}`
  const options = optionsOf(source, `trans:${transactionId}`, date, actor, reason)
  return {
    kind: 'steps',
    accountIds: [accountId],
    steps: 1,
    subject: `transaction ${transactionId}`,
    run: (book) => book.execute(account.record(accountId, movementOf(step)), options),
  }
}

/** Both sides of a transfer within the bank: one command, so that it is never there by half. */
function both(sides: readonly HistoryStep[], holder: HistoryAccount, source: string): Booking {
  const sent = sides.find(({ kind }) => kind === 'transferOut')
  const received = sides.find(({ kind }) => kind === 'transferIn')
  if (sides.length !== 2 || sent?.transferId === undefined || received === undefined)
    throw new RangeError(`Transfer ${sides[0]?.transferId} has not two sides.`)
  const { transferId } = sent
  const command = recordTransfer({
    from: sent.accountId,
    to: received.accountId,
    cents: sent.amountCents,
    transferId,
    sentReference: sent.transactionId,
    receivedReference: received.transactionId,
  })
  const actor = `client ${holder.owner.personId}`
  const options = optionsOf(source, `transfer:${transferId}`, sent.date, actor, reasons.transferOut)
  return {
    kind: 'steps',
    accountIds: [sent.accountId, received.accountId],
    steps: 2,
    subject: transferId,
    run: (book) => book.execute(command, options),
  }
}

function optionsOf(source: string, key: string, occurredAt: string, actor: string, reason: string) {
  const options: ExecuteOptions = { idempotencyKey: `${source}:${key}`, occurredAt, actor, reason }
  return options
}

/** The event that a step of the history is. */
export function movementOf(step: HistoryStep): Movement {
  const { kind, amountCents: cents, transactionId: reference, purpose } = step
  const { bank = '', account: number = '' } = step.counterparty ?? {}
  const counterparty = { bank, account: number }
  const described = { cents, reference, ...(purpose && { purpose }) }
  switch (kind) {
    case 'cashDeposit':
      return accountEvents.MoneyDeposited(described)
    case 'cashWithdrawal':
      return accountEvents.MoneyWithdrawn(described)
    case 'cardWithdrawal':
      return accountEvents.CardWithdrawalMade(described)
    case 'transferIn':
      return accountEvents.TransferReceived({ ...described, counterparty })
    case 'transferOut':
      return accountEvents.TransferSent({ ...described, counterparty })
    case 'loanPayment':
      return accountEvents.LoanPaymentMade({ cents, reference, counterparty })
    case 'interest':
      return accountEvents.InterestCredited({ cents, reference })
    case 'penaltyInterest':
      return accountEvents.PenaltyInterestCharged({ cents, reference })
    case 'statementFee':
      return accountEvents.FeeCharged({ cents, reference })
  }
}
