import type { stateOf } from '../core/decider.ts'
import { DaybookError } from '../core/errors.ts'
import type { RecordedEvent } from '../core/event.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { streamName } from '../core/names.ts'
import type { Instance } from '../core/process-fold.ts'
import type { AnyProcessManager, ProcessDefinition } from '../core/process-manager.ts'
import { type PendingDocument, pendingProjection } from '../core/process-pending.ts'
import type { IssuedCommand } from '../core/process-stream.ts'
import { instantText } from '../core/recorded-event.ts'
import type { BookContext } from './context.ts'
import type { StateLoader } from './loading.ts'
import { type Events, readStreamEvents } from './reading.ts'

/** What an instance waits for: a deadline that is set, or a command without an outcome. */
export type WaitsFor =
  | { readonly kind: 'deadline'; readonly name: string; readonly dueAt: string }
  | { readonly kind: 'command'; readonly command: IssuedCommand; readonly since: string }

/** An instance of a process that is not finished. Instants are ISO 8601, by the store's clock. */
export interface PendingProcess {
  readonly process: string
  readonly key: string
  /** Its own stream: what it took in, what it decided, and what became of that. */
  readonly stream: string
  /** When the event that began it was recorded, and how long ago that is. */
  readonly startedAt: string
  readonly ageMs: number
  /** When something last happened to it. */
  readonly changedAt: string
  /** Deadlines by when they are due, then commands by how long they wait; empty when it waits for events alone. */
  readonly waitsFor: readonly WaitsFor[]
  /** True when the alarm of its `pendingLimitMs` was raised. */
  readonly isOverdue: boolean
}

/** Which instances. */
export interface PendingOptions {
  /** Only of this process. */
  readonly process?: AnyProcessManager | string
  /** Only those that began at least so many ms ago. */
  readonly olderThanMs?: number
  /** Most of each process; 1 to 10,000, default 1,000. */
  readonly limit?: number
}

/** The state of one instance of a process. */
export interface ProcessState<State> {
  readonly state: State
  readonly isFinished: boolean
  /** As in `pending`; a finished instance may still wait for the outcome of its last commands. */
  readonly waitsFor: readonly WaitsFor[]
  /** Version of its own stream. */
  readonly version: number
}

/** What a person wants to know of the processes of a book, whoever runs them. */
export interface Processes {
  /**
   * Instances that are not finished, the oldest first: what each waits for, and since when. Read from a read model that
   * is a moment behind the log, kept by whoever runs the process.
   */
  pending(options?: PendingOptions): Promise<readonly PendingProcess[]>
  /** One instance as it is now; undefined when there is none. */
  state<State>(
    process: AnyProcessManager & { readonly [stateOf]?: State },
    key: string,
  ): Promise<ProcessState<State> | undefined>
  /** What happened to one instance, in order: the events of its own stream. */
  history(process: AnyProcessManager | string, key: string): Events<RecordedEvent>
}

/** Throws `NOT_REGISTERED` for a process that the book was opened without. */
export function processesOf(
  context: BookContext,
  loader: StateLoader,
  definitions: readonly ProcessDefinition[],
): Processes {
  const named = (process: AnyProcessManager | string): ProcessDefinition => {
    const name = typeof process === 'string' ? process : process.definition.name
    const found = definitions.find((definition) =>
      typeof process === 'string' ? definition.name === process : definition === process.definition,
    )
    if (found !== undefined) return found
    throw new DaybookError('NOT_REGISTERED', `the book was opened without the process "${name}"`, {
      process: name,
    })
  }
  return {
    async pending({ process, olderThanMs = 0, limit = 1_000 } = {}) {
      integerWithin('olderThanMs', olderThanMs, 0, maxPosition)
      integerWithin('limit', limit, 1, 10_000)
      const wanted = process === undefined ? definitions : [named(process)]
      const nowMs = await context.store.following.now()
      const found = await Promise.all(
        wanted.map((definition) => pendingOf(context, definition, nowMs, olderThanMs, limit)),
      )
      return found.flat().sort((one, other) => other.ageMs - one.ageMs)
    },
    async state<State>(process: AnyProcessManager, key: string) {
      const { fold, category } = named(process)
      const { state, version } = await loader.load(fold, streamName(category, key))
      if (version === 0) return undefined
      const instance = state as Instance
      const { waiting } = instance
      return {
        state: instance.state as State,
        isFinished: waiting.isFinished,
        waitsFor: waitsFor(waiting),
        version,
      }
    },
    history: (process, key) =>
      readStreamEvents(context.store.log, streamName(named(process).category, key), {}),
  }
}

async function pendingOf(
  { store }: BookContext,
  definition: ProcessDefinition,
  nowMs: number,
  olderThanMs: number,
  limit: number,
): Promise<readonly PendingProcess[]> {
  const { shape, subscription } = pendingProjection(definition)
  // Nobody has run it yet.
  if ((await store.readModels.checkpoint(subscription)) === undefined) return []
  const rows = await store.readModels.find(shape, {
    where: [{ column: 'startedAtMs', operator: 'lte', value: nowMs - olderThanMs }],
    orderBy: [{ column: 'startedAtMs', direction: 'asc' }],
    limit,
  })
  return rows.map(({ key, document }) => {
    const { waiting } = JSON.parse(document) as PendingDocument
    return {
      process: definition.name,
      key,
      stream: streamName(definition.category, key),
      startedAt: instantText(waiting.startedAtMs),
      ageMs: nowMs - waiting.startedAtMs,
      changedAt: instantText(waiting.changedAtMs),
      waitsFor: waitsFor(waiting),
      isOverdue: waiting.isOverdue,
    }
  })
}

function waitsFor({ deadlines, commands }: PendingDocument['waiting']): readonly WaitsFor[] {
  const byTime = <Value>(values: readonly Value[], timeOf: (value: Value) => number): readonly Value[] =>
    values.toSorted((one, other) => timeOf(one) - timeOf(other))
  return [
    ...byTime(Object.entries(deadlines), ([, { dueAtMs }]) => dueAtMs).map(
      ([name, { dueAtMs }]) => ({ kind: 'deadline', name, dueAt: instantText(dueAtMs) }) as const,
    ),
    ...byTime(Object.values(commands), ({ sinceMs }) => sinceMs).map(
      ({ command, sinceMs }) => ({ kind: 'command', command, since: instantText(sinceMs) }) as const,
    ),
  ]
}
