import { it } from 'node:test'
import { z } from 'zod'
import { decider } from '../core/decider.ts'
import { defineEvents } from '../core/event.ts'
import { refuse } from '../core/refusal.ts'
import { scenario } from './scenario.ts'

const events = defineEvents({ Opened: z.object({ n: z.number().default(1) }) })
const others = defineEvents({ Closed: z.object({}) })
const door = decider('door', {
  events,
  initialState: { n: 0 },
  evolve: { Opened: (state, { n }) => ({ n: state.n + n }) },
  commands: {
    open: (state, n: number) => (n > state.n ? events.Opened({ n }) : refuse('Stuck', { n })),
    knock: () => undefined,
  },
})

it('scenarios are checked by the compiler', () => {
  const begun = scenario(door).given(events.Opened({}))
  begun.when(door.open('1', 2)).then(events.Opened({ n: 2 }))
  begun.when(door.open('1', 0)).thenRefused('Stuck', { n: 0 })
  const never = (): void => {
    // @ts-expect-error: no event of this decider
    scenario(door).given(others.Closed({}))
    // @ts-expect-error: no event of this decider
    begun.when(door.open('1', 2)).then(others.Closed({}))
    // @ts-expect-error: no reason of this command
    begun.when(door.open('1', 2)).thenRefused('Locked')
    // @ts-expect-error: not the facts of this reason
    begun.when(door.open('1', 2)).thenRefused('Stuck', { m: 2 })
    // @ts-expect-error: a command that never refuses
    begun.when(door.knock('1')).thenRefused('Stuck')
    // @ts-expect-error: not the state of this decider
    begun.when(door.knock('1')).thenState({ m: 2 })
  }
  void never
})
