import type { AggregateClass, AnyAggregate } from '../core/aggregate.ts'
import type { StreamAppend } from '../core/append-request.ts'
import {
  type AnyDecider,
  type Command,
  commandOf,
  type DeciderDefinition,
  type StreamRef,
  type stateOf,
} from '../core/decider.ts'
import type { DecisionCommand } from '../core/decision.ts'
import { DaybookError } from '../core/errors.ts'
import type { NewEvent, RecordedEvent } from '../core/event.ts'
import type { ExpectedVersion } from '../core/expected-version.ts'
import { ownStream, streamName } from '../core/names.ts'
import type { BookIdentity, StoreReport } from '../core/ports/store.ts'
import type { ProcessDefinition } from '../core/process-manager.ts'
import type { AnyProjection, Projection } from '../core/projection.ts'
import type { Refusal } from '../core/refusal.ts'
import type { SqlProjection } from '../core/sql-projection.ts'
import { type Verification, type VerifyOptions, verifyLog } from '../proof/verify.ts'
import { type Appended, appendEvents, type BookAppendOptions } from './appending.ts'
import { type AnyCommand, type CommandParts, type ExecuteOptions, executeWithin } from './commands.ts'
import { type CompensationOptions, compensate } from './compensation.ts'
import { logFor } from './context.ts'
import { type AnyDecision, executeDecision } from './decisions.ts'
import type { FollowerStatus } from './follower-status.ts'
import type { Followers } from './followers.ts'
import type { Lanes } from './lanes.ts'
import type { AsOf } from './loading.ts'
import { type FoldAnewOptions, rebuildSqlProjection } from './open-sql-projection.ts'
import type { AnyOutcome, Outcome } from './outcome.ts'
import { type Processes, processesOf } from './processes.ts'
import { type Freshness, type ReadModel, reach, readModelOf } from './read-model.ts'
import {
  type Events,
  type ReadLogOptions,
  type ReadStreamOptions,
  readLogEvents,
  readStreamEvents,
} from './reading.ts'
import { Rebuilds } from './rebuilds.ts'
import { AggregateRepository, type Repository } from './repository.ts'
import { type SubscriptionControl, subscriptionControl } from './subscriptions.ts'
import { UnderWay } from './under-way.ts'

/** The state of a stream at some point. */
export interface StateAt<State> {
  readonly state: State
  /** Version of the last event folded, 0 for none. */
  readonly version: number
  readonly position: number
}

/** What a book is made of; `openBook` makes it. */
export interface BookParts extends CommandParts {
  readonly followers: Followers
  readonly deciders: readonly AnyDecider[]
  readonly processes: readonly ProcessDefinition[]
  readonly lanes: Lanes
}

/** An open book: append, read, decide, query. */
export class Book implements AsyncDisposable {
  readonly #parts: BookParts
  readonly #rebuilds: Rebuilds
  readonly #underWay = new UnderWay()
  readonly #closed = new AbortController()
  #closing: Promise<void> | undefined

  /** Not for applications: use `openBook`. */
  constructor(parts: BookParts) {
    this.#parts = parts
    this.#rebuilds = new Rebuilds(parts.context, parts.followers)
  }

  /** Which history this is. */
  get identity(): BookIdentity {
    return this.#open().context.store.identity
  }

  /** For people: `sqlite:bank.db`. */
  get name(): string {
    return this.#parts.context.store.name
  }

  /** Position of the last event, 0 for an empty book. */
  async head(): Promise<number> {
    return (await this.#open().context.store.log.head()).position
  }

  /** Appends events to one stream, or to several at once: all or nothing. */
  append(
    stream: string,
    events: readonly NewEvent[] | NewEvent,
    options?: BookAppendOptions & { readonly expectedVersion?: ExpectedVersion },
  ): Promise<Appended>
  append(writes: readonly StreamAppend[], options?: BookAppendOptions): Promise<Appended>
  async append(
    to: string | readonly StreamAppend[],
    second?: readonly NewEvent[] | NewEvent | BookAppendOptions,
    third: BookAppendOptions & { readonly expectedVersion?: ExpectedVersion } = {},
  ): Promise<Appended> {
    const { context } = this.#open()
    if (typeof to !== 'string') {
      const options = (second ?? {}) as BookAppendOptions
      return this.#underWay.within(options.transaction, () => appendEvents(context, writesFrom(to), options))
    }
    const events = (Array.isArray(second) ? second : [second]) as readonly NewEvent[]
    const { expectedVersion = 'any', ...options } = third
    const writes = writesFrom([{ stream: to, expectedVersion, events }])
    return this.#underWay.within(options.transaction, () => appendEvents(context, writes, options))
  }

  /** Reads a stream, by name or typed as `account.stream('42')`; a stream without events is empty. */
  readStream<Event = RecordedEvent>(
    stream: string | StreamRef<unknown, Event>,
    options: ReadStreamOptions = {},
  ): Events<Event> {
    const name = typeof stream === 'string' ? stream : stream.stream
    return readStreamEvents(logFor(this.#open().context, options.transaction), name, options) as Events<Event>
  }

  /** Reads the log in the order of positions, filtered; with `follow` it waits for more. */
  readLog(options: ReadLogOptions = {}): Events {
    const { context } = this.#open()
    return readLogEvents(context, options, this.#closed.signal)
  }

  /** Runs a command: load, decide, append; on a conflict again. A refusal is an outcome, not an exception. */
  execute<State, Event, Refused>(
    command: Command<State, Event, Refused>,
    options?: ExecuteOptions,
  ): Promise<Outcome<State, Event, Refused>>
  execute<States, Refused>(
    command: DecisionCommand<States, Refused>,
    options?: ExecuteOptions,
  ): Promise<Outcome<States, RecordedEvent, Refused>>
  async execute(
    command: Command<unknown, unknown, unknown> | DecisionCommand<unknown, unknown>,
    options: ExecuteOptions = {},
  ): Promise<Outcome<unknown, unknown, unknown>> {
    return (await this.#execute(
      command as AnyCommand | (AnyDecision & { readonly kind: 'decision' }),
      options,
    )) as Outcome<unknown, unknown, unknown>
  }

  #execute(
    command: AnyCommand | (AnyDecision & { readonly kind: 'decision' }),
    options: ExecuteOptions,
  ): Promise<AnyOutcome> {
    const parts = this.#open()
    const { transaction } = options
    if (command.kind === 'decision') {
      return this.#underWay.within(transaction, () => executeDecision(parts, command, options))
    }
    this.#registered(command.decider)
    return this.#underWay.within(transaction, () =>
      transaction === undefined
        ? parts.lanes.execute(command, options)
        : executeWithin(parts, command, options),
    )
  }

  /** Runs a command named by text, as the CLI does. */
  run(
    category: string,
    id: string,
    name: string,
    input: unknown,
    options: ExecuteOptions = {},
  ): Promise<Outcome<unknown, RecordedEvent, Refusal>> {
    return this.#execute(commandOf(this.decider(category), id, name, input), options)
  }

  /**
   * Takes back the event at a version, by the compensating events of the decider's `compensate`. Refused when it has
   * been taken back already, or cannot be.
   */
  undo<State>(
    decider: AnyDecider & { readonly [stateOf]?: State },
    id: string,
    options: CompensationOptions,
  ): Promise<Outcome<State, RecordedEvent, Refusal>> {
    return this.#compensate(decider, id, 'undo', options)
  }

  /** Reinstates an event that was taken back, by appending its data once more. Refused when it was not. */
  redo<State>(
    decider: AnyDecider & { readonly [stateOf]?: State },
    id: string,
    options: CompensationOptions,
  ): Promise<Outcome<State, RecordedEvent, Refusal>> {
    return this.#compensate(decider, id, 'redo', options)
  }

  async #compensate<State>(
    decider: AnyDecider,
    id: string,
    action: 'undo' | 'redo',
    options: CompensationOptions,
  ): Promise<Outcome<State, RecordedEvent, Refusal>> {
    const parts = this.#open()
    const definition = this.#registered(decider.definition)
    const outcome = await this.#underWay.within(options.transaction, () =>
      compensate(parts, definition, id, action, options),
    )
    return outcome as Outcome<State, RecordedEvent, Refusal>
  }

  /** The state of one subject: now, or as of a version, position or time. */
  async load<State>(
    decider: AnyDecider & { readonly [stateOf]?: State },
    id: string,
    options: AsOf & { readonly transaction?: unknown } = {},
  ): Promise<StateAt<State>> {
    const { loader, snapshotter, context } = this.#open()
    const { category, fold } = this.#registered(decider.definition)
    const stream = streamName(category, id)
    const isNow = [options.atVersion, options.atPosition, options.atTime, options.transaction].every(
      (given) => given === undefined,
    )
    const loaded = isNow
      ? await loader.load(fold, stream)
      : await loader.loadAsOf(logFor(context, options.transaction), fold, stream, options)
    if (isNow) snapshotter.consider(fold, stream, loaded)
    return { state: loaded.state as State, version: loaded.version, position: loaded.position }
  }

  /** Loads and saves aggregates of a class. */
  repository<Instance extends AnyAggregate>(type: AggregateClass<Instance>): Repository<Instance> {
    const repository = new AggregateRepository(this.#open(), type)
    return {
      load: (id, options) => this.#whileOpen(() => repository.load(id, options)),
      save: (instance, options) => this.#whileOpen(() => repository.save(instance, options)),
      execute: (id, act, options) => this.#whileOpen(() => repository.execute(id, act, options)),
    }
  }

  /** The read model of a projection the book was opened with. */
  read<Document, Columns>(projection: Projection<Document, Columns>): ReadModel<Document, Columns> {
    const { context, followers } = this.#open()
    return readModelOf(context, followers.projection(projection.definition)) as ReadModel<Document, Columns>
  }

  /**
   * Resolves when a projection has folded `notBefore`: for questions that the book does not answer, to the tables of a SQL
   * projection say. Throws `READ_MODEL_TIMEOUT`, saying who lags.
   */
  async whenReached(projection: AnyProjection | SqlProjection, freshness: Freshness): Promise<void> {
    const { context, followers } = this.#open()
    const { definition } = projection
    const open =
      'shape' in definition ? followers.projection(definition) : followers.sqlProjection(definition)
    if (!('mode' in open && open.mode === 'live')) await reach(context, open, freshness)
  }

  /** Rebuilds of read models without downtime: start one, see how far it is, compare, swap, go back. */
  get rebuilds(): Rebuilds {
    this.#open()
    return this.#rebuilds
  }

  /**
   * Folds a stored read model anew, beside the one that serves, and lets it take its place; resolves then. The same as
   * `book.rebuilds.start`, which tells and asks more. A live projection has nothing stored. The tables of a SQL projection
   * are cleared and filled again instead: readers see them grow.
   */
  async rebuild(projection: AnyProjection | SqlProjection, options: FoldAnewOptions = {}): Promise<void> {
    const { followers } = this.#open()
    await this.#underWay.run(async () => {
      const { definition } = projection
      if ('shape' in definition) await this.#rebuilds.foldAnew({ definition }, options)
      else await rebuildSqlProjection(followers.sqlProjection(definition), () => this.head(), options)
    })
  }

  /** Throws all snapshots away, and returns how many; they are taken anew as streams are loaded. */
  clearSnapshots(): Promise<number> {
    const { context } = this.#open()
    return this.#underWay.run(() => context.store.snapshots.clear())
  }

  /** Where everything stands that follows the book. */
  status(): Promise<readonly FollowerStatus[]> {
    return this.#open().followers.status()
  }

  /** What a person does about followers: pause them, look at events put aside, have these tried again or skipped. */
  get subscriptions(): SubscriptionControl {
    const { context, followers } = this.#open()
    const control = subscriptionControl(
      context,
      () => this.status(),
      () => followers.wake(),
    )
    return {
      status: () => control.status(),
      pause: (name) => this.#whileOpen(() => control.pause(name)),
      resume: (name) => this.#whileOpen(() => control.resume(name)),
      parked: (options) => this.#whileOpen(() => control.parked(options)),
      retry: (name, which) => this.#whileOpen(() => control.retry(name, which)),
      skip: (name, position, why) => this.#whileOpen(() => control.skip(name, position, why)),
    }
  }

  /** What is pending in process managers, and how each instance stands; whoever runs them. */
  get processes(): Processes {
    const { context, loader, processes } = this.#open()
    const open = processesOf(context, loader, processes)
    return {
      pending: (options) => this.#whileOpen(() => open.pending(options)),
      state: (process, key) => this.#whileOpen(() => open.state(process, key)),
      history: (process, key) => open.history(process, key),
    }
  }

  /** What the store tells of itself: settings, sizes, problems. */
  inspect(): Promise<StoreReport> {
    return this.#open().context.store.inspect()
  }

  /** Recomputes the whole log, and names the first position that is not as it was recorded. */
  verify(options?: VerifyOptions): Promise<Verification> {
    const { store, host } = this.#open().context
    return verifyLog(store.log, host.sha256, options)
  }

  /** The decider of a category; throws `NOT_REGISTERED` naming those there are. */
  decider(category: string): DeciderDefinition {
    const found = this.#parts.deciders.find(({ definition }) => definition.category === category)
    if (found !== undefined) return found.definition
    const known = this.#parts.deciders.map(({ definition }) => definition.category)
    throw new DaybookError(
      'NOT_REGISTERED',
      `the book has no decider "${category}"; it has ${known.join(', ') || 'none'}`,
      {
        decider: category,
        known,
      },
    )
  }

  /** Finishes what is under way, stops what follows, releases the store. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { followers, context, snapshotter } = this.#parts
    this.#closed.abort()
    await this.#rebuilds.stop()
    await this.#underWay.settled()
    await followers.stop()
    await snapshotter.settled()
    await context.store.close()
  }

  async #whileOpen<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#open()
    return this.#underWay.run(work)
  }

  #open(): BookParts {
    if (this.#closing === undefined) return this.#parts
    throw new DaybookError('BOOK_CLOSED', `the book ${this.name} is closed`)
  }

  #registered(definition: DeciderDefinition): DeciderDefinition {
    if (this.#parts.deciders.some((known) => known.definition === definition)) return definition
    throw new DaybookError(
      'NOT_REGISTERED',
      `the book was opened without the decider "${definition.category}"`,
      {
        decider: definition.category,
      },
    )
  }
}

/** Refuses appends that would append nothing: almost always a slip of the caller's. */
function writesFrom(writes: readonly StreamAppend[]): readonly StreamAppend[] {
  if (
    Array.isArray(writes) &&
    writes.some((write) => Array.isArray(write?.events) && write.events.length > 0)
  ) {
    for (const { stream } of writes) ownStream(stream)
    return writes
  }
  throw new DaybookError('ILLEGAL_ARGUMENT', 'the append has no events', { argument: 'events' })
}
