import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { decider } from '../core/decider.ts'
import { defineEvents, event } from '../core/event.ts'
import { refuse } from '../core/refusal.ts'
import { scenario } from './scenario.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string(), currency: z.string().default('CZK') }),
  Deposited: event(z.object({ cents: z.number().int().positive() }), { version: 2, tags: () => ['money'] }),
  Withdrawn: z.object({ cents: z.number() }),
})

interface State {
  readonly cents: number
  readonly currency: string | undefined
}

const account = decider('account', {
  events,
  initialState: { cents: 0, currency: undefined } as State,
  evolve: {
    Opened: (state, { currency }) => ({ ...state, currency }),
    Deposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
    Withdrawn: (state, { cents }) => ({ ...state, cents: state.cents - cents }),
  },
  commands: {
    open: (state, input: { owner: string }) =>
      state.currency === undefined ? events.Opened(input) : refuse('AlreadyOpen'),
    withdraw: (state, { cents }: { cents: number }) => {
      if (state.currency === undefined) return refuse('NotOpen')
      if (cents > state.cents) return refuse('InsufficientFunds', { available: state.cents })
      return events.Withdrawn({ cents })
    },
    deposit: (_state, { cents }: { cents: number }) => [events.Deposited({ cents })],
    touch: () => undefined,
  },
})

const opened = events.Opened({ owner: 'Žofie' })
const deposited = events.Deposited({ cents: 500 })

describe('scenario', () => {
  it('passes when the command leads to the events', () => {
    scenario(account)
      .when(account.open('1', { owner: 'Žofie' }))
      .then(opened)
    scenario(account)
      .given(opened, deposited)
      .when(account.withdraw('1', { cents: 500 }))
      .then(events.Withdrawn({ cents: 500 }))
    scenario(account).when(account.touch('1')).thenNothing()
  })

  it('passes when the command is refused, with its facts or whatever they are', () => {
    const rich = scenario(account).given(opened).given(deposited)
    rich.when(account.withdraw('1', { cents: 501 })).thenRefused('InsufficientFunds', { available: 500 })
    rich.when(account.withdraw('1', { cents: 501 })).thenRefused('InsufficientFunds')
    scenario(account)
      .given(opened)
      .when(account.open('1', { owner: 'x' }))
      .thenRefused('AlreadyOpen')
  })

  it('passes when the events lead to the state', () => {
    const state = { cents: 500, currency: 'CZK' }
    scenario(account)
      .given(opened)
      .when(account.deposit('1', { cents: 500 }))
      .thenState(state)
  })

  it('fails with the difference', () => {
    const withdrawal = scenario(account)
      .given(opened, deposited)
      .when(account.withdraw('1', { cents: 9 }))
    assert.throws(() => withdrawal.then(events.Withdrawn({ cents: 8 })), /\+ +cents: 9\n- +cents: 8/)
    assert.throws(() => withdrawal.thenNothing(), /Withdrawn/)
    assert.throws(() => withdrawal.thenState({ cents: 1, currency: 'CZK' }), /\+ +cents: 491/)
  })

  it('fails by saying what happened instead', () => {
    const accepted = scenario(account)
      .given(opened, deposited)
      .when(account.withdraw('1', { cents: 9 }))
    assert.throws(() => accepted.thenRefused('NotOpen'), {
      message: 'account.withdraw was accepted with Withdrawn, not refused with NotOpen',
    })
    const refused = scenario(account)
      .given(opened)
      .when(account.withdraw('1', { cents: 9 }))
    assert.throws(() => refused.thenNothing(), {
      message: 'account.withdraw was refused: InsufficientFunds {"available":0}',
    })
    assert.throws(() => refused.thenRefused('InsufficientFunds', { available: 7 }), /available: 7/)
    assert.throws(() => refused.thenRefused('NotOpen'), /InsufficientFunds/)
  })

  it('validates what was given and what was decided', () => {
    const broken = events.Deposited({ cents: -1 })
    const invalid = { code: 'EVENT_INVALID' }
    assert.throws(() => scenario(account).given(broken).when(account.touch('1')), invalid)
    assert.throws(
      () =>
        scenario(account)
          .when(account.deposit('1', { cents: 0.5 }))
          .then(deposited),
      invalid,
    )
  })

  it('refuses a command of another decider', () => {
    const other = decider('account', {
      events,
      initialState: { cents: 0, currency: undefined } as State,
      evolve: { Opened: (state) => state, Deposited: (state) => state, Withdrawn: (state) => state },
      commands: { touch: () => undefined },
    })
    assert.throws(() => scenario(account).when(other.touch('1')), /touch is no command of "account"/)
  })
})
