/** Stores that go wrong beside the log: inline steps, read models, snapshots, wake-ups, joined transactions. */
import type { ReadModelStore } from '../../library/src/core/ports/read-models.ts'
import type { SnapshotStore } from '../../library/src/core/ports/snapshots.ts'
import type { InlineStep } from '../../library/src/core/ports/store.ts'
import type { EventRow } from '../../library/src/core/row-hash.ts'
import { memory } from '../../library/src/memory/index.ts'
import { alteredStore, brokenLog, type Mutant } from './altered-store.ts'

const throwing = 'an inline step that throws takes back the events, the keys and its own changes'

const steps: readonly Mutant[] = [
  brokenLog('an inline step runs after the transaction', throwing, (log, { readModels }) => ({
    append: async (requests, inline) => {
      const outcomes = await log.append(requests)
      const rows: readonly EventRow[] = outcomes.flatMap((outcome) =>
        outcome.kind === 'appended' ? outcome.rows : [],
      )
      if (rows.length > 0) await inline?.(rows, readModels, log)
      return outcomes
    },
  })),
  brokenLog(
    'an inline step changes read models in a transaction of their own',
    throwing,
    (log, { readModels }) => ({
      append: (requests, inline) => {
        const outside: InlineStep | undefined =
          inline && ((rows, _own, seen) => inline(rows, readModels, seen))
        return log.append(requests, outside)
      },
    }),
  ),
  brokenLog(
    'an inline step reads the log without its own events',
    'an inline step reads the events that are being appended',
    (log) => ({
      append: (requests, inline) =>
        log.append(requests, inline && ((rows, transaction) => inline(rows, transaction, log))),
    }),
  ),
  brokenLog('a failed inline step is swallowed', throwing, (log) => ({
    append: (requests, inline) =>
      log.append(requests, inline && ((...given) => inline(...given).catch(() => undefined))),
  })),
]

/** A memory store whose read models are broken. */
export function brokenModels(
  name: string,
  caughtBy: string,
  alter: (models: ReadModelStore) => Partial<ReadModelStore>,
): Mutant {
  const factory: Mutant['factory'] = () => ({
    store: alteredStore(memory(), (opened) => {
      const models = opened.readModels
      return { ...opened, readModels: { ...delegating(models), ...alter(models) } }
    }),
  })
  return { name, caughtBy, factory }
}

function delegating(models: ReadModelStore): ReadModelStore {
  return {
    checkpoint: (subscription) => models.checkpoint(subscription),
    documents: (shape, keys, from) => models.documents(shape, keys, from),
    change: (change) => models.change(change),
    prepare: (shape, subscription, start, isIndexed) => models.prepare(shape, subscription, start, isIndexed),
    storedColumns: (shape) => models.storedColumns(shape),
    index: (shape) => models.index(shape),
    drop: (shape, subscription) => models.drop(shape, subscription),
    prepareSubscription: (subscription, start) => models.prepareSubscription(subscription, start),
    moveCheckpoint: (subscription, from, checkpoint, lease) =>
      models.moveCheckpoint(subscription, from, checkpoint, lease),
    checkpoints: () => models.checkpoints(),
    find: (shape, query) => models.find(shape, query),
    count: (shape, query) => models.count(shape, query),
    reset: (shape, subscription, start) => models.reset(shape, subscription, start),
  }
}

const moved = 'a change moves its checkpoint, and is refused when that has moved'
const compared = 'every comparison finds the right documents, and counts them'
const ordered = 'documents are ordered: nulls first ascending, text by its bytes, ties by key'

const models: readonly Mutant[] = [
  brokenModels('a checkpoint is moved without comparing', moved, (whole) => ({
    change: async (change) => {
      const held = await whole.checkpoint(change.subscription)
      return whole.change({ ...change, fromPosition: held?.position ?? change.fromPosition })
    },
  })),
  brokenModels('documents are written though the checkpoint has moved', moved, (whole) => ({
    change: async (change) => {
      const held = await whole.checkpoint(change.subscription)
      if (held === undefined || held.position === change.fromPosition) return whole.change(change)
      await whole.change({ ...change, fromPosition: held.position, checkpoint: held })
      return false
    },
  })),
  brokenModels(
    'the checkpoint is compared outside of the transaction',
    'of many changes from one position at once exactly one is made',
    (whole) => ({
      change: async (change) => {
        const held = await whole.checkpoint(change.subscription)
        if (held?.position !== change.fromPosition) return false
        let isMade = false
        while (!isMade) {
          const now = (await whole.checkpoint(change.subscription)) ?? held
          isMade = await whole.change({ ...change, fromPosition: now.position })
        }
        return true
      },
    }),
  ),
  brokenModels(
    'preparing a read model again begins it anew',
    'preparing a read model twice changes nothing',
    (whole) => ({ prepare: (shape, subscription, start) => whole.reset(shape, subscription, start) }),
  ),
  brokenModels(
    'a reset leaves the checkpoint where it was',
    'a reset empties the read model and sets its checkpoint',
    (whole) => ({
      reset: async (shape, subscription, start) => {
        const held = await whole.checkpoint(subscription)
        await whole.reset(shape, subscription, held ?? start)
      },
    }),
  ),
  brokenModels(
    'deletes are not made',
    'documents come back byte for byte, replaced and deleted by key',
    (whole) => ({ change: (change) => whole.change({ ...change, deletes: [] }) }),
  ),
  brokenModels(
    'versions of a read model share one table',
    'versions of a read model, and models whose names look alike, are apart',
    (whole) => ({
      change: (change) => whole.change({ ...change, shape: { ...change.shape, version: 1 } }),
      find: (shape, query) => whole.find({ ...shape, version: 1 }, query),
      documents: (shape, keys) => whole.documents({ ...shape, version: 1 }, keys),
    }),
  ),
]

const paged = 'pages in the order of columns of any type give every document once, nulls and ties included'

const finding: readonly Mutant[] = [
  brokenModels('no value is too small for nulls', paged, (whole) => ({
    find: async (shape, query) => {
      const where = query.where.filter(({ operator }) => operator !== 'gte')
      return whole.find(shape, { ...query, where })
    },
  })),
  brokenModels("'gt' finds what is equal, too", paged, (whole) => ({
    find: (shape, query) => {
      const where = query.where.map((each) =>
        each.operator === 'gt' ? { ...each, operator: 'gte' as const } : each,
      )
      return whole.find(shape, { ...query, where })
    },
  })),
  brokenModels('documents without a value are not found by null', paged, (whole) => ({
    find: async (shape, query) =>
      query.where.some(({ operator, value }) => operator === 'eq' && value === null)
        ? []
        : whole.find(shape, query),
  })),
  brokenModels("'ne' does not find nulls", compared, (whole) => ({
    find: async (shape, query) => {
      const found = await whole.find(shape, query)
      const unequal = query.where.filter(({ operator, value }) => operator === 'ne' && value !== null)
      const nulls = unequal.map(({ column }) => ({ column, operator: 'eq' as const, value: null }))
      const hidden = new Set<string>()
      for (const condition of nulls) {
        const where = [...query.where, condition]
        for (const { key } of await whole.find(shape, { ...query, where })) hidden.add(key)
      }
      return found.filter(({ key }) => !hidden.has(key))
    },
  })),
  brokenModels('a count does not look at the conditions', compared, (whole) => ({
    count: (shape, query) => whole.count(shape, { ...query, where: [] }),
  })),
  brokenModels("'gte' is taken for 'gt'", compared, (whole) => ({
    find: (shape, query) =>
      whole.find(shape, {
        ...query,
        where: query.where.map((each) => (each.operator === 'gte' ? { ...each, operator: 'gt' } : each)),
      }),
  })),
  brokenModels('the limit is taken before the order', 'the limit is taken after the order', (whole) => ({
    find: async (shape, query) => {
      const cut = await whole.find(shape, { ...query, orderBy: [] })
      const kept = new Set(cut.map(({ key }) => key))
      const all = await whole.find(shape, { ...query, limit: 10_000 })
      return all.filter(({ key }) => kept.has(key))
    },
  })),
  brokenModels('nulls come last', ordered, (whole) => ({
    find: async (shape, query) => {
      const [first] = query.orderBy
      const found = await whole.find(shape, query)
      if (first === undefined || first.column === 'key') return found
      const isNull = { column: first.column, operator: 'eq' as const, value: null }
      const nulls = await whole.find(shape, { ...query, where: [...query.where, isNull] })
      const last = new Set(nulls.map(({ key }) => key))
      return [...found.filter(({ key }) => !last.has(key)), ...found.filter(({ key }) => last.has(key))]
    },
  })),
  brokenModels('the key does not decide between equals', ordered, (whole) => ({
    find: async (shape, query) => {
      const found = await whole.find(shape, query)
      if (query.orderBy.length === 0) return found
      const turned = [...query.orderBy, { column: 'key', direction: 'desc' as const }]
      return whole.find(shape, { ...query, orderBy: turned })
    },
  })),
]

function brokenSnapshots(
  name: string,
  caughtBy: string,
  alter: (snapshots: SnapshotStore) => Partial<SnapshotStore>,
): Mutant {
  const factory: Mutant['factory'] = () => ({
    store: alteredStore(memory(), (opened) => {
      const whole = opened.snapshots
      const same: SnapshotStore = {
        load: (stream, fold) => whole.load(stream, fold),
        save: (snapshot) => whole.save(snapshot),
        clear: (fold) => whole.clear(fold),
        count: () => whole.count(),
      }
      return { ...opened, snapshots: { ...same, ...alter(whole) } }
    }),
  })
  return { name, caughtBy, factory }
}

const hints: readonly Mutant[] = [
  brokenLog('wake-ups come before the commit', 'a wake-up comes when the events can be read', (log) => {
    const listeners = new Set<() => void>()
    return {
      onAppended: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      append: (requests, inline) => {
        for (const listener of listeners) listener()
        return log.append(requests, inline)
      },
    }
  }),
  brokenLog(
    'refused appends wake, too',
    'a refused append, a repeated one and one that failed wake nobody',
    (log) => {
      const listeners = new Set<() => void>()
      return {
        onAppended: (listener) => {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
        append: async (requests, inline) => {
          const outcomes = await log.append(requests, inline)
          for (const listener of listeners) listener()
          return outcomes
        },
      }
    },
  ),
  brokenLog('nobody is woken', 'a wake-up comes when the events can be read', () => ({
    onAppended: () => () => undefined,
  })),
  brokenLog('a listener cannot stop', 'every listener is woken, until it stops', (log) => ({
    onAppended: (listener) => {
      log.onAppended(listener)
      return () => undefined
    },
  })),
]

const kept: readonly Mutant[] = [
  brokenSnapshots(
    'an older snapshot replaces a newer one',
    'a newer snapshot replaces an older one, and not the other way round',
    (whole) => ({
      save: async (snapshot) => {
        await whole.save({ ...snapshot, fingerprint: 'none' })
        await whole.save(snapshot)
      },
    }),
  ),
  brokenSnapshots(
    'a snapshot of another fingerprint must be newer, too',
    'a snapshot of another fingerprint replaces any',
    (whole) => ({
      save: async (snapshot) => {
        const held = await whole.load(snapshot.stream, snapshot.fold)
        if (held === undefined || held.version <= snapshot.version) await whole.save(snapshot)
      },
    }),
  ),
]

export const derivingMutants: readonly Mutant[] = [...steps, ...models, ...finding, ...hints, ...kept]
