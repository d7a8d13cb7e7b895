import { type AppendRequest, type EncodedEvent, prepareAppend } from '../core/append-request.ts'
import { type Command, eventsDecided } from '../core/decider.ts'
import { DaybookError, isConflict } from '../core/errors.ts'
import type { RecordedEvent } from '../core/event.ts'
import { deepFreeze, type Fold } from '../core/fold.ts'
import { encodeLegalData } from '../core/legal-data.ts'
import type { EventLog } from '../core/ports/store.ts'
import { isRefusal, type Refusal } from '../core/refusal.ts'
import type { EventRow } from '../core/row-hash.ts'
import { type BookAppendOptions, findRepeat, submit } from './appending.ts'
import { type BookContext, logFor } from './context.ts'
import { foldRows, type Loaded, type StateLoader } from './loading.ts'
import type { AnyOutcome } from './outcome.ts'
import { backOff, type RetryPolicy } from './retrying.ts'
import type { Snapshotter } from './snapshotting.ts'

/** A command with its types erased. */
export type AnyCommand = Command<unknown, RecordedEvent, Refusal>

/** What goes with a command: metadata and an idempotency key; what guards its append follows from what it read. */
export type ExecuteOptions = Omit<BookAppendOptions, 'unless'>

/** What running commands needs. */
export interface CommandParts {
  readonly context: BookContext
  readonly loader: StateLoader
  readonly snapshotter: Snapshotter
  readonly retries: RetryPolicy
}

/** A command decided on a state, not yet appended. */
export type Decided =
  | { readonly kind: 'append'; readonly request: AppendRequest; readonly next: Loaded }
  | { readonly kind: 'nothing'; readonly refused: Refusal | undefined }

/**
 * Decides a command on a state. Its events are folded before they are appended: one that evolve cannot take must not
 * get into the log. Commands without events and without a key need no append.
 */
export function decide(
  parts: CommandParts,
  command: AnyCommand,
  options: ExecuteOptions,
  loaded: Loaded,
): Decided {
  const { decider, name, input } = command
  const run = decider.commands.get(name)
  if (run === undefined) {
    throw new DaybookError('COMMAND_UNKNOWN', `decider "${decider.category}" has no command ${name}`)
  }
  const answer = run(loaded.state, input)
  if (isRefusal(answer)) return { kind: 'nothing', refused: answer }
  const events = eventsDecided(`command ${decider.category}.${name}`, answer)
  if (events.length === 0 && options.idempotencyKey === undefined)
    return { kind: 'nothing', refused: undefined }
  const { preparation, host } = parts.context
  const stream = streamOf(command)
  const writes = [{ stream, expectedVersion: loaded.version, events }]
  const request = prepareAppend(writes, options, preparation, () => contentOf(command))
  const next = foldRows(decider.fold, loaded, provisionalRows(request.events, loaded.version, host.now()))
  return { kind: 'append', request, next: { ...next, state: deepFreeze(next.state) } }
}

/** A command whose outcome must not differ from that of the first use of its key, if there was one. */
export async function earlierOutcome(
  parts: CommandParts,
  log: EventLog,
  command: AnyCommand,
  options: ExecuteOptions,
): Promise<AnyOutcome | undefined> {
  const { decider } = command
  return earlierOf(
    parts,
    log,
    { fold: decider.fold, stream: streamOf(command), content: () => contentOf(command) },
    options,
  )
}

/** What a key stands for: one stream, folded in one way, and the content that a repeat must share. */
export interface RepeatSubject {
  readonly fold: Fold
  readonly stream: string
  readonly content: () => string
}

/** The first outcome of a key: its events, and the state as it was right after them. */
export async function earlierOf(
  parts: CommandParts,
  log: EventLog,
  { fold, stream, content }: RepeatSubject,
  options: ExecuteOptions,
): Promise<AnyOutcome | undefined> {
  const first = await findRepeat(parts.context, log, options.idempotencyKey, content)
  if (first === undefined) return undefined
  const past = await parts.loader.loadAsOf(log, fold, stream, { atPosition: first.position })
  return { ...outcomeOf(past, first.events), isRepeat: true } as AnyOutcome
}

/** Runs one command in the caller's own transaction, whose lock makes a conflict impossible once it holds. */
export async function executeWithin(
  parts: CommandParts,
  command: AnyCommand,
  options: ExecuteOptions,
): Promise<AnyOutcome> {
  const log = logFor(parts.context, options.transaction)
  const { fold } = command.decider
  for (let attempt = 1; ; attempt++) {
    const loaded = await parts.loader.loadAsOf(log, fold, streamOf(command), {})
    const earlier = await earlierOutcome(parts, log, command, options)
    if (earlier !== undefined) return earlier
    const decided = decide(parts, command, options, loaded)
    if (decided.kind === 'nothing') return outcomeOf(loaded, [], decided.refused)
    const outcome = await submit(parts.context, decided.request, options.transaction)
    if (outcome.kind === 'appended') {
      return outcomeOf(foldRows(fold, loaded, outcome.rows), parts.context.rows.events(outcome.rows))
    }
    const conflict = outcome.kind === 'refused' ? outcome.error : undefined
    if (conflict !== undefined && (!isConflict(conflict) || attempt >= parts.retries.maxAttempts))
      throw conflict
    await backOff(parts.context.host, parts.retries, attempt)
  }
}

/**
 * The rows that events of one stream will become, as far as they are known before they are committed: enough to
 * decide on. Their position is 0.
 */
export function provisionalRows(
  events: readonly EncodedEvent[],
  afterVersion: number,
  nowMs: number,
): readonly EventRow[] {
  return events.map((event, index) => ({
    position: 0,
    stream: event.stream,
    version: afterVersion + index + 1,
    type: event.type,
    schemaVersion: event.schemaVersion,
    id: event.id,
    data: event.data,
    metadata: event.metadata,
    tags: JSON.stringify(event.tags),
    recordedAtMs: nowMs,
  }))
}

export function streamOf(command: AnyCommand): string {
  return `${command.decider.category}-${command.id}`
}

/** What a repeat of the command must share with it; throws `ILLEGAL_DATA` for input that JSON does not hold. */
function contentOf({ decider, id, name, input }: AnyCommand): string {
  const command = JSON.stringify(['command', decider.category, id, name])
  return `${command} ${encodeLegalData(input ?? null, 'input', { isForComparing: true })}`
}

/** The outcome of a command that led to this state. */
export function outcomeOf(loaded: Loaded, events: readonly RecordedEvent[], refused?: Refusal): AnyOutcome {
  const { state, version, position } = loaded
  if (refused !== undefined) return { refused, state, version, position, events: [], isRepeat: false }
  return { refused: undefined, state, version, position, events, isRepeat: false }
}
