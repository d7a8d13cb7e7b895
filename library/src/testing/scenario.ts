import assert from 'node:assert/strict'
import { type AnyDecider, type Command, type Decider, eventsDecided } from '../core/decider.ts'
import type { NewEvent, NewEventOf, RecordedEvent, RecordedEventOf } from '../core/event.ts'
import { streamName } from '../core/names.ts'
import { isRefusal, type Refusal } from '../core/refusal.ts'
import { recordedEvents } from './recorded-events.ts'

/** A decider and what happened before. */
export interface Scenario<Definitions, State> {
  /** What happened before, in order; added to what was given already. */
  given(...events: readonly NewEventOf<Definitions>[]): Scenario<Definitions, State>
  /** What is wished now. */
  when<Refused extends Refusal>(
    command: Command<State, RecordedEventOf<Definitions>, Refused>,
  ): Expectation<Definitions, State, Refused>
}

/** What must come of the command. Each throws an AssertionError with the difference. */
export interface Expectation<Definitions, State, Refused extends Refusal> {
  /** It is accepted with exactly these events, in this order. */
  then(...events: readonly NewEventOf<Definitions>[]): void
  /** It is accepted, and nothing happens. */
  thenNothing(): void
  /** It is refused for this reason and, when given, with exactly these facts. */
  thenRefused<Reason extends Refused['reason']>(
    reason: Reason,
    facts?: Extract<Refused, { readonly reason: Reason }>['facts'],
  ): void
  /** It is accepted, and leads to exactly this state. */
  thenState(state: State): void
}

/**
 * A test of a decider without a book: what happened, what is wished, what must come of it.
 *
 * `scenario(account).given(opened).when(account.withdraw('42', { cents: 5 })).thenRefused('InsufficientFunds')`
 *
 * Events are validated by their schemas, given ones and decided ones alike; throws `EVENT_INVALID`, `ILLEGAL_DATA`.
 */
export function scenario<Definitions, State, CommandSet>(
  decider: Decider<Definitions, State, CommandSet>,
): Scenario<Definitions, State> {
  return after(decider, [])
}

function after<Definitions, State>(
  decider: AnyDecider,
  earlier: readonly NewEvent[],
): Scenario<Definitions, State> {
  return {
    given: (...events) => after(decider, [...earlier, ...events]),
    when: (command) => new DecidedCommand(decider, earlier, command),
  }
}

/* oxlint-disable unicorn/no-thenable */
class DecidedCommand<Definitions, State, Refused extends Refusal>
  implements Expectation<Definitions, State, Refused>
{
  readonly #decider: AnyDecider
  readonly #name: string
  readonly #stream: string
  readonly #earlier: readonly NewEvent[]
  readonly #stateBefore: unknown
  readonly #answer: unknown

  constructor(
    decider: AnyDecider,
    earlier: readonly NewEvent[],
    command: Command<State, RecordedEventOf<Definitions>, Refused>,
  ) {
    const { definition } = decider
    assert.equal(command.decider, definition, `${command.name} is no command of "${definition.category}"`)
    this.#decider = decider
    this.#name = `${definition.category}.${command.name}`
    this.#stream = streamName(definition.category, command.id)
    this.#earlier = earlier
    this.#stateBefore = this.#folded(definition.fold.initial(), this.#recorded(earlier))
    this.#answer = definition.commands.get(command.name)?.(this.#stateBefore, command.input)
  }

  // biome-ignore lint/suspicious/noThenProperty: given, when, then is how such tests are called everywhere.
  then(...events: readonly NewEventOf<Definitions>[]): void {
    const actual = this.#accepted().map(comparable)
    const expected = this.#recorded(events).map(comparable)
    assert.deepStrictEqual(actual, expected)
  }

  thenNothing(): void {
    assert.deepStrictEqual(this.#accepted().map(comparable), [])
  }

  thenRefused<Reason extends Refused['reason']>(
    reason: Reason,
    ...facts: readonly [Extract<Refused, { readonly reason: Reason }>['facts']?]
  ): void {
    if (!isRefusal(this.#answer)) {
      const types = this.#accepted().map(({ type }) => type)
      const what = types.length === 0 ? 'without events' : `with ${types.join(', ')}`
      assert.fail(`${this.#name} was accepted ${what}, not refused with ${reason}`)
    }
    const expected = facts.length === 0 ? { reason } : { reason, facts: facts[0] }
    const actual = facts.length === 0 ? { reason: this.#answer.reason } : factsOf(this.#answer)
    assert.deepStrictEqual(actual, expected)
  }

  thenState(state: State): void {
    assert.deepStrictEqual(this.#folded(this.#stateBefore, this.#accepted()), state)
  }

  #folded(state: unknown, events: readonly RecordedEvent[]): unknown {
    const { fold } = this.#decider.definition
    return events.reduce((before, event) => fold.evolve(before, event), state)
  }

  /** The events decided, as they would be recorded after the earlier ones. */
  #accepted(): readonly RecordedEvent[] {
    if (isRefusal(this.#answer)) {
      const { reason, facts } = this.#answer
      assert.fail(
        `${this.#name} was refused: ${reason}${facts === undefined ? '' : ` ${JSON.stringify(facts)}`}`,
      )
    }
    const decided = eventsDecided(this.#name, this.#answer)
    return this.#recorded([...this.#earlier, ...decided]).slice(this.#earlier.length)
  }

  #recorded(events: readonly NewEvent[]): readonly RecordedEvent[] {
    return recordedEvents([{ stream: this.#stream, events }], [this.#decider])
  }
}

/** What two events must share to be the same decision. */
function comparable({ type, schemaVersion, data, tags }: RecordedEvent): object {
  return { type, data, ...(tags.length > 0 && { tags }), ...(schemaVersion > 1 && { schemaVersion }) }
}

function factsOf({ reason, facts }: Refusal): object {
  return { reason, facts }
}
