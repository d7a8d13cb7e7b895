import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import {
  type accepted,
  aggregate,
  appendTo,
  type Book,
  boundary,
  decider,
  decision,
  defineEvents,
  event,
  projection,
  reaction,
  refuse,
} from '../index.ts'

/** True when two types are the same, not merely assignable. */
type Same<One, Other> =
  (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false

function assertType<_Check extends true>(): void {}

const accountEvents = defineEvents({
  AccountOpened: z.object({ owner: z.string(), currency: z.string().default('CZK') }),
  MoneyDeposited: v.object({ cents: v.number() }),
  MoneyWithdrawn: event(type({ cents: 'number' }), { tags: ({ cents }) => [`cents:${cents}`] }),
})

const account = decider('account', {
  events: accountEvents,
  initialState: { isOpen: false, cents: 0, currency: '' },
  evolve: {
    AccountOpened: (state, { currency }) => ({ ...state, isOpen: true, currency }),
    MoneyDeposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
    MoneyWithdrawn: (state, { cents }, { version }) => ({
      ...state,
      cents: state.cents - cents * Math.sign(version),
    }),
  },
  commands: {
    open: (state, input: { owner: string }) =>
      state.isOpen ? refuse('AlreadyOpen') : accountEvents.AccountOpened(input),
    withdraw: (state, { cents }: { cents: number }) =>
      cents <= state.cents
        ? accountEvents.MoneyWithdrawn({ cents })
        : refuse('InsufficientFunds', { available: state.cents }),
    close: () => [accountEvents.MoneyDeposited({ cents: 1 }), accountEvents.MoneyWithdrawn({ cents: 1 })],
  },
})

/** Never runs: the compiler is the test. */
export async function typesOfExecuting(book: Book): Promise<void> {
  const done = await book.execute(account.withdraw('42', { cents: 5 }))
  assertType<Same<typeof done.state, { isOpen: boolean; cents: number; currency: string }>>()
  if (done.refused) {
    assertType<Same<typeof done.refused.reason, 'InsufficientFunds'>>()
    assertType<Same<typeof done.refused.facts, { readonly available: number }>>()
  } else {
    const [first] = done.events
    if (first?.type === 'AccountOpened')
      assertType<Same<typeof first.data, { owner: string; currency: string }>>()
  }
  assertType<Same<ReturnType<typeof accepted<{ cents: number }, never>>['refused'], undefined>>()

  const closed = await book.execute(account.close('42'))
  // A command that never refuses has no refused outcome to look at.
  assertType<Same<typeof closed.refused, undefined>>()

  const { state } = await book.load(account, '42', { atTime: '1993-12-31' })
  assertType<Same<typeof state.cents, number>>()

  // @ts-expect-error a field of the input is misspelt
  void book.execute(account.withdraw('42', { cent: 5 }))
  // @ts-expect-error the input is missing
  void book.execute(account.withdraw('42'))
  // @ts-expect-error there is no such command
  void book.execute(account.withdrawl('42', { cents: 5 }))
  // @ts-expect-error the state has no such field
  void done.state.balance
}

/** Never runs: wrong definitions do not compile. */
export function typesOfDefining(): void {
  // @ts-expect-error a field of the event is misspelt
  accountEvents.MoneyDeposited({ cent: 5 })
  // @ts-expect-error there is no such event
  accountEvents.MoneyDepositd({ cents: 5 })

  const initialState = { cents: 0 }
  decider('account', {
    events: accountEvents,
    initialState,
    // @ts-expect-error MoneyWithdrawn is not handled
    evolve: { AccountOpened: (state) => state, MoneyDeposited: (state) => state },
    commands: {},
  })
  decider('account', {
    events: accountEvents,
    initialState,
    evolve: {
      AccountOpened: (state) => state,
      MoneyDeposited: (state) => state,
      MoneyWithdrawn: (state) => state,
      // @ts-expect-error there is no such event
      MoneyWithdrawl: (state) => state,
    },
    commands: {},
  })
  decider('account', {
    events: accountEvents,
    initialState,
    evolve: {
      AccountOpened: (state) => state,
      // @ts-expect-error the state it returns lacks cents
      MoneyDeposited: () => ({ balance: 1 }),
      // @ts-expect-error the event has no such field
      MoneyWithdrawn: (state, { amount }) => ({ cents: state.cents - amount }),
    },
    commands: {},
  })
  const otherEvents = defineEvents({ OrderPlaced: z.object({}) })
  decider('account', {
    events: accountEvents,
    initialState,
    evolve: {
      AccountOpened: (state) => state,
      MoneyDeposited: (state) => state,
      MoneyWithdrawn: (state) => state,
    },
    commands: {
      // @ts-expect-error the event belongs to another set
      order: () => otherEvents.OrderPlaced({}),
    },
  })
}

/** Never runs: a state with literals, declared as such, needs no annotation where it is spread. */
export async function typesOfLiteralStates(book: Book): Promise<void> {
  const initialState: { status: 'new' | 'open'; cents: number } = { status: 'new', cents: 0 }
  const evolve = { MoneyWithdrawn: (state: typeof initialState) => state }
  const declared = decider('account', {
    events: accountEvents,
    initialState,
    evolve: {
      AccountOpened: (state) => ({ ...state, status: 'open' }),
      MoneyDeposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
      ...evolve,
    },
    commands: {
      open: (state, input: { owner: string }) =>
        state.status === 'open' ? refuse('AlreadyOpen') : accountEvents.AccountOpened(input),
    },
  })
  const { state: loaded } = await book.load(declared, '42')
  assertType<Same<typeof loaded.status, 'new' | 'open'>>()
  decider('account', {
    events: accountEvents,
    initialState: { status: 'new', cents: 0 } as { status: 'new' | 'open'; cents: number },
    evolve: {
      AccountOpened: (state) => ({ ...state, status: 'open' }),
      // @ts-expect-error there is no such status
      MoneyDeposited: (state) => ({ ...state, status: 'closed' }),
      ...evolve,
    },
    commands: {},
  })
  const boundaryOf = boundary('opened', {
    events: accountEvents,
    initialState,
    evolve: { AccountOpened: (state) => ({ ...state, status: 'open' }) },
  })
  assertType<Same<ReturnType<typeof boundaryOf.matching>['fold']['name'], string>>()
  boundary('opened', {
    events: accountEvents,
    initialState,
    // @ts-expect-error there is no such status
    evolve: { AccountOpened: (state) => ({ ...state, status: 'closed' }) },
  })
  projection('statuses', {
    from: accountEvents,
    key: ({ streamId }) => streamId,
    initial: initialState,
    evolve: {
      AccountOpened: (document) => ({ ...document, status: 'open' }),
      // @ts-expect-error there is no such status
      MoneyDeposited: (document) => ({ ...document, status: 'closed' }),
    },
  })
}

/** Never runs: decisions, boundaries, projections, reactions and aggregates. */
export async function typesOfTheRest(book: Book): Promise<void> {
  const withdrawals = boundary('withdrawals', {
    events: accountEvents,
    initialState: { count: 0 },
    evolve: { MoneyWithdrawn: (state) => ({ count: state.count + 1 }) },
  })
  const transfer = decision('transfer', {
    reads: ({ from, cents }: { from: string; cents: number }) => ({
      source: account.stream(from),
      seen: withdrawals.matching({ tags: [`cents:${cents}`] }),
    }),
    decide: ({ source, seen }, { cents }) => {
      assertType<Same<typeof seen.state, { count: number }>>()
      if (source.state.cents < cents) return refuse('InsufficientFunds')
      return [appendTo(source, accountEvents.MoneyWithdrawn({ cents }))]
    },
  })
  const done = await book.execute(transfer({ from: '42', cents: 5 }))
  assertType<Same<typeof done.state.source.state.cents, number>>()
  if (done.refused) assertType<Same<typeof done.refused.reason, 'InsufficientFunds'>>()

  const balances = projection('balances', {
    from: accountEvents,
    key: ({ streamId }) => streamId,
    initial: { cents: 0, owner: '' },
    columns: { cents: 'integer', owner: 'text' },
    evolve: { MoneyDeposited: (document, { cents }) => ({ ...document, cents: document.cents + cents }) },
  })
  const found = await book
    .read(balances)
    .find({ where: { cents: { gt: 5 }, owner: 'Ada' }, orderBy: { cents: 'desc' } })
  assertType<Same<(typeof found)[0]['document'], { cents: number; owner: string }>>()
  // @ts-expect-error cents is a number
  void book.read(balances).find({ where: { cents: { gt: '5' } } })
  // @ts-expect-error movements is no declared column
  void book.read(balances).find({ orderBy: { movements: 'desc' } })
  projection('wrong', {
    from: accountEvents,
    key: () => 'one',
    initial: { cents: 0 },
    // @ts-expect-error a column must be a field of the document
    columns: { cent: 'integer' },
    evolve: {},
  })

  reaction('mail', {
    from: accountEvents,
    types: ['MoneyWithdrawn'],
    run: (withdrawn) => assertType<Same<typeof withdrawn.data, { cents: number }>>(),
  })

  class Account extends aggregate('account', accountEvents) {
    cents = 0
    readonly on = this.appliers({
      AccountOpened: () => {},
      MoneyDeposited: ({ cents }) => {
        this.cents += cents
      },
      MoneyWithdrawn: ({ cents }) => {
        this.cents -= cents
      },
    })
    deposit(cents: number): void {
      this.apply(accountEvents.MoneyDeposited({ cents }))
    }
  }
  const loaded = await book.repository(Account).load('42')
  assertType<Same<typeof loaded.cents, number>>()
}

test('what the compiler refuses is listed here; what it infers works at run time', () => {
  const command = account.withdraw('42', { cents: 5 })
  assert.equal(command.name, 'withdraw')
  assert.equal(account.stream('42').stream, 'account-42')
})
