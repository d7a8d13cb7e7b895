import { projection, type RecordedEvent } from 'daybook'
import { accountEvents } from './account-events.ts'

/** The day a thing happened in the world, which for an import is long before it was recorded. */
export function dayOf({ metadata, recordedAt }: RecordedEvent) {
  return (metadata.occurredAt ?? recordedAt).slice(0, 10)
}

interface Moved {
  readonly cents: number
}

interface Balance {
  readonly owner: string
  readonly status: 'open' | 'closed'
  readonly cents: number
  readonly movements: number
  readonly timesOverdrawn: number
  readonly openedOn: string
  readonly lastMovedOn: string
}

const noBalance: Balance = {
  owner: '',
  status: 'open',
  cents: 0,
  movements: 0,
  timesOverdrawn: 0,
  openedOn: '',
  lastMovedOn: '',
}

const raised = (balance: Balance, { cents }: Moved, event: RecordedEvent): Balance => ({
  ...balance,
  cents: balance.cents + cents,
  movements: balance.movements + 1,
  lastMovedOn: dayOf(event),
})

const lowered = (balance: Balance, { cents }: Moved, event: RecordedEvent): Balance =>
  raised(balance, { cents: -cents }, event)

const closed = (balance: Balance): Balance => ({ ...balance, status: 'closed' })

/** What each account holds now; the key is the account's id. */
export const balances = projection('balances', {
  from: accountEvents,
  key: (event) => event.streamId,
  initial: noBalance,
  columns: { owner: 'text', status: 'text', cents: 'integer', movements: 'integer', lastMovedOn: 'text' },
  evolve: {
    AccountOpened: (balance, { owner }, event) => ({ ...balance, owner, openedOn: dayOf(event) }),
    MoneyDeposited: raised,
    TransferReceived: raised,
    InterestCredited: raised,
    ChargeRefunded: raised,
    BalanceAdjusted: raised,
    MoneyWithdrawn: lowered,
    CardWithdrawalMade: lowered,
    TransferSent: lowered,
    LoanPaymentMade: lowered,
    PenaltyInterestCharged: lowered,
    FeeCharged: lowered,
    OverdraftExceeded: (balance) => ({ ...balance, timesOverdrawn: balance.timesOverdrawn + 1 }),
    AccountClosed: closed,
  },
})

interface Transaction {
  readonly account: string
  readonly date: string
  /** Type of the event. */
  readonly kind: string
  /** Negative for a debit. */
  readonly cents: number
  readonly purpose?: string
  readonly counterparty?: { readonly bank: string; readonly account: string }
  readonly reference?: string
}

const noTransaction: Transaction = { account: '', date: '', kind: '', cents: 0 }

interface Described extends Moved {
  readonly purpose?: string | undefined
  readonly counterparty?: { readonly bank: string; readonly account: string } | undefined
  readonly reference?: string | undefined
}

const incoming = (_: Transaction, data: Described, event: RecordedEvent): Transaction => {
  const { cents, purpose, counterparty, reference } = data
  return {
    account: event.streamId,
    date: dayOf(event),
    kind: event.type,
    cents,
    ...(purpose && { purpose }),
    ...(counterparty && { counterparty }),
    ...(reference && { reference }),
  }
}

const outgoing = (none: Transaction, data: Described, event: RecordedEvent): Transaction =>
  incoming(none, { ...data, cents: -data.cents }, event)

/**
 * One document a movement; its key is the account's id and the version of the event, so that the keys of an account
 * are in its order. The balance after a movement is not here: it follows from other documents, and a projection folds
 * each key by itself. `book.load(account, id, { atVersion })` tells it.
 */
export const transactions = projection('transactions', {
  from: accountEvents,
  key: ({ streamId, version }) => `${streamId}:${String(version).padStart(9, '0')}`,
  initial: noTransaction,
  columns: { account: 'text', date: 'text', kind: 'text', cents: 'integer' },
  evolve: {
    MoneyDeposited: incoming,
    TransferReceived: incoming,
    InterestCredited: incoming,
    ChargeRefunded: incoming,
    BalanceAdjusted: incoming,
    MoneyWithdrawn: outgoing,
    CardWithdrawalMade: outgoing,
    TransferSent: outgoing,
    LoanPaymentMade: outgoing,
    PenaltyInterestCharged: outgoing,
    FeeCharged: outgoing,
  },
})

interface Day {
  readonly date: string
  readonly credits: number
  readonly creditCents: number
  readonly debits: number
  readonly debitCents: number
  readonly accountsOpened: number
  readonly accountsClosed: number
}

const noDay: Day = {
  date: '',
  credits: 0,
  creditCents: 0,
  debits: 0,
  debitCents: 0,
  accountsOpened: 0,
  accountsClosed: 0,
}

const credit = (day: Day, { cents }: Moved, event: RecordedEvent): Day => ({
  ...day,
  date: dayOf(event),
  credits: day.credits + 1,
  creditCents: day.creditCents + cents,
})

const debit = (day: Day, { cents }: Moved, event: RecordedEvent): Day => ({
  ...day,
  date: dayOf(event),
  debits: day.debits + 1,
  debitCents: day.debitCents + cents,
})

/** What came and went on each day of the world; the key is the day. */
export const dailySummaries = projection('daily-summaries', {
  from: accountEvents,
  key: dayOf,
  initial: noDay,
  columns: {
    date: 'text',
    credits: 'integer',
    creditCents: 'integer',
    debits: 'integer',
    debitCents: 'integer',
  },
  evolve: {
    AccountOpened: (day, _, event) => ({
      ...day,
      date: dayOf(event),
      accountsOpened: day.accountsOpened + 1,
    }),
    MoneyDeposited: credit,
    TransferReceived: credit,
    InterestCredited: credit,
    ChargeRefunded: credit,
    BalanceAdjusted: (day, { cents }, event) =>
      cents > 0 ? credit(day, { cents }, event) : debit(day, { cents: -cents }, event),
    MoneyWithdrawn: debit,
    CardWithdrawalMade: debit,
    TransferSent: debit,
    LoanPaymentMade: debit,
    PenaltyInterestCharged: debit,
    FeeCharged: debit,
    AccountClosed: (day, _, event) => ({
      ...day,
      date: dayOf(event),
      accountsClosed: day.accountsClosed + 1,
    }),
  },
})
