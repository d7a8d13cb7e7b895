import { decider, refuse } from 'daybook'
import { accountEvents, type DataOf, type Movement, movementSigns } from './account-events.ts'

/** What the rules need to know of an account, and no more. */
export interface AccountState {
  readonly status: 'new' | 'open' | 'closed'
  readonly owner: string
  /** Below zero when overdrawn. */
  readonly cents: number
  /** How far below zero the owner may go. */
  readonly limitCents: number
  /** How often the balance changed. */
  readonly movements: number
  /** The bank's number of the last movement; empty when it had none. */
  readonly lastReference: string
}

const initialState: AccountState = {
  status: 'new',
  owner: '',
  cents: 0,
  limitCents: 0,
  movements: 0,
  lastReference: '',
}

const opened = (state: AccountState, { owner }: { owner: string }): AccountState => ({
  ...state,
  status: 'open',
  owner,
})

const closed = (state: AccountState): AccountState => ({ ...state, status: 'closed' })

interface Moved {
  readonly cents: number
  readonly reference?: string | undefined
}

const credited = (state: AccountState, { cents, reference = '' }: Moved): AccountState => ({
  ...state,
  cents: state.cents + cents,
  movements: state.movements + 1,
  lastReference: reference,
})

const debited = (state: AccountState, { cents, reference }: Moved): AccountState =>
  credited(state, { cents: -cents, reference })

/** The rule of every command but `open`: a refusal, or undefined when the account is open. */
export function mustBeOpen(state: AccountState) {
  if (state.status !== 'open') return refuse('AccountNotOpen', { status: state.status })
  return undefined
}

/** The rule of whatever an owner spends: a refusal, or undefined when balance and overdraft suffice. */
export function mustCover(state: AccountState, cents: number) {
  const availableCents = state.cents + state.limitCents
  if (cents > availableCents) return refuse('InsufficientFunds', { availableCents, wantedCents: cents })
  return mustBeOpen(state)
}

/** A movement; and when it takes the account below what was agreed, that as well: an overdraft is never silent. */
export function booked(state: AccountState, movement: Movement) {
  const { limitCents } = state
  const sign = movementSigns[movement.type]
  const byCents = -(state.cents + sign * movement.data.cents) - limitCents
  if (byCents <= 0 || sign * movement.data.cents > 0) return [movement]
  return [movement, accountEvents.OverdraftExceeded({ limitCents, byCents })]
}

/**
 * An account. Owners can spend what they have and what was agreed. The bank books its charges whatever the balance,
 * and `record` takes over what a ledger has booked already: that happened, so it is not refused for lack of money.
 */
export const account = decider('account', {
  events: accountEvents,
  initialState,
  evolve: {
    AccountOpened: opened,
    OverdraftAgreed: (state, { limitCents }) => ({ ...state, limitCents }),
    MoneyDeposited: credited,
    TransferReceived: credited,
    InterestCredited: credited,
    ChargeRefunded: credited,
    BalanceAdjusted: credited,
    MoneyWithdrawn: debited,
    CardWithdrawalMade: debited,
    TransferSent: debited,
    LoanPaymentMade: debited,
    PenaltyInterestCharged: debited,
    FeeCharged: debited,
    OverdraftExceeded: (state) => state,
    AccountClosed: closed,
  },
  commands: {
    open: (state, input: DataOf<'AccountOpened'>) =>
      state.status === 'new'
        ? accountEvents.AccountOpened(input)
        : refuse('AlreadyOpened', { status: state.status }),
    agreeOverdraft: (state, input: DataOf<'OverdraftAgreed'>) =>
      mustBeOpen(state) ?? accountEvents.OverdraftAgreed(input),

    deposit: (state, input: DataOf<'MoneyDeposited'>) =>
      mustBeOpen(state) ?? accountEvents.MoneyDeposited(input),
    withdraw: (state, input: DataOf<'MoneyWithdrawn'>) =>
      mustCover(state, input.cents) ?? accountEvents.MoneyWithdrawn(input),
    withdrawByCard: (state, input: DataOf<'CardWithdrawalMade'>) =>
      mustCover(state, input.cents) ?? accountEvents.CardWithdrawalMade(input),
    /** To an account of another bank; between two accounts of this one it is `transfer`. */
    send: (state, input: DataOf<'TransferSent'>) =>
      mustCover(state, input.cents) ?? accountEvents.TransferSent(input),
    receive: (state, input: DataOf<'TransferReceived'>) =>
      mustBeOpen(state) ?? accountEvents.TransferReceived(input),
    payLoan: (state, input: DataOf<'LoanPaymentMade'>) =>
      mustCover(state, input.cents) ?? accountEvents.LoanPaymentMade(input),

    creditInterest: (state, input: DataOf<'InterestCredited'>) =>
      mustBeOpen(state) ?? accountEvents.InterestCredited(input),
    chargeFee: (state, input: DataOf<'FeeCharged'>) =>
      mustBeOpen(state) ?? booked(state, accountEvents.FeeCharged(input)),
    chargePenaltyInterest: (state, input: DataOf<'PenaltyInterestCharged'>) =>
      mustBeOpen(state) ?? booked(state, accountEvents.PenaltyInterestCharged(input)),
    adjust: (state, input: DataOf<'BalanceAdjusted'>) =>
      mustBeOpen(state) ?? booked(state, accountEvents.BalanceAdjusted(input)),
    record: (state, movement: Movement) =>
      movement.type in movementSigns
        ? (mustBeOpen(state) ?? booked(state, movement))
        : refuse('NoMovement', { known: Object.keys(movementSigns) }),

    close: (state) => {
      if (state.cents !== 0) return refuse('BalanceNotZero', { cents: state.cents })
      return mustBeOpen(state) ?? accountEvents.AccountClosed({})
    },
  },
  // What `book.undo` takes back, with its actor and reason; other mistakes are put right by `adjust`.
  compensate: {
    FeeCharged: (_, { cents }) => accountEvents.ChargeRefunded({ cents }),
    PenaltyInterestCharged: (_, { cents }) => accountEvents.ChargeRefunded({ cents }),
  },
})
