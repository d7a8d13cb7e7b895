import { isStoreFault } from '../core/append-queue.ts'
import type { DeciderDefinition } from '../core/decider.ts'
import { isConflict, isDaybookError, messageOf } from '../core/errors.ts'
import type { NewEvent, RecordedEvent } from '../core/event.ts'
import type { Metadata } from '../core/metadata.ts'
import { streamName } from '../core/names.ts'
import type { Host } from '../core/ports/host.ts'
import { ProcessDeciding } from '../core/process-deciding.ts'
import type { Instance } from '../core/process-fold.ts'
import type { ProcessDefinition } from '../core/process-manager.ts'
import {
  type CommandAccepted,
  commandIdOf,
  decidedIn,
  isSettled,
  type OpenCommand,
  type PendingLimitPassed,
  processTypes,
  type Waiting,
} from '../core/process-stream.ts'
import type { Refusal } from '../core/refusal.ts'

/** Whatever led to something: an event, or what is known of one. */
export interface Cause {
  readonly id: string
  readonly metadata: Metadata
}

/** What a command led to. */
export interface CommandOutcome {
  readonly refused: Refusal | undefined
  readonly events: readonly RecordedEvent[]
}

/** What running a process needs of the book. */
export interface ProcessPorts {
  readonly host: Pick<Host, 'sleep' | 'random'>
  /** The store's clock, ms since 1970-01-01 UTC. */
  now(): Promise<number>
  load(stream: string): Promise<{ readonly instance: Instance; readonly version: number }>
  /** Appends one event to an own stream at a version; a repeat of the key with the same content changes nothing. */
  append(own: OwnAppend): Promise<{ readonly isRepeat: boolean }>
  /** Executes a command under its key. */
  execute(command: OpenCommand['command'], options: ExecuteUnder): Promise<CommandOutcome>
  isRegistered(decider: DeciderDefinition): boolean
}

/** One event for an own stream. */
export interface OwnAppend {
  readonly stream: string
  readonly version: number
  readonly event: NewEvent
  readonly key: string | undefined
  /** What a repeat of the key must share. */
  readonly content: string
  readonly actor: string
  readonly causedBy: Cause | undefined
}

/** What a command is executed under. */
export interface ExecuteUnder {
  readonly idempotencyKey: string
  readonly actor: string
  readonly causedBy: Cause
}

/** An event that is to be recorded, made from the newest state of its instance; undefined when there is nothing to do. */
type Make = (instance: Instance) => { readonly event: NewEvent; readonly causedBy?: Cause } | undefined

/** Two processes may work on one instance for a moment, never for long. */
const mostConflicts = 100
/** Deadlines of one instance reached in one go: one that sets itself anew without a wait must not hold up the others. */
const mostReached = 1_000

/**
 * Runs one process manager: takes inputs in, issues commands, reaches deadlines. Each step is one append to the own
 * stream of an instance, under a key that tells a repeat, so any of them may be done again after a crash, or by two
 * processes at once.
 */
export class ProcessRunning {
  readonly definition: ProcessDefinition
  readonly #ports: ProcessPorts
  readonly #deciding: ProcessDeciding
  readonly #actor: string
  /** Told when a deadline was set here, and when it is due. */
  onDeadlineSet: (key: string, dueAtMs: number) => void = () => undefined

  constructor(definition: ProcessDefinition, ports: ProcessPorts) {
    this.definition = definition
    this.#ports = ports
    this.#deciding = new ProcessDeciding(definition, (decider) => ports.isRegistered(decider))
    this.#actor = definition.category
  }

  /** Takes events in: those of one instance in their order, instances beside each other. */
  async takeIn(events: readonly RecordedEvent[]): Promise<void> {
    const byKey = new Map<string, RecordedEvent[]>()
    for (const event of events) {
      const key = this.#deciding.keyOf(event)
      if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), event])
    }
    await Promise.all(
      [...byKey].map(async ([key, inputs]) => {
        for (const input of inputs) await this.#takeIn(key, input)
      }),
    )
  }

  async #takeIn(key: string, input: RecordedEvent): Promise<void> {
    const idempotencyKey = `${this.#actor} ${input.id}`
    await this.#record(key, idempotencyKey, 'input', (instance) => {
      const data = this.#deciding.input(instance, input)
      return data && { event: { type: processTypes.inputTaken, data }, causedBy: input }
    })
  }

  /**
   * Issues the commands that an own event decided and that have no outcome yet, one after the other.
   *
   * @param isLastAttempt true when a command that fails is given up, where the manager reacts to that
   */
  async issue(own: RecordedEvent, isLastAttempt: boolean): Promise<void> {
    const count = decidedIn(own)?.commands.length ?? 0
    if (count === 0) return
    for (let index = 0; index < count; index++)
      await this.#issue(own, commandIdOf(own.id, index), isLastAttempt)
  }

  async #issue(own: RecordedEvent, id: string, isLastAttempt: boolean): Promise<void> {
    const key = own.streamId
    const open = (await this.#load(key)).instance.waiting.commands[id]
    if (open === undefined) return
    const idempotencyKey = `${this.#actor} ${id}`
    let outcome: CommandOutcome
    try {
      outcome = await this.#ports.execute(open.command, { idempotencyKey, actor: this.#actor, causedBy: own })
    } catch (error) {
      const mayGiveUp = this.definition.onFailed !== undefined && isLastAttempt && !isStoreFault(error)
      if (isDaybookError(error, 'IDEMPOTENCY_KEY_REUSED') && (await this.#isAnswered(key, id))) return
      if (!mayGiveUp) throw error
      return this.#recordFailure(own, id, open, messageOf(error))
    }
    if (outcome.refused !== undefined)
      return this.#recordRefusal(own, id, open, outcome.refused, isLastAttempt)
    const data: CommandAccepted = { command: id, events: outcome.events.map((event) => event.id) }
    await this.#record(key, `${idempotencyKey} accepted`, 'accepted', ({ waiting }) =>
      waiting.commands[id] === undefined
        ? undefined
        : { event: { type: processTypes.accepted, data }, causedBy: outcome.events.at(-1) ?? own },
    )
  }

  /**
   * A refusal is recorded under the key of the command itself: from then on the command cannot be accepted any more,
   * and where it was accepted meanwhile, by another process, the refusal is not recorded.
   */
  async #recordRefusal(
    own: RecordedEvent,
    id: string,
    open: OpenCommand,
    refusal: Refusal,
    isLastAttempt: boolean,
  ): Promise<void> {
    const nowMs = await this.#ports.now()
    await this.#recordFinal(own, id, isLastAttempt, (instance, key) => ({
      type: processTypes.refused,
      data: this.#deciding.refusal(instance, key, id, open, refusal, nowMs),
    }))
  }

  async #recordFailure(own: RecordedEvent, id: string, open: OpenCommand, error: string): Promise<void> {
    const nowMs = await this.#ports.now()
    await this.#recordFinal(own, id, true, (instance, key) => ({
      type: processTypes.failed,
      data: this.#deciding.failure(instance, key, id, open, error, nowMs),
    }))
  }

  async #recordFinal(
    own: RecordedEvent,
    id: string,
    isLastAttempt: boolean,
    make: (instance: Instance, key: string) => NewEvent,
  ): Promise<void> {
    const key = own.streamId
    try {
      await this.#record(key, `${this.#actor} ${id}`, 'not accepted', (instance) =>
        instance.waiting.commands[id] === undefined
          ? undefined
          : { event: make(instance, key), causedBy: own },
      )
    } catch (error) {
      if (!isDaybookError(error, 'IDEMPOTENCY_KEY_REUSED')) throw error
      // Somebody else had it accepted a moment ago: that is its outcome, and is found by executing it again.
      await this.#issue(own, id, isLastAttempt)
    }
  }

  /**
   * Reaches the deadlines of an instance that are due, the earliest first, also those that are set on the way. The
   * instance itself is asked, so that one that was cancelled or set anew meanwhile is not reached.
   */
  async reachDue(key: string, signal: AbortSignal): Promise<void> {
    const nowMs = await this.#ports.now()
    for (let reached = 0; reached < mostReached && !signal.aborted; reached++) {
      const due = firstDue((await this.#load(key)).instance.waiting, nowMs)
      if (due === undefined) return
      const { name, setBy } = due
      await this.#record(key, `${this.#actor} ${setBy} ${name}`, 'deadline', (instance) => {
        const open = instance.waiting.deadlines[name]
        if (open?.setBy !== setBy) return undefined
        const data = this.#deciding.deadline(instance, key, name, open, nowMs)
        return { event: { type: processTypes.deadlineReached, data } }
      })
    }
  }

  /**
   * Raises the alarm of an instance that is pending for longer than its limit, and records that it was raised: once, or
   * again when the process dies in between.
   */
  async raiseOverdue(key: string, limitMs: number, raise: (waiting: Waiting) => void): Promise<void> {
    const isDone = (waiting: Waiting): boolean => waiting.isOverdue || isSettled(waiting)
    const { waiting } = (await this.#load(key)).instance
    if (isDone(waiting)) return
    raise(waiting)
    const data: PendingLimitPassed = { limitMs }
    await this.#record(key, undefined, 'overdue', (instance) =>
      isDone(instance.waiting) ? undefined : { event: { type: processTypes.limitPassed, data } },
    )
  }

  async #isAnswered(key: string, id: string): Promise<boolean> {
    return (await this.#load(key)).instance.waiting.commands[id] === undefined
  }

  /** Appends what is made of the newest state; makes it again when somebody else was faster. */
  async #record(key: string, idempotencyKey: string | undefined, what: string, make: Make): Promise<boolean> {
    const stream = this.#streamOf(key)
    for (let conflicts = 0; ; conflicts++) {
      const { instance, version } = await this.#load(key)
      const made = make(instance)
      if (made === undefined) return false
      try {
        const { isRepeat } = await this.#ports.append({
          stream,
          version,
          event: made.event,
          key: idempotencyKey,
          content: `${what} ${stream}`,
          actor: this.#actor,
          causedBy: made.causedBy,
        })
        for (const dueAtMs of Object.values(decidedIn(made.event)?.deadlines ?? {}))
          if (dueAtMs !== null) this.onDeadlineSet(key, dueAtMs)
        return !isRepeat
      } catch (error) {
        if (!isConflict(error) || conflicts >= mostConflicts) throw error
        await this.#ports.host.sleep(Math.ceil(this.#ports.host.random() * Math.min(50, 2 ** conflicts)))
      }
    }
  }

  #load(key: string): ReturnType<ProcessPorts['load']> {
    return this.#ports.load(this.#streamOf(key))
  }

  #streamOf(key: string): string {
    return streamName(this.definition.category, key)
  }
}

function firstDue(
  { deadlines }: Waiting,
  nowMs: number,
): { readonly name: string; readonly setBy: string } | undefined {
  const [first] = Object.entries(deadlines)
    .filter(([, { dueAtMs }]) => dueAtMs <= nowMs)
    .sort(([, one], [, other]) => one.dueAtMs - other.dueAtMs)
  return first && { name: first[0], setBy: first[1].setBy }
}
