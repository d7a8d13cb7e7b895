import { decider, defineEvents, projection, refuse, type Schema } from 'daybook'

/** The events of bank accounts: what the benchmarks write, of the size that such events have. */
interface Opened {
  readonly owner: string
  readonly currency: string
}
export interface Movement {
  readonly cents: number
  readonly reference: string
}

/** A schema written by hand, so that what is measured is Daybook and not a validator. */
function schema<Data extends object>(isValid: (data: Data) => boolean): Schema<Data, Data> {
  return {
    '~standard': {
      version: 1,
      vendor: 'daybook-bench',
      validate: (value) =>
        isValid(value as Data) ? { value: value as Data } : { issues: [{ message: 'is not valid' }] },
    },
  }
}

export const movement = schema<Movement>(
  ({ cents, reference }) => Number.isSafeInteger(cents) && cents > 0 && typeof reference === 'string',
)

export const accountEvents = defineEvents({
  AccountOpened: schema<Opened>(({ owner, currency }) => owner.length > 0 && currency.length === 3),
  MoneyDeposited: movement,
  MoneyWithdrawn: movement,
})

export interface Account {
  readonly status: 'new' | 'open'
  readonly cents: number
  readonly movements: number
}

export const newAccount: Account = { status: 'new', cents: 0, movements: 0 }

export const account = decider('account', {
  events: accountEvents,
  initialState: newAccount,
  evolve: {
    AccountOpened: (state) => ({ ...state, status: 'open' }),
    MoneyDeposited: (state, { cents }) => moved(state, cents),
    MoneyWithdrawn: (state, { cents }) => moved(state, -cents),
  },
  commands: {
    deposit: (_state, input: Movement) => accountEvents.MoneyDeposited(input),
    withdraw: (state, input: Movement) =>
      input.cents <= state.cents
        ? accountEvents.MoneyWithdrawn(input)
        : refuse('InsufficientFunds', { available: state.cents }),
  },
})

function moved(state: Account, cents: number): Account {
  return { ...state, cents: state.cents + cents, movements: state.movements + 1 }
}

/** The read model that is rebuilt; each version is a new one, filled from the first event on. */
export function balances(version: number) {
  return projection('balances', {
    version,
    from: accountEvents,
    key: (event) => event.streamId,
    initial: { cents: 0, movements: 0 },
    columns: { cents: 'integer' },
    evolve: {
      MoneyDeposited: (document, { cents }) => ({
        cents: document.cents + cents,
        movements: document.movements + 1,
      }),
      MoneyWithdrawn: (document, { cents }) => ({
        cents: document.cents - cents,
        movements: document.movements + 1,
      }),
    },
  })
}

/** The data of the nth movement. */
export function movementData(index: number): Movement {
  return { cents: 100_000 + (index % 900_000), reference: `transfer ${String(index).padStart(9, '0')}` }
}

/** The nth event: now a deposit, now a smaller withdrawal. */
export function movementEvent(index: number) {
  const data = movementData(index)
  return index % 2 === 0
    ? accountEvents.MoneyDeposited(data)
    : accountEvents.MoneyWithdrawn({ ...data, cents: 1 })
}

/** What everybody's events carry besides. */
export const actor = 'teller-7'
