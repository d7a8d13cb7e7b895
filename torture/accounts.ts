/** The book that most tests write: accounts, each event carrying the operation it belongs to. */
import { decider, defineEvents, projection, refuse, type Schema } from 'daybook'

/** Every event says which operation wrote it, which of its events it is, and how many there are. */
export interface Written {
  readonly op: string
  readonly cents: number
  /** Makes some events larger than a page. */
  readonly filler?: string
  readonly index: number
  readonly of: number
}

/** A schema that lets everything through: what is tested is the log. */
export function anything<Value>(): Schema<Value> {
  return {
    '~standard': { version: 1, vendor: 'torture', validate: (value) => ({ value: value as Value }) },
  }
}

export const accountEvents = defineEvents({
  Opened: anything<Written>(),
  Deposited: anything<Written>(),
  Withdrawn: anything<Written>(),
})

export interface AccountState {
  readonly isOpen: boolean
  readonly cents: number
  readonly movements: number
}

type Wish = Omit<Written, 'index' | 'of'>
const alone = (wish: Wish): Written => ({ ...wish, index: 0, of: 1 })

export const account = decider('account', {
  events: accountEvents,
  initialState: { isOpen: false, cents: 0, movements: 0 } as AccountState,
  evolve: {
    Opened: (state) => ({ ...state, isOpen: true }),
    Deposited: (state, { cents }) => ({
      ...state,
      cents: state.cents + cents,
      movements: state.movements + 1,
    }),
    Withdrawn: (state, { cents }) => ({
      ...state,
      cents: state.cents - cents,
      movements: state.movements + 1,
    }),
  },
  commands: {
    /** A repeat would be refused, were it not known for one. */
    open: (state, wish: Wish) => (state.isOpen ? refuse('IsOpen') : accountEvents.Opened(alone(wish))),
    deposit: (_state, wish: Wish) => accountEvents.Deposited(alone(wish)),
    /** As `open`: it takes all there is, so that there is nothing left for a repeat. */
    empty: (state, wish: Wish) =>
      state.cents > 0
        ? [
            accountEvents.Withdrawn({ op: wish.op, index: 0, of: 2, cents: state.cents }),
            accountEvents.Deposited({ op: wish.op, index: 1, of: 2, cents: 0 }),
          ]
        : refuse('IsEmpty'),
    /** Decides nothing. */
    look: (_state, _wish: Wish) => [],
  },
})

export interface Balance {
  readonly cents: number
  readonly movements: number
}

const noBalance: Balance = { cents: 0, movements: 0 }
const moved = (balance: Balance, cents: number): Balance => ({
  cents: balance.cents + cents,
  movements: balance.movements + 1,
})
const balanceEvolve = {
  Deposited: (balance: Balance, { cents }: Written) => moved(balance, cents),
  Withdrawn: (balance: Balance, { cents }: Written) => moved(balance, -cents),
}

/** Follows the log in the background. */
export const balances = projection('balances', {
  from: accountEvents,
  key: (event) => event.stream,
  initial: noBalance,
  evolve: balanceEvolve,
})

/** Moves in the append's own transaction. */
export const totals = projection('totals', {
  from: accountEvents,
  key: () => 'all',
  initial: noBalance,
  evolve: balanceEvolve,
  mode: 'inline',
})

/** The same folds, written again and knowing nothing of projections: what the read models must equal. */
export function referenceBalances(
  events: readonly { readonly stream: string; readonly type: string; readonly data: string }[],
): { readonly balances: Map<string, Balance>; readonly totals: Balance } {
  const byStream = new Map<string, Balance>()
  let all = noBalance
  for (const { stream, type, data } of events) {
    if (type !== 'Deposited' && type !== 'Withdrawn') continue
    const { cents } = JSON.parse(data) as Written
    const signed = type === 'Deposited' ? cents : -cents
    byStream.set(stream, moved(byStream.get(stream) ?? noBalance, signed))
    all = moved(all, signed)
  }
  return { balances: byStream, totals: all }
}
