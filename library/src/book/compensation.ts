import { prepareAppend } from '../core/append-request.ts'
import { type DeciderDefinition, eventsDecided } from '../core/decider.ts'
import { DaybookError, isConflict } from '../core/errors.ts'
import { isValidated, type NewEvent, type RecordedEvent } from '../core/event.ts'
import { integerWithin, maxPosition } from '../core/limits.ts'
import { streamName } from '../core/names.ts'
import { isRefusal, type Refusal, refuse } from '../core/refusal.ts'
import { appendedFrom, submit } from './appending.ts'
import { type CommandParts, type ExecuteOptions, earlierOf, outcomeOf, provisionalRows } from './commands.ts'
import { logFor } from './context.ts'
import { foldRows } from './loading.ts'
import type { AnyOutcome } from './outcome.ts'
import { readStreamEvents } from './reading.ts'
import { backOff } from './retrying.ts'

/** Which event to take back or to reinstate. Corrections always say who made them and why. */
export interface CompensationOptions extends ExecuteOptions {
  /** Version of the event in its stream. */
  readonly version: number
  readonly actor: string
  readonly reason: string
}

/** Refusals of `undo` and `redo` besides those of the decider. */
export type CompensationRefusal =
  | Refusal<'NoSuchEvent', { readonly version: number }>
  | Refusal<'AlreadyUndone', { readonly byVersion: number }>
  | Refusal<'NotUndone', undefined>
  | Refusal<'NotCompensable', { readonly type: string }>

/** The metadata key under which a compensating event names the event it takes back. */
const compensatesKey = 'compensates'
/** The metadata key under which a reinstated event names the event it repeats. */
const reinstatesKey = 'reinstates'

/**
 * Undo appends what the decider's `compensate` answers for the event; redo appends the event's data once more. Both
 * link to the event by metadata, so that an event is taken back once, and reinstated only when it was.
 */
export async function compensate(
  parts: CommandParts,
  decider: DeciderDefinition,
  id: string,
  action: 'undo' | 'redo',
  options: CompensationOptions,
): Promise<AnyOutcome> {
  const version = integerWithin('version', options.version, 1, maxPosition)
  for (const required of ['actor', 'reason'] as const) {
    if (!options[required])
      throw new DaybookError('ILLEGAL_ARGUMENT', `${action} needs ${required}`, { argument: required })
  }
  const stream = streamName(decider.category, id)
  const content = (): string => JSON.stringify([action, stream, version])
  const log = logFor(parts.context, options.transaction)
  for (let attempt = 1; ; attempt++) {
    const loaded = await parts.loader.loadAsOf(log, decider.fold, stream, {})
    const earlier = await earlierOf(parts, log, { fold: decider.fold, stream, content }, options)
    if (earlier !== undefined) return earlier
    const events = await readStreamEvents(log, stream, { toVersion: loaded.version }).toArray()
    const target = events[version - 1]
    const answer =
      target === undefined
        ? refuse('NoSuchEvent', { version })
        : answerTo(action, decider, target, events, loaded.state)
    if (isRefusal(answer)) return outcomeOf(loaded, [], answer)
    const link = { [action === 'undo' ? compensatesKey : reinstatesKey]: target?.id ?? '' }
    const request = prepareAppend(
      [{ stream, expectedVersion: loaded.version, events: answer }],
      { ...options, causedBy: target, metadata: { ...options.metadata, ...link } },
      parts.context.preparation,
      content,
    )
    foldRows(decider.fold, loaded, provisionalRows(request.events, loaded.version, parts.context.host.now()))
    const outcome = await submit(parts.context, request, options.transaction)
    if (outcome.kind === 'appended') {
      const { events: appended } = await appendedFrom(parts.context, log, outcome)
      return outcomeOf(foldRows(decider.fold, loaded, outcome.rows), appended)
    }
    if (outcome.kind === 'repeated') continue
    if (!isConflict(outcome.error) || attempt >= parts.retries.maxAttempts) throw outcome.error
    await backOff(parts.context.host, parts.retries, attempt)
  }
}

function answerTo(
  action: 'undo' | 'redo',
  decider: DeciderDefinition,
  target: RecordedEvent,
  events: readonly RecordedEvent[],
  state: unknown,
): readonly NewEvent[] | Refusal {
  const linked = events.filter(
    ({ metadata }) => metadata[compensatesKey] === target.id || metadata[reinstatesKey] === target.id,
  )
  const last = linked.at(-1)
  const undoneBy = last !== undefined && last.metadata[compensatesKey] === target.id ? last : undefined
  if (action === 'redo') {
    if (undoneBy === undefined) return refuse('NotUndone')
    const { type, data, tags, schemaVersion } = target
    return [{ type, data, tags, schemaVersion, [isValidated]: true }]
  }
  if (undoneBy !== undefined) return refuse('AlreadyUndone', { byVersion: undoneBy.version })
  const step = decider.compensate.get(target.type)
  if (step === undefined) return refuse('NotCompensable', { type: target.type })
  const answer = step(state, target.data, target)
  return isRefusal(answer)
    ? answer
    : eventsDecided(`compensate.${target.type} of ${decider.category}`, answer)
}
