import { type AppendOutcome, type KeyRecord, keyReused } from '../core/append-plan.ts'
import {
  type AppendOptions,
  type AppendRequest,
  prepareAppend,
  type StreamAppend,
} from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import type { RecordedEvent } from '../core/event.ts'
import type { EventLog, LogReader } from '../core/ports/store.ts'
import { RowReader } from '../core/recorded-event.ts'
import { type BookContext, logFor } from './context.ts'

/** What an append takes besides the events. */
export interface BookAppendOptions extends AppendOptions {
  /** The caller's own open transaction on the same database: their rows and our events commit together or not at all. */
  readonly transaction?: unknown
}

/** An append that is in the log. */
export interface Appended {
  /** The events, in order. */
  readonly events: readonly RecordedEvent[]
  /** Position of the last of them; of the head when there were none. */
  readonly position: number
  /** True when the idempotency key had been used before: these are the events of the first time. */
  readonly isRepeat: boolean
}

/** Appends events to streams: all or nothing. Throws conflicts and every refusal as coded errors. */
export async function appendEvents(
  context: BookContext,
  writes: readonly StreamAppend[],
  options: BookAppendOptions,
  content?: () => string,
): Promise<Appended> {
  const request = prepareAppend(writes, options, context.preparation, content)
  const outcome = await submit(context, request, options.transaction)
  return appendedFrom(context, logFor(context, options.transaction), outcome)
}

/** Queues a request for the next shared transaction, or writes it into the caller's own. */
export async function submit(
  context: BookContext,
  request: AppendRequest,
  transaction: unknown,
): Promise<AppendOutcome> {
  if (transaction === undefined) return context.queue.append(request)
  const [outcome] = await logFor(context, transaction).append([request], context.inline)
  return outcome as AppendOutcome
}

/** The answer in an outcome; throws the refusal. */
export async function appendedFrom(
  { rows }: BookContext,
  log: LogReader,
  outcome: AppendOutcome,
): Promise<Appended> {
  if (outcome.kind === 'refused') throw outcome.error
  if (outcome.kind === 'repeated') return repeated(log, outcome.record)
  return { events: rows.events(outcome.rows), position: outcome.head, isRepeat: false }
}

/** The first answer to an idempotency key, read back from the log. */
export async function repeated(log: LogReader, record: KeyRecord): Promise<Appended> {
  const { firstPosition, eventCount } = record
  const lastPosition = firstPosition + eventCount - 1
  const events: RecordedEvent[] = []
  const reader = new RowReader()
  for (let after = firstPosition - 1; after < lastPosition; ) {
    const page = await log.readLog({
      afterPosition: after,
      toPosition: lastPosition,
      items: undefined,
      limit: lastPosition - after,
    })
    events.push(...reader.events(page.rows))
    // The log may have become shorter since the key was read: what was not flushed is gone after a crash.
    if (page.scannedTo <= after) break
    after = page.scannedTo
  }
  return { events, position: lastPosition, isRepeat: true }
}

/** What a key led to before, if it was used; throws `IDEMPOTENCY_KEY_REUSED` when it was used with other content. */
export async function findRepeat(
  context: BookContext,
  log: EventLog,
  key: string | undefined,
  content: () => string,
): Promise<Appended | undefined> {
  if (key === undefined) return undefined
  let record = await log.findKey(key)
  for (let attempt = 1; record !== undefined; attempt++) {
    if (record.fingerprint !== context.preparation.fingerprint(content())) throw keyReused(record)
    const first = await repeated(log, record)
    const last = first.events.at(-1)
    if (last !== undefined) await log.whenDurable(last.position, last.id)
    // A record that was not flushed may be gone after a crash, and others stand at its positions. What was read is durable
    // by now: if the key still leads to these positions, it is what the key led to.
    const again = await log.findKey(key)
    const isSame = again?.firstPosition === record.firstPosition && again.eventCount === record.eventCount
    if (isSame && first.events.length === record.eventCount) return first
    if (attempt === mostReadings) throw leadsNowhere(record)
    record = again
  }
  return undefined
}

/** It takes a crash of the server for a key to be read in vain. */
const mostReadings = 5

function leadsNowhere({ key, firstPosition, eventCount }: KeyRecord): DaybookError {
  return new DaybookError(
    'STORE_CORRUPT',
    `the idempotency key ${JSON.stringify(key)} leads to ${eventCount} events from position ${firstPosition} on, which the log does not have`,
    { key, firstPosition, eventCount },
  )
}
