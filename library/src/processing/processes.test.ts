import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  appendTo,
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

test('a refusal is recorded with its facts, and reacted to', async () => {
  await using book = await bank(memory())
  await book.execute(account.open('1', { cents: 100 }))
  await book.execute(withdrawal.request('7', { account: '1', cents: 200 }))
  const own = await until(book, 'process:settlement-7', 'process:CommandAccepted')
  assert.deepEqual(own, ['process:InputTaken', 'process:CommandRefused', 'process:CommandAccepted'])
  const [, refused] = await Array.fromAsync(book.processes.history(settlement, '7'))
  assert.partialDeepStrictEqual(refused?.data, {
    reason: 'InsufficientFunds',
    facts: { available: 100 },
  })
  assert.equal((await book.load(withdrawal, '7')).state, 'cancelled')
})

test('an end cancels the deadlines, and what comes after it is ignored', async () => {
  await using book = await bank(memory())
  await book.execute(account.open('1', { cents: 500 }))
  await book.execute(withdrawal.request('7', { account: '1', cents: 200 }))
  await book.execute(withdrawal.settle('7'))
  const settled = book.readLog({ follow: true })
  for await (const { stream } of settled) {
    const state = stream.startsWith('process:') ? await book.processes.state(settlement, '7') : undefined
    if (state?.isFinished !== true || state.waitsFor.length > 0) continue
    assert.equal(state.version, 3)
    break
  }
  await book.append('withdrawal-7', withdrawalEvents.WithdrawalCancelled({ reason: 'late' }))
  await book.execute(withdrawal.request('8', { account: '1', cents: 1 }))
  await until(book, 'process:settlement-8', 'process:CommandAccepted')
  assert.equal((await book.processes.state(settlement, '7'))?.version, 3)
})

const shaky = decider('shaky', {
  events: withdrawalEvents,
  initialState: 0,
  evolve: {
    WithdrawalRequested: (state) => state,
    WithdrawalSettled: (state) => state,
    WithdrawalCancelled: (state) => state,
  },
  commands: {
    pay: () => {
      throw new Error('out of order')
    },
  },
})

const paying = {
  from: withdrawalEvents,
  categories: ['withdrawal'],
  key: (event: RecordedEvent) => event.streamId,
  initialState: 0,
  on: { WithdrawalRequested: () => shaky.pay('1') },
  retry: { maxAttempts: 2 },
}

test('a command that keeps failing is parked, and its instance stays pending', async () => {
  const parked = Promise.withResolvers<void>()
  await using book = await openBook({
    store: memory(),
    deciders: [withdrawal, shaky],
    processes: [processManager('paying', paying)],
    onDiagnostic: ({ kind }) => kind === 'event-parked' && parked.resolve(),
  })
  await book.execute(withdrawal.request('7', { account: '1', cents: 1 }))
  await parked.promise
  // The read model is a moment behind.
  let [pending] = await book.processes.pending({ process: 'paying' })
  while (pending === undefined) [pending] = await book.processes.pending({ process: 'paying' })
  assert.deepEqual(
    pending.waitsFor.map((wait) => wait.kind === 'command' && wait.command.name),
    ['pay'],
  )
})

test('or given up, where the manager knows what to do then', async () => {
  await using book = await openBook({
    store: memory(),
    deciders: [withdrawal, shaky],
    processes: [
      processManager('paying', {
        ...paying,
        onFailed: (_state, { error }, _command, { key }) => withdrawal.cancel(key, { reason: error }),
      }),
    ],
  })
  await book.execute(withdrawal.request('7', { account: '1', cents: 1 }))
  const own = await until(book, 'process:paying-7', 'process:CommandAccepted')
  assert.deepEqual(own, ['process:InputTaken', 'process:CommandFailed', 'process:CommandAccepted'])
  assert.equal((await book.load(withdrawal, '7')).state, 'cancelled')
})

test('own streams are nobody else’s', async () => {
  await using book = await bank(memory())
  const illegal = { code: 'ILLEGAL_NAME' }
  const event = withdrawalEvents.WithdrawalSettled({})
  await assert.rejects(book.append('process:settlement-7', event), illegal)
  assert.throws(() => appendTo('process:settlement-7', event), illegal)
  assert.throws(
    () => decider('process:x', { events: withdrawalEvents, initialState: 0, evolve: identity, commands: {} }),
    illegal,
  )
})

const identity = {
  WithdrawalRequested: (state: number) => state,
  WithdrawalSettled: (state: number) => state,
  WithdrawalCancelled: (state: number) => state,
}

test('what contradicts itself is no process manager', () => {
  const invalid = { code: 'DEFINITION_INVALID' }
  const base = { from: withdrawalEvents, key: () => '1', initialState: 0 }
  assert.throws(() => processManager('a-b', { ...base, on: { WithdrawalSettled: () => [] } }), invalid)
  assert.throws(() => processManager('a', base), invalid)
  assert.throws(() => deadline.set('x', {}), { code: 'ILLEGAL_ARGUMENT' })
  assert.throws(() => deadline.set('x', { hours: -1 }), { code: 'ILLEGAL_ARGUMENT' })
  assert.equal(deadline.set('x', { days: 1, minutes: 0.5 }).afterMs, 86_430_000)
})
