import { type AggregateClass, type AnyAggregate, aggregateFold, internalsOf } from '../core/aggregate.ts'
import { DaybookError, isConflict } from '../core/errors.ts'
import { streamName } from '../core/names.ts'
import { CommandRefusedError, isRefusal } from '../core/refusal.ts'
import { type Appended, appendEvents, findRepeat } from './appending.ts'
import type { CommandParts, ExecuteOptions } from './commands.ts'
import { logFor } from './context.ts'
import type { AsOf } from './loading.ts'
import { backOff } from './retrying.ts'

/** Loads and saves aggregates; hides versions, snapshots and the store. */
export interface Repository<Instance> {
  /** The aggregate as its events make it; a new one, at version 0, when there are none. */
  load(id: string, options?: AsOf & { readonly transaction?: unknown }): Promise<Instance>
  /** Appends the uncommitted events if nobody else appended meanwhile; throws `ConcurrencyError` if somebody did. */
  save(instance: Instance, options?: ExecuteOptions): Promise<Appended>
  /**
   * Loads, runs `act`, saves; on a conflict again on the new state. Returns the saved aggregate. When `act` returns
   * what `refuse` made, throws `CommandRefusedError` and saves nothing. When the idempotency key has been used on
   * this aggregate, `act` is not run: the aggregate is returned as it was after the first time.
   */
  execute(id: string, act: (instance: Instance) => unknown, options?: ExecuteOptions): Promise<Instance>
}

/** The repository of one aggregate class. */
export class AggregateRepository<Instance extends AnyAggregate> implements Repository<Instance> {
  readonly #parts: CommandParts
  readonly #type: AggregateClass<Instance>

  constructor(parts: CommandParts, type: AggregateClass<Instance>) {
    this.#parts = parts
    this.#type = type
  }

  async load(id: string, options: AsOf & { readonly transaction?: unknown } = {}): Promise<Instance> {
    const { context, loader, snapshotter } = this.#parts
    const stream = this.#streamOf(id)
    const fold = aggregateFold(this.#type, id)
    const isPast = [options.atVersion, options.atPosition, options.atTime].some(
      (bound) => bound !== undefined,
    )
    const isNow = !isPast && options.transaction === undefined
    const loaded = isNow
      ? await loader.load(fold, stream)
      : await loader.loadAsOf(logFor(context, options.transaction), fold, stream, options)
    internalsOf(loaded.state).restored(loaded.version, isPast)
    if (isNow) snapshotter.consider(fold, stream, loaded)
    return loaded.state as Instance
  }

  save(instance: Instance, options: ExecuteOptions = {}): Promise<Appended> {
    return this.#save(instance, options)
  }

  async execute(
    id: string,
    act: (instance: Instance) => unknown,
    options: ExecuteOptions = {},
  ): Promise<Instance> {
    const { context, retries } = this.#parts
    const { idempotencyKey: key, transaction } = options
    const log = logFor(context, transaction)
    // What `act` does cannot be compared, so a key stands for one aggregate.
    const content = (): string => JSON.stringify(['aggregate', this.#streamOf(id)])
    for (let attempt = 1; ; attempt++) {
      const instance = await this.load(id, { transaction })
      const first = await findRepeat(context, log, key, content)
      if (first !== undefined) return this.load(id, { transaction, atPosition: first.position })
      const answer = await act(instance)
      if (isRefusal(answer)) throw new CommandRefusedError(answer)
      if (instance.uncommitted.length === 0 && key === undefined) return instance
      try {
        const { isRepeat } = await this.#save(instance, options, content)
        if (!isRepeat) return instance
      } catch (error) {
        if (!isConflict(error) || attempt >= retries.maxAttempts) throw error
        await backOff(context.host, retries, attempt)
      }
    }
  }

  async #save(instance: Instance, options: ExecuteOptions, content?: () => string): Promise<Appended> {
    const { category } = this.#type.definition
    const { id, version } = instance
    if (id === '' || internalsOf(instance).isPast) {
      const why = id === '' ? 'was not loaded by a repository' : 'was loaded as of the past'
      const message = `this ${category} ${why} and cannot be saved`
      throw new DaybookError('ILLEGAL_ARGUMENT', message, { argument: 'instance' })
    }
    // A copy: what is applied while the append is under way waits for the next save.
    const events = [...instance.uncommitted]
    const writes = [{ stream: this.#streamOf(id), expectedVersion: version, events }]
    const appended = await appendEvents(this.#parts.context, writes, options, content)
    internalsOf(instance).committed(appended.events.at(-1)?.version ?? version, events.length)
    return appended
  }

  #streamOf(id: string): string {
    return streamName(this.#type.definition.category, id)
  }
}
