/** Folds in several shapes each, as a program has them over the years: only one is in force at a time. */
import {
  type AggregateClass,
  type AnyAggregate,
  type AnyDecider,
  aggregate,
  decider,
  defineEvents,
  type NewEvent,
} from 'daybook'
import { anything } from '../accounts.ts'
import type { Random } from '../random.ts'

export interface Change {
  readonly key: string
  readonly amount: number
}

export const changeEvents = defineEvents({
  Changed: anything<Change>(),
  Removed: anything<Change>(),
  Noted: anything<Change>(),
})

const awkwardKeys = ['__proto__', 'constructor', '0', '10', '', '\ud800', 'é', 'toJSON', 'a', 'b']

/** A random event that every shape understands, or leaves aside. */
export function changeFrom(random: Random): NewEvent {
  const amount = random.pick([0, -0, 1, -1, 0.1, 2 ** 53 - 1, random.integer(-1_000, 1_000)])
  const data = { key: random.pick(awkwardKeys), amount }
  return random.pick([changeEvents.Changed, changeEvents.Changed, changeEvents.Removed, changeEvents.Noted])(
    data,
  )
}

/** A state of numbers; the shapes differ by a factor that no function's text shows, so `stateVersion` says it. */
function tally(factor: number): AnyDecider {
  return decider('tally', {
    events: changeEvents,
    initialState: { sum: 0, last: 0, count: 0 },
    stateVersion: factor,
    evolve: {
      Changed: (state, { amount }) => ({
        sum: state.sum + amount * factor,
        last: amount,
        count: state.count + 1,
      }),
      Removed: (state) => ({ ...state, sum: -0 }),
      Noted: (state) => state,
    },
    commands: {},
  })
}

/** The same functions from another beginning. */
function balance(opening: number): AnyDecider {
  return decider('balance', {
    events: changeEvents,
    initialState: { value: opening, path: [] as readonly number[] },
    evolve: {
      Changed: ({ value, path }, { amount }) => ({ value: value + amount, path: [...path, value].slice(-5) }),
      Removed: ({ path }) => ({ value: -0, path }),
      Noted: (state, { amount }) => ({ ...state, value: state.value - amount }),
    },
    commands: {},
  })
}

interface Basket {
  readonly items: { readonly [key: string]: readonly (number | null)[] }
  readonly note: string | null
}

const added = (items: Basket['items'], key: string, amount: number): Basket['items'] => {
  const { [key]: _held, ...others } = items
  const held = Object.hasOwn(items, key) ? (items[key] ?? []) : []
  return { ...others, ...Object.fromEntries([[key, [...held, amount].slice(-3)]]) }
}

/** A dictionary with every awkward key; the second shape counts removals, the third renames a field. */
const baskets: readonly AnyDecider[] = [
  decider('basket', {
    events: changeEvents,
    initialState: { items: {}, note: null } as Basket,
    evolve: {
      Changed: (state, { key, amount }) => ({ ...state, items: added(state.items, key, amount) }),
      Removed: (state, { key }) => {
        const { [key]: _gone, ...items } = state.items
        return { ...state, items }
      },
      Noted: (state, { key }) => ({ ...state, note: key }),
    },
    commands: {},
  }),
  decider('basket', {
    events: changeEvents,
    initialState: { items: {}, note: null } as Basket,
    evolve: {
      Changed: (state, { key, amount }) => ({ ...state, items: added(state.items, key, amount) }),
      Removed: (state, { key }) => ({ ...state, items: added(state.items, key, 0) }),
      Noted: (state, { key }) => ({ ...state, note: `${state.note ?? ''}${key}`.slice(-9) }),
    },
    commands: {},
  }),
  decider('basket', {
    events: changeEvents,
    initialState: { contents: [] as readonly Change[] },
    evolve: {
      Changed: ({ contents }, change) => ({ contents: [...contents, change].slice(-7) }),
      Removed: ({ contents }, { key }) => ({ contents: contents.filter((change) => change.key !== key) }),
      Noted: (state) => state,
    },
    commands: {},
  }),
]

type Counts = { readonly [key: string]: number }

const bare = (counts: Counts, more: Counts): Counts =>
  Object.assign(Object.create(null) as Counts, counts, more)

/** A dictionary without a prototype, which JSON would give one. */
function counts(step: number): AnyDecider {
  return decider('counts', {
    events: changeEvents,
    initialState: bare({}, {}),
    stateVersion: step,
    evolve: {
      Changed: (state, { key }) => bare(state, { [key]: (state[key] ?? 0) + step }),
      Removed: () => bare({}, {}),
      Noted: (state) => state,
    },
    commands: {},
  })
}

/** States that JSON cannot hold: never in a snapshot, and right all the same. */
const awkward: readonly AnyDecider[] = [
  decider('awkward', {
    events: changeEvents,
    initialState: { at: undefined as number | undefined, ratio: 0, seen: new Set<string>() },
    evolve: {
      Changed: (state, { key, amount }) => ({
        at: amount > 0 ? amount : undefined,
        ratio: amount / state.ratio,
        seen: new Set([...state.seen, key]),
      }),
      Removed: (state) => ({ ...state, ratio: Number.NaN }),
      Noted: (state, { amount }) => ({ ...state, ratio: amount }),
    },
    commands: {},
  }),
  decider('awkward', {
    events: changeEvents,
    initialState: { ratio: 1 },
    evolve: {
      // Infinite or not a number now and then: those states are not snapshotted, the others are.
      Changed: ({ ratio }, { amount }) => ({ ratio: amount / ratio }),
      Removed: () => ({ ratio: 1 }),
      Noted: (state) => state,
    },
    commands: {},
  }),
]

/** The deciders of a category, one shape each. */
export const deciderShapes: ReadonlyMap<string, readonly AnyDecider[]> = new Map([
  ['tally', [tally(1), tally(2), tally(3)]],
  ['balance', [balance(0), balance(100), balance(-0)]],
  ['basket', baskets],
  ['counts', [counts(1), counts(2)]],
  ['awkward', awkward],
])

/** What the tests see of an aggregate. */
export interface SeenAggregate extends AnyAggregate {
  readonly on: { readonly [type: string]: (data: Change) => void }
  seen(): unknown
}

/** An aggregate that takes snapshots of its private state. */
class Meter extends aggregate('meter', changeEvents) {
  #reading = 0
  #notes: string[] = []
  readonly on = this.appliers({
    Changed: ({ amount }) => {
      this.#reading += amount
    },
    Removed: () => {
      this.#reading = -0
    },
    Noted: ({ key }) => {
      this.#notes = [...this.#notes, key].slice(-4)
    },
  })
  seen(): unknown {
    return { reading: this.#reading, notes: this.#notes }
  }
  override toSnapshot(): { reading: number; notes: string[] } {
    return { reading: this.#reading, notes: this.#notes }
  }
  override fromSnapshot({ reading, notes }: { reading: number; notes: string[] }): void {
    this.#reading = reading
    this.#notes = notes
  }
}

/** The same class a year later: it keeps only the number of notes. */
const laterMeter = (() => {
  class Meter extends aggregate('meter', changeEvents) {
    #reading = 0
    #notes = 0
    readonly on = this.appliers({
      Changed: ({ amount }) => {
        this.#reading += amount
      },
      Removed: ({ amount }) => {
        this.#reading -= amount
      },
      Noted: () => {
        this.#notes++
      },
    })
    seen(): unknown {
      return { reading: this.#reading, notes: this.#notes }
    }
    override toSnapshot(): { reading: number; notes: number } {
      return { reading: this.#reading, notes: this.#notes }
    }
    override fromSnapshot({ reading, notes }: { reading: number; notes: number }): void {
      this.#reading = reading
      this.#notes = notes
    }
  }
  return Meter
})()

/** Classes that differ in nothing but what a field begins with, and in a method that an applier calls. */
const gauges = [
  class Gauge extends aggregate('gauge', changeEvents) {
    #value = 0
    readonly on = this.appliers({
      Changed: ({ amount }) => this.#move(amount),
      Removed: ({ amount }) => this.#move(-amount),
      Noted: () => undefined,
    })
    #move(amount: number): void {
      this.#value += amount
    }
    seen(): unknown {
      return this.#value
    }
    override toSnapshot(): { value: number } {
      return { value: this.#value }
    }
    override fromSnapshot({ value }: { value: number }): void {
      this.#value = value
    }
  },
  class Gauge extends aggregate('gauge', changeEvents) {
    #value = 1_000
    readonly on = this.appliers({
      Changed: ({ amount }) => this.#move(amount),
      Removed: ({ amount }) => this.#move(-amount),
      Noted: () => undefined,
    })
    #move(amount: number): void {
      this.#value += 2 * amount
    }
    seen(): unknown {
      return this.#value
    }
    override toSnapshot(): { value: number } {
      return { value: this.#value }
    }
    override fromSnapshot({ value }: { value: number }): void {
      this.#value = value
    }
  },
]

/** An aggregate without snapshots. */
class Plain extends aggregate('plain', changeEvents) {
  readonly entries: Change[] = []
  readonly on = this.appliers({
    Changed: (change) => {
      this.entries.push(change)
    },
    Removed: () => {
      this.entries.length = 0
    },
    Noted: () => undefined,
  })
  seen(): unknown {
    return [...this.entries]
  }
}

export const aggregateShapes: ReadonlyMap<string, readonly AggregateClass<SeenAggregate>[]> = new Map<
  string,
  readonly AggregateClass<SeenAggregate>[]
>([
  ['meter', [Meter, laterMeter]],
  ['gauge', gauges],
  ['plain', [Plain]],
])
