/** Withdrawals that are cancelled when nobody settles them in time: a process manager between two deciders. */
import {
  type Book,
  deadline,
  decider,
  defineEvents,
  finish,
  type ProcessManager,
  processManager,
  refuse,
} from 'daybook'
import { z } from 'zod'

const withdrawalEvents = defineEvents({
  WithdrawalRequested: z.object({ account: z.string(), cents: z.int() }),
  WithdrawalSettled: z.object({}),
  WithdrawalCancelled: z.object({ reason: z.string() }),
})

export const withdrawal = decider('withdrawal', {
  events: withdrawalEvents,
  initialState: 'new' as string,
  evolve: {
    WithdrawalRequested: () => 'requested',
    WithdrawalSettled: () => 'settled',
    WithdrawalCancelled: () => 'cancelled',
  },
  commands: {
    request: (state, input: { readonly account: string; readonly cents: number }) =>
      state === 'new' ? withdrawalEvents.WithdrawalRequested(input) : refuse('Requested'),
    settle: (state) =>
      state === 'requested' ? withdrawalEvents.WithdrawalSettled({}) : refuse('NotRequested'),
    cancel: (state, { reason }: { readonly reason: string }) =>
      state === 'requested' ? withdrawalEvents.WithdrawalCancelled({ reason }) : refuse('NotRequested'),
  },
})

const accountEvents = defineEvents({
  AccountOpened: z.object({ cents: z.int() }),
  MoneyReserved: z.object({ cents: z.int(), withdrawal: z.string() }),
  MoneyReleased: z.object({ cents: z.int() }),
})

export const account = decider('account', {
  events: accountEvents,
  initialState: 0,
  evolve: {
    AccountOpened: (_state, { cents }) => cents,
    MoneyReserved: (state, { cents }) => state - cents,
    MoneyReleased: (state, { cents }) => state + cents,
  },
  commands: {
    open: (_state, input: { readonly cents: number }) => accountEvents.AccountOpened(input),
    reserve: (state, input: { readonly cents: number; readonly withdrawal: string }) =>
      input.cents <= state
        ? accountEvents.MoneyReserved(input)
        : refuse('InsufficientFunds', { available: state }),
    release: (_state, input: { readonly cents: number }) => accountEvents.MoneyReleased(input),
  },
})

export interface Settlement {
  readonly account: string
  readonly reserved: number
}
const initialState: Settlement = { account: '', reserved: 0 }

/** A settlement whose deadline is so far away. */
export function settlementWithin(timeMs: number): ProcessManager<Settlement> {
  return processManager('settlement', {
    from: [withdrawalEvents, accountEvents],
    key: (event) => ('withdrawal' in event.data ? event.data.withdrawal : event.streamId),
    startsWith: ['WithdrawalRequested'],
    initialState,
    evolve: {
      WithdrawalRequested: (state, { account }) => ({ ...state, account }),
      MoneyReserved: (state, { cents }) => ({ ...state, reserved: cents }),
    },
    on: {
      WithdrawalRequested: (_state, { account: id, cents }, { streamId }) =>
        account.reserve(id, { cents, withdrawal: streamId }),
      MoneyReserved: () => deadline.set('settle', { ms: timeMs }),
      WithdrawalSettled: () => finish(),
      WithdrawalCancelled: ({ account: id, reserved }) =>
        reserved === 0 ? finish() : [account.release(id, { cents: reserved }), finish()],
    },
    deadlines: { settle: (_state, { key }) => withdrawal.cancel(key, { reason: 'TooLate' }) },
    // An event that is handled while the process dies ten times would be parked: as if it were its fault.
    retry: { maxAttempts: 1_000 },
    onRefused: (_state, { reason }, command, { key }) =>
      command.name === 'reserve' ? withdrawal.cancel(key, { reason }) : [],
  })
}

/** What must be in each stream in the end of a withdrawal `a` that is cancelled and a `b` that is refused. */
export const expectedHistory: { readonly [stream: string]: readonly string[] } = {
  'account-1': ['AccountOpened', 'MoneyReleased', 'MoneyReserved'],
  'withdrawal-a': ['WithdrawalCancelled', 'WithdrawalRequested'],
  'withdrawal-b': ['WithdrawalCancelled', 'WithdrawalRequested'],
  'process:settlement-a': [
    'process:CommandAccepted',
    'process:CommandAccepted',
    'process:CommandAccepted',
    'process:DeadlineReached',
    'process:InputTaken',
    'process:InputTaken',
    'process:InputTaken',
  ],
  'process:settlement-b': [
    'process:CommandAccepted',
    'process:CommandRefused',
    'process:InputTaken',
    'process:InputTaken',
  ],
}

/** The types of all events by stream, sorted: their order is not the same each time. */
export async function historyOf(book: Book): Promise<typeof expectedHistory> {
  const types: { [stream: string]: string[] } = {}
  for await (const { stream, type } of book.readLog()) types[stream] = [...(types[stream] ?? []), type]
  return Object.fromEntries(Object.entries(types).map(([stream, all]) => [stream, all.toSorted()]))
}
