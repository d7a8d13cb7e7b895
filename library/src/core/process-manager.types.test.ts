import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { decider } from './decider.ts'
import { decision } from './decision.ts'
import { defineEvents } from './event.ts'
import { type ProcessManager, processManager } from './process-manager.ts'
import { deadline, finish } from './process-steps.ts'

const withdrawals = defineEvents({
  WithdrawalRequested: z.object({ cents: z.int(), account: z.string() }),
  WithdrawalSettled: z.object({ receipt: z.string() }),
})
const payments = defineEvents({ PaymentFailed: z.object({ why: z.string() }) })

const account = decider('account', {
  events: defineEvents({ Reserved: z.object({ cents: z.int() }) }),
  initialState: 0,
  evolve: { Reserved: (cents, { cents: more }) => cents + more },
  commands: { release: (_cents, _input: { readonly cents: number }) => undefined, touch: () => undefined },
})

const transfer = decision('transfer', {
  reads: (input: { readonly from: string }) => ({ from: account.stream(input.from) }),
  decide: () => [],
})

interface State {
  readonly cents: number
  readonly status: 'requested' | 'failed'
}
const initialState: State = { cents: 0, status: 'requested' }

function same<One, Other extends One>(_one?: One, _other?: Other): void {}

test('everything is inferred from the events, the initial state and the names of the deadlines', () => {
  const settlement = processManager('settlement', {
    from: [withdrawals, payments],
    key: (event) => {
      same<'WithdrawalRequested' | 'WithdrawalSettled' | 'PaymentFailed', typeof event.type>()
      return event.streamId
    },
    startsWith: ['WithdrawalRequested'],
    initialState,
    evolve: {
      WithdrawalRequested: (state, { cents }) => ({ ...state, cents }),
      PaymentFailed: (state, { why }, event) => {
        same<string, typeof why>()
        same<'PaymentFailed', typeof event.type>()
        return { ...state, status: 'failed' }
      },
    },
    on: {
      WithdrawalRequested: (state, { account: id }, event) => [
        account.release(id, { cents: state.cents }),
        account.touch(event.streamId),
        transfer({ from: id }),
        deadline.set('settle', { hours: 24 }),
      ],
      WithdrawalSettled: () => [deadline.cancel('settle'), finish()],
      PaymentFailed: () => finish(),
    },
    deadlines: {
      settle: (state, { dueAt }) => {
        same<State, typeof state>()
        same<string, typeof dueAt>()
        return [account.touch('1'), deadline.set('remind', { at: dueAt })]
      },
      remind: () => undefined,
    },
    onRefused: (state, refusal, command) => {
      same<State, typeof state>()
      return refusal.reason === 'NoMoney' && command.kind === 'command'
        ? deadline.set('remind', { days: 1 })
        : []
    },
    decisions: [transfer],
  })
  same<ProcessManager<State>, typeof settlement>()
})

test('what is not there is refused by the compiler', () => {
  const base = { from: withdrawals, key: () => '1', initialState } as const
  processManager('a', {
    ...base,
    on: {
      // @ts-expect-error there is no such deadline
      WithdrawalRequested: () => [deadline.set('settel', { hours: 24 })],
    },
    deadlines: { settle: () => [] },
  })
  processManager('b', {
    ...base,
    // @ts-expect-error there are no deadlines at all
    on: { WithdrawalRequested: () => [deadline.set('settle', { hours: 24 })] },
  })
  const invalid = { code: 'DEFINITION_INVALID' }
  const listening = (): unknown =>
    processManager('c', {
      ...base,
      // @ts-expect-error it listens to no such type
      on: { WithdrawalRequested: () => [], PaymentFailed: () => [] },
    })
  assert.throws(listening, invalid)
  const starting = (): unknown =>
    processManager('d', {
      ...base,
      on: { WithdrawalRequested: () => [] },
      // @ts-expect-error it listens to no such type
      startsWith: ['PaymentFailed'],
    })
  assert.throws(starting, invalid)
  processManager('e', {
    ...base,
    evolve: {
      // @ts-expect-error that is no state
      WithdrawalRequested: () => ({ cents: 'many' }),
    },
  })
  processManager('f', {
    ...base,
    on: {
      // @ts-expect-error events are the business of deciders
      WithdrawalRequested: () => [withdrawals.WithdrawalSettled({ receipt: '' })],
    },
  })
  processManager('g', {
    ...base,
    on: {
      // @ts-expect-error data has no such field
      WithdrawalRequested: (_state, { euros }) => [account.release('1', { cents: euros })],
    },
  })
})
