import type { RecordedEvent } from './event.ts'
import { type EvolveFunction, type Fold, fingerprintText, guardedEvolve } from './fold.ts'
import { evolveWaiting, type InputTaken, notStarted, processTypes, type Waiting } from './process-stream.ts'

/** One instance of a process: the user's state, and what it waits for. */
export interface Instance {
  readonly state: unknown
  readonly waiting: Waiting
}

/** Folds an own stream: the manager's own functions see the inputs, as they saw them when these were taken in. */
export function processFold(
  name: string,
  initialState: unknown,
  evolve: ReadonlyMap<string, EvolveFunction>,
  stateVersion: number,
): Fold {
  const initial: Instance = Object.freeze({ state: initialState, waiting: notStarted })
  return {
    name: `process ${name}`,
    fingerprintText: fingerprintText(`process ${name}`, stateVersion, initialState, evolve),
    isShareable: true,
    initial: () => initial,
    evolve(before, event) {
      const { state, waiting } = before as Instance
      const after = evolveWaiting(waiting, event)
      if (event.type !== processTypes.inputTaken) return { state, waiting: after }
      const { input } = event.data as InputTaken
      return { state: evolveState(name, evolve, state, input), waiting: after }
    },
    toSnapshot: (instance) => instance,
    fromSnapshot: (value) => value,
  }
}

/** The user's state after an input. Throws `EVOLVE_FAILED`. */
export function evolveState(
  name: string,
  evolve: ReadonlyMap<string, EvolveFunction>,
  state: unknown,
  input: RecordedEvent,
): unknown {
  const step = evolve.get(input.type)
  if (step === undefined) return state
  return guardedEvolve(`process ${name}`, input, () => step(state, input.data, input))
}
