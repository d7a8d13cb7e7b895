import { commandOf } from '../core/decider.ts'
import { DaybookError, messageOf } from '../core/errors.ts'
import type { ColumnValue } from '../core/ports/read-models.ts'
import type { Instance } from '../core/process-fold.ts'
import type { ProcessDefinition } from '../core/process-manager.ts'
import { type PendingDocument, pendingProjection } from '../core/process-pending.ts'
import { decidingTypes, type IssuedCommand } from '../core/process-stream.ts'
import type { ProjectionDefinition } from '../core/projection.ts'
import { retryFrom, type SubscriptionDefinition } from '../core/subscription.ts'
import { DeadlineClock, type PendingInstance } from '../processing/deadline-clock.ts'
import { Follower } from '../processing/follower.ts'
import {
  type CommandOutcome,
  type ExecuteUnder,
  type OwnAppend,
  ProcessRunning,
} from '../processing/process-running.ts'
import { appendEvents } from './appending.ts'
import type { AnyCommand, CommandParts, ExecuteOptions } from './commands.ts'
import type { BookContext } from './context.ts'
import { executeDecision } from './decisions.ts'
import type { OpeningParts } from './open-subscription.ts'
import type { AnyOutcome } from './outcome.ts'
import { type OpenProjection, readModelOf } from './read-model.ts'

/** What running processes needs besides what commands need. */
export interface ProcessParts extends CommandParts {
  readonly deciders: readonly { readonly definition: AnyCommand['decider'] }[]
  readonly execute: (command: AnyCommand, options: ExecuteOptions) => Promise<AnyOutcome>
}

/** A process manager of an open book. */
export interface OpenProcess {
  readonly definition: ProcessDefinition
  /** Its read model of what is pending. */
  readonly projection: ProjectionDefinition
  /** What takes inputs in, and what issues commands. */
  readonly subscriptions: readonly SubscriptionDefinition[]
  readonly running: ProcessRunning
}

/** A process manager, ready to be run. */
export function openProcess(parts: ProcessParts, definition: ProcessDefinition): OpenProcess {
  const { context, loader, snapshotter } = parts
  const { following } = context.store
  const running = new ProcessRunning(definition, {
    host: context.host,
    now: () => following.now(),
    async load(stream) {
      const loaded = await loader.load(definition.fold, stream)
      snapshotter.consider(definition.fold, stream, loaded)
      return { instance: loaded.state as Instance, version: loaded.version }
    },
    append: (own) => appendOwn(context, own),
    execute: (command, options) => executeIssued(parts, definition, command, options),
    isRegistered: (decider) => parts.deciders.some((known) => known.definition === decider),
  })
  return {
    definition,
    projection: pendingProjection(definition),
    subscriptions: [inputsOf(definition, running), outboxOf(definition, running)],
    running,
  }
}

/** Takes events in. */
function inputsOf(definition: ProcessDefinition, running: ProcessRunning): SubscriptionDefinition {
  const { name, items, startAt } = definition
  return {
    ...subscriptionOf(definition, name),
    items,
    startAt,
    batch: 100,
    run: (events) => running.takeIn(events),
  }
}

/** Issues commands, from the own streams. */
function outboxOf(definition: ProcessDefinition, running: ProcessRunning): SubscriptionDefinition {
  const base = subscriptionOf(definition, `${definition.name}-outbox`)
  return {
    ...base,
    items: [{ types: decidingTypes, categories: [definition.category] }],
    // Whatever is in the own streams was decided, also by a book that was opened elsewhere first.
    startAt: 'beginning',
    batch: 1,
    run: async ([own], { attempt }) => {
      if (own !== undefined) await running.issue(own, attempt >= base.retry.maxAttempts)
    },
  }
}

function subscriptionOf(
  { retry, name: process }: ProcessDefinition,
  name: string,
): Omit<SubscriptionDefinition, 'items' | 'startAt' | 'batch' | 'run'> {
  return {
    kind: 'process',
    name,
    version: undefined,
    subscription: `process ${name}`,
    shards: 1,
    onFailure: 'park-stream',
    retry: retryFrom(process, retry),
    timeoutMs: 30_000,
    inbox: false,
  }
}

/** What reaches the deadlines of a process under a lease of its own. */
export async function openClock(
  { context, keeper }: OpeningParts,
  { running, definition }: OpenProcess,
  projection: OpenProjection,
): Promise<Follower> {
  const { store, host, report } = context
  const { name } = definition
  const documents = readModelOf(context, projection)
  const find = async (
    where: { readonly [column: string]: { readonly [operator: string]: ColumnValue } | boolean },
    orderBy: 'nextDueAtMs' | 'startedAtMs',
    limit: number,
  ): Promise<readonly PendingInstance[]> =>
    (await documents.find({ where, orderBy: { [orderBy]: 'asc' }, limit })).map(({ key, document }) => ({
      key,
      document: document as PendingDocument,
    }))
  const subject = `process ${name}`
  const clock = new DeadlineClock({
    running,
    host,
    now: () => store.following.now(),
    withDeadlines: (limit) => find({ nextDueAtMs: { gte: 0 } }, 'nextDueAtMs', limit),
    startedBefore: (timeMs, limit) =>
      find({ startedAtMs: { lte: timeMs }, isOverdue: false }, 'startedAtMs', limit),
    onOverdue: (key, { startedAtMs }, nowMs) => {
      const message = `${subject}, ${key}: not finished ${nowMs - startedAtMs} ms after it began`
      report({ kind: 'process-pending', subject: name, message })
    },
    onFailed: (key, error) => {
      const message = `${subject}, deadline of ${key}: ${messageOf(error)}`
      report({ kind: 'process-failed', subject: name, message, error })
    },
    onError: (error) => {
      const message = `${subject}, deadlines: ${messageOf(error)}`
      report({ kind: 'follower-waiting', subject: name, message, error })
    },
  })
  if (!store.isReadOnly) {
    // It follows no log; the checkpoint is where its lease is kept.
    const start = { position: 0, epoch: store.identity.epoch, fingerprint: '', updatedAtMs: host.now() }
    await store.readModels.prepareSubscription(clock.name, start)
  }
  return new Follower(clock, store.log, host, { keeper, claim: { subscription: clock.name } })
}

async function appendOwn(
  context: BookContext,
  { stream, version, event, key, content, actor, causedBy }: OwnAppend,
): Promise<{ readonly isRepeat: boolean }> {
  const writes = [{ stream, expectedVersion: version, events: [event] }]
  const { isRepeat } = await appendEvents(
    context,
    writes,
    { idempotencyKey: key, actor, causedBy },
    () => content,
  )
  return { isRepeat }
}

async function executeIssued(
  parts: ProcessParts,
  { name, decisions }: ProcessDefinition,
  issued: IssuedCommand,
  options: ExecuteUnder,
): Promise<CommandOutcome> {
  if (issued.kind === 'decision') {
    const maker = decisions.get(issued.name)
    if (maker === undefined) throw unknown(name, `the decision "${issued.name}"`)
    return executeDecision(parts, { decision: maker.definition, input: issued.input }, options)
  }
  const found = parts.deciders.find(({ definition }) => definition.category === issued.category)
  if (found === undefined) throw unknown(name, `a command of "${issued.category}"`)
  const command = commandOf(found.definition, issued.id, issued.name, issued.input)
  return parts.execute(command as AnyCommand, options)
}

/** Decided by earlier code, and nothing that the book knows any more. */
function unknown(process: string, what: string): DaybookError {
  return new DaybookError(
    'NOT_REGISTERED',
    `process "${process}" decided ${what}, which the book was opened without`,
    { process },
  )
}
