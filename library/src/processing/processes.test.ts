import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  type Book,
  type BookOptions,
  deadline,
  decider,
  defineEvents,
  finish,
  openBook,
  processManager,
  type RecordedEvent,
  refuse,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const withdrawalEvents = defineEvents({
  WithdrawalRequested: z.object({ account: z.string(), cents: z.int() }),
  WithdrawalSettled: z.object({}),
  WithdrawalCancelled: z.object({ reason: z.string() }),
})

const withdrawal = decider('withdrawal', {
  events: withdrawalEvents,
  initialState: 'new' as string,
  evolve: {
    WithdrawalRequested: () => 'requested',
    WithdrawalSettled: () => 'settled',
    WithdrawalCancelled: () => 'cancelled',
  },
  commands: {
    request: (_state, input: { readonly account: string; readonly cents: number }) =>
      withdrawalEvents.WithdrawalRequested(input),
    settle: (state) =>
      state === 'requested' ? withdrawalEvents.WithdrawalSettled({}) : refuse('NotRequested'),
    cancel: (state, { reason }: { readonly reason: string }) =>
      state === 'requested' ? withdrawalEvents.WithdrawalCancelled({ reason }) : refuse('NotRequested'),
  },
})

const accountEvents = defineEvents({
  Opened: z.object({ cents: z.int() }),
  Reserved: z.object({ cents: z.int() }),
  Released: z.object({ cents: z.int() }),
})

const account = decider('account', {
  events: accountEvents,
  initialState: 0,
  evolve: {
    Opened: (_cents, { cents }) => cents,
    Reserved: (state, { cents }) => state - cents,
    Released: (state, { cents }) => state + cents,
  },
  commands: {
    open: (_state, input: { readonly cents: number }) => accountEvents.Opened(input),
    reserve: (state, { cents }: { readonly cents: number }) =>
      cents <= state ? accountEvents.Reserved({ cents }) : refuse('InsufficientFunds', { available: state }),
    release: (_state, input: { readonly cents: number }) => accountEvents.Released(input),
  },
})

const settlement = processManager('settlement', {
  from: withdrawalEvents,
  key: (event) => event.streamId,
  startsWith: ['WithdrawalRequested'],
  initialState: { account: '', cents: 0 },
  evolve: { WithdrawalRequested: (_state, { account, cents }) => ({ account, cents }) },
  on: {
    WithdrawalRequested: (state) => [
      account.reserve(state.account, { cents: state.cents }),
      deadline.set('settle', { hours: 24 }),
    ],
    WithdrawalSettled: () => finish(),
    WithdrawalCancelled: (state) => [account.release(state.account, { cents: state.cents }), finish()],
  },
  deadlines: {
    settle: (_state, { key }) => withdrawal.cancel(key, { reason: 'not settled in 24 h' }),
  },
  onRefused: (_state, { reason }, command, { key }) =>
    command.name === 'reserve' ? withdrawal.cancel(key, { reason }) : [],
})

function bank(store: BookOptions['store'], options: Partial<BookOptions> = {}): Promise<Book> {
  return openBook({ store, deciders: [withdrawal, account], processes: [settlement], ...options })
}

/** The instant so many hours after the first event of an outcome. */
function at({ events }: { readonly events: readonly RecordedEvent[] }, hours: number): string {
  return new Date(Date.parse(events[0]?.recordedAt ?? '') + hours * 3_600_000).toISOString()
}

/** The events of a stream, from the first on, until one is found. */
async function until(book: Book, stream: string, type: string): Promise<readonly string[]> {
  const types: string[] = []
  for await (const event of book.readLog({ follow: true })) {
    if (event.stream === stream) types.push(event.type)
    if (event.stream === stream && event.type === type) break
  }
  return types
}

test('commands are issued on events, and their outcomes recorded', async () => {
  await using book = await bank(memory())
  await book.execute(account.open('1', { cents: 500 }))
  const requested = await book.execute(withdrawal.request('7', { account: '1', cents: 200 }))
  await until(book, 'process:settlement-7', 'process:CommandAccepted')
  assert.equal((await book.load(account, '1')).state, 300)
  const history = []
  for await (const event of book.processes.history(settlement, '7')) history.push(event)
  const [taken, accepted] = history
  assert.equal(taken?.metadata.causationId, requested.events[0]?.id)
  assert.equal(accepted?.metadata.correlationId, requested.events[0]?.id)
  assert.deepEqual(await book.processes.state(settlement, '7'), {
    state: { account: '1', cents: 200 },
    isFinished: false,
    waitsFor: [{ kind: 'deadline', name: 'settle', dueAt: at(requested, 24) }],
    version: 2,
  })
})
