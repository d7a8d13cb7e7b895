import { DaybookError, messageOf } from './errors.ts'
import type { RecordedEvent } from './event.ts'
import { printable } from './limits.ts'

/** How state follows from events: the one thing deciders, aggregates and boundaries have in common. */
export interface Fold {
  /** The decider's, aggregate's or boundary's name. */
  readonly name: string
  /** Changes whenever the code or the initial state does, so that older snapshots are ignored. */
  readonly fingerprintText: string
  /** True when states are values that may be kept and shared; false when they are objects that mutate. */
  readonly isShareable: boolean
  initial(): unknown
  /** The state after the event. Types the fold does not know leave it as it is. Throws `EVOLVE_FAILED`. */
  evolve(state: unknown, event: RecordedEvent): unknown
  /** The state as a snapshot holds it; undefined when this fold takes none. */
  readonly toSnapshot?: (state: unknown) => unknown
  /** The state that a snapshot holds. */
  readonly fromSnapshot?: (value: unknown) => unknown
}

/** One evolve function, its types erased. */
export type EvolveFunction = (...values: unknown[]) => unknown

/** A fold over values: initial state and a pure function per event type. */
export function valueFold(
  name: string,
  initialState: unknown,
  evolve: { readonly [type: string]: unknown },
  stateVersion: number,
): Fold {
  const byType = functionsOf(name, evolve)
  const initial = deepFreeze(initialState)
  return {
    name,
    fingerprintText: fingerprintText(name, stateVersion, initialState, byType),
    isShareable: true,
    initial: () => initial,
    evolve(state, event) {
      const step = byType.get(event.type)
      if (step === undefined) return state
      return guardedEvolve(name, event, () => step(state, event.data, event))
    },
    toSnapshot: (state) => state,
    fromSnapshot: (value) => value,
  }
}

/** Runs one evolve step; what it throws becomes `EVOLVE_FAILED` with the event's place. */
export function guardedEvolve(name: string, event: RecordedEvent, step: () => unknown): unknown {
  try {
    return step()
  } catch (cause) {
    const at =
      event.position > 0 ? ` at position ${event.position} (${event.stream} version ${event.version})` : ''
    throw new DaybookError(
      'EVOLVE_FAILED',
      `evolve of "${name}" threw on ${event.type}${at}: ${messageOf(cause)}`,
      {
        fold: name,
        type: event.type,
        stream: event.stream,
        version: event.version,
        position: event.position,
      },
      cause,
    )
  }
}

/** The functions of an evolve object by event type; throws `DEFINITION_INVALID` for anything else. */
export function functionsOf(
  name: string,
  evolve: { readonly [type: string]: unknown },
): Map<string, EvolveFunction> {
  const byType = new Map<string, EvolveFunction>()
  for (const [type, step] of Object.entries(evolve)) {
    if (typeof step !== 'function') {
      throw new DaybookError('DEFINITION_INVALID', `evolve.${type} of "${name}" is not a function`, {
        name,
        type,
      })
    }
    byType.set(type, step as EvolveFunction)
  }
  return byType
}

/** What a fingerprint is taken over: names, an explicit version, the initial state and the functions' source. */
export function fingerprintText(
  name: string,
  version: number,
  initial: unknown,
  functions: ReadonlyMap<string, (...values: never[]) => unknown>,
): string {
  const sources = [...functions].map(([type, step]) => [type, String(step)])
  sources.sort(([one = ''], [other = '']) => (one < other ? -1 : 1))
  return JSON.stringify([name, version, initial, sources], tellApart)
}

// JSON writes several values alike that make different states.
function tellApart(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `bigint ${value}`
  if (typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value)))
    return `number ${printable(value)}`
  return value === undefined ? 'undefined' : value
}

/**
 * Freezes a value and everything in it, so that a state handed out twice cannot be changed by one of its holders.
 * What is frozen already is taken to be frozen throughout, so the cost follows what changed.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value) || ArrayBuffer.isView(value))
    return value
  if (value instanceof Map || value instanceof Set) shadowMutators(value)
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}

/** What is in a Map or Set lies beyond `Object.freeze`; its own methods that throw are not. Copies are unaffected. */
function shadowMutators(collection: object): void {
  const value = (): never => {
    throw new TypeError('states are shared and frozen: copy the Map or Set, change the copy, return it')
  }
  for (const method of ['set', 'add', 'delete', 'clear']) Object.defineProperty(collection, method, { value })
}
