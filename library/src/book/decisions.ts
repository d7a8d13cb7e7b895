import { type AppendRequest, prepareAppend, type StreamAppend } from '../core/append-request.ts'
import { type DecisionDefinition, type ReadRef, type Write, writesDecided } from '../core/decision.ts'
import { isConflict } from '../core/errors.ts'
import type { RecordedEvent } from '../core/event.ts'
import { deepFreeze } from '../core/fold.ts'
import { encodeLegalData } from '../core/legal-data.ts'
import type { EventLog } from '../core/ports/store.ts'
import { matchesQuery } from '../core/query.ts'
import { RowReader } from '../core/recorded-event.ts'
import { isRefusal, type Refusal } from '../core/refusal.ts'
import { type Appended, appendedFrom, findRepeat, submit } from './appending.ts'
import { type CommandParts, type ExecuteOptions, provisionalRows } from './commands.ts'
import { logFor } from './context.ts'
import { foldQuery } from './loading.ts'
import type { Accepted, AnyOutcome } from './outcome.ts'
import { backOff } from './retrying.ts'

/** A decision with its input, types erased. */
export interface AnyDecision {
  readonly decision: DecisionDefinition
  readonly input: unknown
}

/** What was read of one reference: what `decide` sees, and the reference itself. */
interface Read {
  readonly ref: ReadRef
  readonly state: unknown
  /** Version of the stream, 0 for a boundary. */
  readonly version: number
  /** Up to where a boundary was read; position of a stream's last event. */
  readonly position: number
}

type Reads = ReadonlyMap<string, Read>

/** Reads what the decision declares, decides, and appends under the condition that nothing it read has changed. */
export async function executeDecision(
  parts: CommandParts,
  command: AnyDecision,
  options: ExecuteOptions,
): Promise<AnyOutcome> {
  const { decision, input } = command
  const log = logFor(parts.context, options.transaction)
  const refs = new Map(Object.entries(decision.reads(input)))
  const content = (): string =>
    `${JSON.stringify(['decision', decision.name])} ${encodeLegalData(input ?? null, 'input', { isForComparing: true })}`
  for (let attempt = 1; ; attempt++) {
    const reads = await readAll(parts, log, refs, options.transaction)
    const earlier = await earlierDecision(parts, log, refs, content, options)
    if (earlier !== undefined) return earlier
    const answer = writesDecided(decision.name, decision.decide(statesOf(reads), input))
    if (isRefusal(answer)) return outcomeOf(reads, undefined, answer)
    if (answer.length === 0 && options.idempotencyKey === undefined) return outcomeOf(reads, undefined)
    const request = requestOf(parts, reads, answer, content, options)
    assertFolds(reads, request, parts.context.host.now())
    const outcome = await submit(parts.context, request, options.transaction)
    if (outcome.kind === 'appended') return outcomeOf(reads, await appendedFrom(parts.context, log, outcome))
    if (outcome.kind === 'repeated') continue
    if (!isConflict(outcome.error) || attempt >= parts.retries.maxAttempts) throw outcome.error
    await backOff(parts.context.host, parts.retries, attempt)
  }
}

async function readAll(
  parts: CommandParts,
  log: EventLog,
  refs: ReadonlyMap<string, ReadRef>,
  transaction: unknown,
  atPosition?: number,
): Promise<Reads> {
  // A boundary is read up to a head taken before anything else, so that what comes meanwhile counts as unread.
  const { position, chainHash } = await log.head()
  // What is decided must not rest on events that a crash can take back: all up to here is waited for before it is read.
  if (position > 0) await log.whenDurable(position, chainHash)
  const head = atPosition ?? position
  const reads = new Map<string, Read>()
  for (const [name, ref] of refs) {
    if (ref.kind === 'boundary') {
      const state = deepFreeze(await foldQuery(log, ref.fold, ref.items, head))
      reads.set(name, { ref, state, version: 0, position: head })
      continue
    }
    const isNow = transaction === undefined && atPosition === undefined
    const loaded = isNow
      ? await parts.loader.load(ref.fold, ref.stream)
      : await parts.loader.loadAsOf(log, ref.fold, ref.stream, { atPosition })
    const { state, version } = loaded
    reads.set(name, { ref, state, version, position: loaded.position })
  }
  return reads
}

function requestOf(
  parts: CommandParts,
  reads: Reads,
  writes: readonly Write[],
  content: () => string,
  options: ExecuteOptions,
): AppendRequest {
  const streams = new Map<string, StreamAppend>()
  const conditions: { query: readonly { readonly tags?: readonly string[] }[]; after: number }[] = []
  for (const { ref, version, position } of reads.values()) {
    if (ref.kind === 'boundary') conditions.push({ query: ref.items, after: position })
    else {
      // A stream read twice is guarded by the older read: what the decision saw of it must all still hold.
      const expectedVersion = Math.min(version, Number(streams.get(ref.stream)?.expectedVersion ?? version))
      streams.set(ref.stream, { stream: ref.stream, expectedVersion, events: [] })
    }
  }
  for (const { stream } of writes) if (!streams.has(stream)) streams.set(stream, { stream, events: [] })
  const request = prepareAppend(
    [...streams.values()].map((entry) => ({
      ...entry,
      events: writes.filter(({ stream }) => stream === entry.stream).map(({ event }) => event),
    })),
    { ...options, unless: conditions.length === 0 ? undefined : conditions },
    parts.context.preparation,
    content,
  )
  return { ...request, events: inOrderOf(writes, request) }
}

/** The events in the order in which the decision returned them, also where it goes back and forth between streams. */
function inOrderOf(writes: readonly Write[], request: AppendRequest): AppendRequest['events'] {
  const queues = new Map<string, AppendRequest['events'][number][]>()
  for (const event of request.events) queues.set(event.stream, [...(queues.get(event.stream) ?? []), event])
  return writes.flatMap(({ stream }) => queues.get(stream)?.shift() ?? [])
}

async function earlierDecision(
  parts: CommandParts,
  log: EventLog,
  refs: ReadonlyMap<string, ReadRef>,
  content: () => string,
  options: ExecuteOptions,
): Promise<AnyOutcome | undefined> {
  const appended = await findRepeat(parts.context, log, options.idempotencyKey, content)
  if (appended === undefined) return undefined
  const reads = await readAll(parts, log, refs, options.transaction, appended.position)
  return { ...accepted(reads, appended), isRepeat: true }
}

/** Folds the events before they are appended: one that evolve cannot take must not get into the log. */
function assertFolds(reads: Reads, request: AppendRequest, nowMs: number): void {
  const versions = new Map<string, number>()
  for (const { ref, version } of reads.values()) if (ref.kind === 'stream') versions.set(ref.stream, version)
  const rows = request.events.flatMap((event) => {
    const version = versions.get(event.stream) ?? 0
    versions.set(event.stream, version + 1)
    return provisionalRows([event], version, nowMs)
  })
  const events = new RowReader().events(rows)
  for (const read of reads.values()) advanced(read, events, 0)
}

/** The states after the decision: what was read, with the appended events folded in. */
function outcomeOf(reads: Reads, appended: Appended | undefined, refused?: Refusal): AnyOutcome {
  if (appended !== undefined) {
    const after = [...reads].map(
      ([name, read]) => [name, advanced(read, appended.events, appended.position)] as const,
    )
    return accepted(new Map(after), appended)
  }
  const position = Math.max(0, ...[...reads.values()].map((read) => read.position))
  const outcome = { state: statesOf(reads), version: 0, position, isRepeat: false as const }
  return refused === undefined ? { refused, ...outcome, events: [] } : { refused, ...outcome, events: [] }
}

function accepted(after: Reads, { events, position }: Appended): Accepted<unknown, RecordedEvent> {
  const version = events.at(-1)?.version ?? 0
  return { refused: undefined, state: statesOf(after), version, position, events, isRepeat: false }
}

/** What was read, as it is after the events; a boundary has then been read up to the append's position. */
function advanced(read: Read, events: readonly RecordedEvent[], position: number): Read {
  const { ref } = read
  const isBoundary = ref.kind === 'boundary'
  const own = events.filter((event) =>
    isBoundary ? matchesQuery(ref.items, event) : event.stream === ref.stream,
  )
  const state = deepFreeze(own.reduce((before, event) => ref.fold.evolve(before, event), read.state))
  if (isBoundary) return { ref, state, version: 0, position }
  const last = own.at(-1)
  return last === undefined ? read : { ref, state, version: last.version, position: last.position }
}

function statesOf(reads: Reads): { readonly [name: string]: unknown } {
  return Object.fromEntries(
    [...reads].map(([name, { ref, state, version, position }]) => [
      name,
      ref.kind === 'stream' ? { state, stream: ref.stream, version } : { state, position },
    ]),
  )
}
