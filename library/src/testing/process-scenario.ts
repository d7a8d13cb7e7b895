import assert from 'node:assert/strict'
import type { StreamAppend } from '../core/append-request.ts'
import type { NewEvent, RecordedEvent } from '../core/event.ts'
import { ProcessDeciding } from '../core/process-deciding.ts'
import type { Instance } from '../core/process-fold.ts'
import type { ProcessManager } from '../core/process-manager.ts'
import type { AnyIssuable, ProcessStep } from '../core/process-steps.ts'
import { type Decided, type InputTaken, type OpenCommand, processTypes } from '../core/process-stream.ts'
import type { Refusal } from '../core/refusal.ts'
import { recordedEvents } from './recorded-events.ts'

/** A process manager and what one instance of it has seen. */
export interface ProcessScenario<State> {
  /** Events of a stream that happened before, in order; added to what was given already. */
  given(stream: string, ...events: readonly NewEvent[]): ProcessScenario<State>
  /** What happens now. */
  when(stream: string, event: NewEvent): ProcessExpectation<State>
  /** A deadline that is set is reached, just when it is due. */
  whenReached(deadline: string): ProcessExpectation<State>
  /** A command that was issued is refused: the last one that is like it. */
  whenRefused(command: AnyIssuable, refusal: Refusal): ProcessExpectation<State>
  /** A command that was issued fails, and is given up. */
  whenFailed(command: AnyIssuable, error: string): ProcessExpectation<State>
}

/** What must come of it. Each throws an AssertionError with the difference. */
export interface ProcessExpectation<State> {
  /** Exactly these commands, deadlines and `finish()` are decided; commands in this order. */
  then(...steps: readonly ProcessStep[]): void
  /** It is taken in, and nothing is decided. */
  thenNothing(): void
  /** It is not taken in: it has no key, begins no instance, or comes after the end. */
  thenIgnored(): void
  /** It leads to exactly this state. */
  thenState(state: State): void
}

/**
 * A test of a process manager without a book: what happened, what happens now, what must come of it.
 *
 * `processScenario(settlement).given('withdrawal-7', requested).whenReached('settle').then(withdrawal.cancel('7'))`
 *
 * Events are recorded at one instant, from which durations of deadlines count. Throws `EVENT_INVALID`, `PROCESS_FAILED`.
 */
export function processScenario<State>(process: ProcessManager<State>): ProcessScenario<State> {
  return after(new ProcessDeciding(process.definition, () => true), [])
}

function after<State>(deciding: ProcessDeciding, earlier: readonly StreamAppend[]): ProcessScenario<State> {
  return {
    given: (stream, ...events) =>
      after(deciding, [...earlier, ...events.map((event) => ({ stream, events: [event] }))]),
    when(stream, event) {
      const inputs = recordedEvents([...earlier, { stream, events: [event] }])
      const input = inputs.at(-1) as RecordedEvent
      const key = deciding.keyOf(input)
      if (key === undefined) return expectation(deciding, undefined, undefined, input.recordedAt)
      const before = played(deciding, inputs.slice(0, -1), key)
      const taken = deciding.input(before, input)
      const state = taken === undefined ? before.state : taking(deciding, before, taken).state
      return expectation(deciding, taken?.decided, state, input.recordedAt)
    },
    whenReached(deadline) {
      const { instance, key } = lastInstance(deciding, earlier)
      const open = instance.waiting.deadlines[deadline]
      if (open === undefined) {
        const set = Object.keys(instance.waiting.deadlines).join(', ')
        assert.fail(`the deadline ${deadline} is not set; set are: ${set || 'none'}`)
      }
      const { decided } = deciding.deadline(instance, key, deadline, open, open.dueAtMs)
      return expectation(deciding, decided, instance.state, new Date(open.dueAtMs).toISOString())
    },
    whenRefused(command, refusal) {
      const { instance, key, recordedAt } = lastInstance(deciding, earlier)
      const [id, open] = issued(deciding, instance, command)
      const { decided } = deciding.refusal(instance, key, id, open, refusal, Date.parse(recordedAt))
      return expectation(deciding, decided, instance.state, recordedAt)
    },
    whenFailed(command, error) {
      const { instance, key, recordedAt } = lastInstance(deciding, earlier)
      const [id, open] = issued(deciding, instance, command)
      const { decided } = deciding.failure(instance, key, id, open, error, Date.parse(recordedAt))
      return expectation(deciding, decided, instance.state, recordedAt)
    },
  }
}

/* oxlint-disable unicorn/no-thenable */
function expectation<State>(
  deciding: ProcessDeciding,
  decided: Decided | undefined,
  state: unknown,
  at: string,
): ProcessExpectation<State> {
  const taken = (): Decided => decided ?? assert.fail('it was ignored')
  return {
    // biome-ignore lint/suspicious/noThenProperty: given, when, then is how such tests are called everywhere.
    then: (...steps) =>
      assert.deepStrictEqual(
        taken(),
        deciding.decided('what was expected', Date.parse(at), () => steps),
      ),
    thenNothing: () => assert.deepStrictEqual(taken(), { commands: [], deadlines: {}, isFinished: false }),
    thenIgnored: () => assert.equal(decided, undefined, 'it was taken in'),
    thenState(expected) {
      taken()
      assert.deepStrictEqual(state, expected)
    },
  }
}

/** The instance of a key after these inputs. */
function played(deciding: ProcessDeciding, inputs: readonly RecordedEvent[], key: string): Instance {
  const { fold } = deciding.definition
  return inputs.reduce((before, input) => {
    const taken = deciding.keyOf(input) === key ? deciding.input(before, input) : undefined
    return taken === undefined ? before : taking(deciding, before, taken)
  }, fold.initial() as Instance)
}

/** The instance after an input: its own event has the id of the input. */
function taking({ definition }: ProcessDeciding, before: Instance, taken: InputTaken): Instance {
  return definition.fold.evolve(before, {
    ...taken.input,
    type: processTypes.inputTaken,
    data: taken,
  }) as Instance
}

function lastInstance(
  deciding: ProcessDeciding,
  earlier: readonly StreamAppend[],
): { readonly instance: Instance; readonly key: string; readonly recordedAt: string } {
  const inputs = recordedEvents(earlier)
  const last = inputs.at(-1)
  const key = last && deciding.keyOf(last)
  if (last === undefined || key === undefined) assert.fail('no instance was begun by what was given')
  return { instance: played(deciding, inputs, key), key, recordedAt: last.recordedAt }
}

function issued(
  deciding: ProcessDeciding,
  { waiting }: Instance,
  command: AnyIssuable,
): readonly [string, OpenCommand] {
  const [wanted] = deciding.decided('the command', 0, () => command).commands
  const found = Object.entries(waiting.commands).findLast(
    ([, open]) => JSON.stringify(open.command) === JSON.stringify(wanted),
  )
  if (found !== undefined) return found
  const open = Object.values(waiting.commands).map((each) => JSON.stringify(each.command))
  assert.fail(
    `no such command was issued: ${JSON.stringify(wanted)}; issued were: ${open.join(', ') || 'none'}`,
  )
}
