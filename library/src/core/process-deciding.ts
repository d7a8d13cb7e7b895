import type { DeciderDefinition } from './decider.ts'
import { DaybookError, messageOf } from './errors.ts'
import type { RecordedEvent } from './event.ts'
import { printable } from './limits.ts'
import { legalName, utf8Length } from './names.ts'
import { evolveState, type Instance } from './process-fold.ts'
import { invalid, type ProcessDefinition, type ReachedDeadline } from './process-manager.ts'
import type { AnyIssuable, ProcessStep } from './process-steps.ts'
import type {
  CommandFailed,
  CommandRefused,
  DeadlineReached,
  Decided,
  InputTaken,
  IssuedCommand,
  OpenCommand,
  OpenDeadline,
} from './process-stream.ts'
import { instantText } from './recorded-event.ts'
import type { Refusal } from './refusal.ts'

/** Longest key of an instance in bytes: with the category it must fit a stream's name. */
const longestKeyBytes = 200

/** What a process manager decides, as pure functions of an instance and what happens to it. */
export class ProcessDeciding {
  readonly definition: ProcessDefinition
  readonly #isRegistered: (decider: DeciderDefinition) => boolean

  /** @param isRegistered which deciders' commands can be executed */
  constructor(definition: ProcessDefinition, isRegistered: (decider: DeciderDefinition) => boolean) {
    this.definition = definition
    this.#isRegistered = isRegistered
  }

  /** The instance an event belongs to; undefined for none. Throws `PROCESS_FAILED`. */
  keyOf(event: RecordedEvent): string | undefined {
    const key = this.#guarded(subjectOf('key on', event), () => this.definition.keyOf(event))
    if (key === undefined) return undefined
    return this.#guarded(subjectOf('key on', event), () => legalKey(key))
  }

  /** What is to be recorded of an input; undefined when it is ignored. Throws `PROCESS_FAILED`, `EVOLVE_FAILED`. */
  input({ state, waiting }: Instance, input: RecordedEvent): InputTaken | undefined {
    const { name, on, evolve, mayStart } = this.definition
    if (waiting.isFinished || (waiting.startedAtMs === 0 && !mayStart(input.type))) return undefined
    const after = evolveState(name, evolve, state, input)
    const decided = this.decided(subjectOf('on', input), Date.parse(input.recordedAt), () =>
      on.get(input.type)?.(after, input.data, input),
    )
    return { input, decided }
  }

  /** What is to be recorded when a deadline is reached. Throws `PROCESS_FAILED`. */
  deadline(
    { state }: Instance,
    key: string,
    name: string,
    { dueAtMs, setBy }: OpenDeadline,
    nowMs: number,
  ): DeadlineReached {
    const reached: ReachedDeadline = {
      key,
      name,
      dueAt: instantText(dueAtMs),
      reachedAt: instantText(nowMs),
    }
    // A deadline that an earlier version of the manager set: nothing is known of it, and nothing done.
    const decided = this.decided(`deadlines.${name}`, dueAtMs, () =>
      this.definition.deadlines.get(name)?.(state, reached),
    )
    return { name, dueAtMs, setBy, decided }
  }

  /** What is to be recorded of a refusal. Throws `PROCESS_FAILED`. */
  refusal(
    { state }: Instance,
    key: string,
    id: string,
    open: OpenCommand,
    refusal: Refusal,
    nowMs: number,
  ): CommandRefused {
    const decided = this.decided('onRefused', nowMs, () =>
      this.definition.onRefused?.(state, refusal, open.command, { key }),
    )
    const { reason, facts } = refusal
    const kept = facts === undefined ? {} : { facts: facts as NonNullable<CommandRefused['facts']> }
    return { command: id, reason, ...kept, decided }
  }

  /** What is to be recorded of a command that is given up. Throws `PROCESS_FAILED`. */
  failure(
    { state }: Instance,
    key: string,
    id: string,
    open: OpenCommand,
    error: string,
    nowMs: number,
  ): CommandFailed {
    const decided = this.decided('onFailed', nowMs, () =>
      this.definition.onFailed?.(state, { error }, open.command, { key }),
    )
    return { command: id, error, decided }
  }

  /** What a function of the manager decides, as it is stored. Throws `PROCESS_FAILED`, `DEFINITION_INVALID`. */
  decided(subject: string, atMs: number, decide: () => unknown): Decided {
    return this.#guarded(subject, () => {
      const answer = decide()
      const commands: IssuedCommand[] = []
      const deadlines: { [name: string]: number | null } = {}
      let isFinished = false
      for (const step of stepsIn(this.definition.name, subject, answer)) {
        if (step.kind === 'finish') isFinished = true
        else if (step.kind === 'cancel-deadline') deadlines[this.#deadlineName(step.name)] = null
        else if (step.kind === 'set-deadline') {
          deadlines[this.#deadlineName(step.name)] = step.atMs ?? atMs + (step.afterMs ?? 0)
        } else commands.push(this.#issued(step))
      }
      if (isFinished && Object.values(deadlines).some((dueAtMs) => dueAtMs !== null))
        throw invalid(this.definition.name, `${subject} finishes and sets a deadline at once`)
      return { commands, deadlines, isFinished }
    })
  }

  #deadlineName(name: string): string {
    if (this.definition.deadlines.has(name)) return name
    throw invalid(this.definition.name, `it has no deadline ${printable(name)}`)
  }

  /** A command as it is stored; one that could not be executed must not be decided. */
  #issued(step: AnyIssuable): IssuedCommand {
    const { input } = step
    const kept = input === undefined ? {} : { input }
    if (step.kind === 'command') {
      const { decider, id, name } = step
      if (!this.#isRegistered(decider)) {
        throw new DaybookError(
          'NOT_REGISTERED',
          `process "${this.definition.name}" issues ${decider.category}.${name}, but the book was opened without the decider "${decider.category}"`,
          { process: this.definition.name, decider: decider.category },
        )
      }
      return { kind: 'command', category: decider.category, id, name, ...kept }
    }
    const { name } = step.decision
    if (this.definition.decisions.get(name)?.definition !== step.decision)
      throw invalid(
        this.definition.name,
        `it issues the decision "${name}", which is none of its "decisions"`,
      )
    return { kind: 'decision', name, ...kept }
  }

  #guarded<Result>(subject: string, decide: () => Result): Result {
    try {
      return decide()
    } catch (cause) {
      if (cause instanceof DaybookError) throw cause
      throw new DaybookError(
        'PROCESS_FAILED',
        `process "${this.definition.name}": ${subject} threw: ${messageOf(cause)}`,
        { process: this.definition.name, subject },
        cause,
      )
    }
  }
}

function subjectOf(what: string, { type, position }: RecordedEvent): string {
  return `${what} ${type} at position ${position}`
}

function legalKey(key: unknown): string {
  const name = legalName('process key', key)
  if (utf8Length(name) <= longestKeyBytes) return name
  throw new DaybookError(
    'ILLEGAL_NAME',
    `process key ${printable(name)} has more than ${longestKeyBytes} bytes`,
  )
}

const kinds: readonly unknown[] = ['command', 'decision', 'set-deadline', 'cancel-deadline', 'finish']

function stepsIn(name: string, subject: string, answer: unknown): readonly ProcessStep[] {
  if (answer === undefined || answer === null) return []
  const steps: readonly unknown[] = Array.isArray(answer) ? answer : [answer]
  for (const step of steps) {
    if (kinds.includes((step as ProcessStep | null)?.kind)) continue
    const what =
      answer instanceof Promise ? 'a promise; process managers are synchronous' : `${printable(step)}`
    throw invalid(name, `${subject} returned ${what}, not commands, deadlines or finish()`)
  }
  return steps as readonly ProcessStep[]
}
