import { type AggregateClass, type AnyAggregate, aggregateFold, internalsOf } from '../core/aggregate.ts'
import { DaybookError, isConflict } from '../core/errors.ts'
import { streamName } from '../core/names.ts'
import { CommandRefusedError, isRefusal } from '../core/refusal.ts'
import { type Appended, appendEvents } from './appending.ts'
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
   * what `refuse` made, throws `CommandRefusedError` and saves nothing. When the idempotency key has been used,
   * `act` is not run again.
   */
  execute(id: string, act: (instance: Instance) => unknown, options?: ExecuteOptions): Promise<Instance>
}

/** Makes the repository of one aggregate class. */
export function repositoryOf<Instance extends AnyAggregate>(
  parts: CommandParts,
  type: AggregateClass<Instance>,
): Repository<Instance> {
  const { context, loader, snapshotter, retries } = parts
  const { category } = type.definition

  async function load(
    id: string,
    options: AsOf & { readonly transaction?: unknown } = {},
  ): Promise<Instance> {
    const stream = streamName(category, id)
    const fold = aggregateFold(type, id)
    const isNow =
      options.transaction === undefined &&
      [options.atVersion, options.atPosition, options.atTime].every((bound) => bound === undefined)
    const loaded = isNow
      ? await loader.load(fold, stream)
      : await loader.loadAsOf(logFor(context, options.transaction), fold, stream, options)
    internalsOf(loaded.state).restored(loaded.version)
    if (isNow) snapshotter.consider(fold, stream, loaded)
    return loaded.state as Instance
  }

  async function save(instance: Instance, options: ExecuteOptions = {}): Promise<Appended> {
    const { id, version, uncommitted } = instance
    if (id === '') {
      throw new DaybookError(
        'ILLEGAL_ARGUMENT',
        `this ${category} was not loaded by a repository, so it has no id`,
        { argument: 'instance' },
      )
    }
    const stream = streamName(category, id)
    const appended = await appendEvents(
      context,
      [{ stream, expectedVersion: version, events: uncommitted }],
      options,
    )
    internalsOf(instance).committed(appended.events.at(-1)?.version ?? version)
    return appended
  }

  async function execute(
    id: string,
    act: (instance: Instance) => unknown,
    options: ExecuteOptions = {},
  ): Promise<Instance> {
    const { idempotencyKey: key, transaction } = options
    for (let attempt = 1; ; attempt++) {
      const instance = await load(id, { transaction })
      if (key !== undefined && (await logFor(context, transaction).findKey(key)) !== undefined)
        return instance
      const answer = act(instance)
      if (isRefusal(answer)) throw new CommandRefusedError(answer)
      if (instance.uncommitted.length === 0) return instance
      try {
        const { isRepeat } = await save(instance, options)
        return isRepeat ? await load(id, { transaction }) : instance
      } catch (error) {
        if (!isConflict(error) || attempt >= retries.maxAttempts) throw error
        await backOff(context.host, retries, attempt)
      }
    }
  }

  return { load, save, execute }
}
