/** Stores that go wrong with what is written under a lease, and with copies of read models. */
import type { Lease } from '../../library/src/core/ports/following.ts'
import type { ReadModelShape, ReadModelStore } from '../../library/src/core/ports/read-models.ts'
import type { Mutant } from './altered-store.ts'
import { brokenModels } from './deriving.ts'

const change = 'a change under a lease that somebody else has taken over is refused'
const move = 'a checkpoint is not moved under a lease that somebody else has taken over'
const another = 'a lease of one subscription gives no right to another'

const fencing: readonly Mutant[] = [
  brokenModels('a lease is not compared where documents are changed', change, (whole) => ({
    change: (each) => whole.change({ ...each, lease: undefined }),
  })),
  brokenModels('a lease is not compared where a checkpoint is moved', move, (whole) => ({
    moveCheckpoint: (subscription, from, checkpoint) => whole.moveCheckpoint(subscription, from, checkpoint),
  })),
  brokenModels('documents are changed though the lease is lost', change, (whole) => ({
    change: async (each) => {
      if (await whole.change(each)) return true
      const { lease: _, ...others } = each
      const held = await whole.checkpoint(each.subscription)
      if (held?.position === each.fromPosition) await whole.change({ ...others, checkpoint: held })
      return false
    },
  })),
  brokenModels(
    'a checkpoint is moved by whoever had the lease',
    'a lease that was given back moves nothing',
    (whole) => {
      return {
        moveCheckpoint: (subscription, from, checkpoint) =>
          whole.moveCheckpoint(subscription, from, checkpoint),
      }
    },
  ),
  brokenModels(
    'a lease is looked at, and the checkpoint moved later',
    'a take-over and a move at once leave the checkpoint with the new owner',
    (whole) => ({
      moveCheckpoint: async (subscription, from, checkpoint, lease) => {
        const held = await whole.checkpoint(subscription)
        const isHeld =
          held !== undefined && (await whole.moveCheckpoint(subscription, held.position, held, lease))
        await new Promise((resolve) => setImmediate(resolve))
        return isHeld && whole.moveCheckpoint(subscription, from, checkpoint)
      },
    }),
  ),
  brokenModels('a lease of another subscription is as good', another, (whole) => ({
    change: (each) => whole.change({ ...each, lease: ownLease(each.lease, each.subscription) }),
    moveCheckpoint: (subscription, from, checkpoint, lease) =>
      whole.moveCheckpoint(subscription, from, checkpoint, ownLease(lease, subscription)),
  })),
  brokenModels(
    'nothing is moved without a lease',
    'without a lease whoever finds a checkpoint where it was moves it, whoever holds one',
    (whole) => ({
      change: async (each) => each.lease !== undefined && whole.change(each),
    }),
  ),
]

/** The lease itself when it is of the subscription, else none. */
function ownLease(lease: Lease | undefined, subscription: string): Lease | undefined {
  return lease?.subscription === subscription ? lease : undefined
}

/** Every method of a store that takes a shape takes another one. */
function withShape(
  whole: ReadModelStore,
  altered: (shape: ReadModelShape) => ReadModelShape,
): Partial<ReadModelStore> {
  return {
    documents: (shape, keys, from) => whole.documents(altered(shape), keys, from),
    change: (each) => whole.change({ ...each, shape: altered(each.shape) }),
    find: (shape, query) => whole.find(altered(shape), query),
    count: (shape, query) => whole.count(altered(shape), query),
    reset: (shape, subscription, start) => whole.reset(altered(shape), subscription, start),
    drop: (shape, subscription) => whole.drop(altered(shape), subscription),
  }
}

const apart = 'copies of a read model are apart, and the first is the one without a generation'
const dropped = 'a copy is dropped with its checkpoint, its lease, and what is parked or seen; others stay'
const began = 'documents of another checkpoint than a fold began from are refused'

const copies: readonly Mutant[] = [
  brokenModels('copies of a read model share one table', apart, (whole) =>
    withShape(whole, (shape) => ({ ...shape, generation: 1 })),
  ),
  brokenModels('a generation is a version', apart, (whole) =>
    withShape(whole, ({ generation = 1, version, ...shape }) => ({
      ...shape,
      version: version + generation - 1,
    })),
  ),
  brokenModels('the first copy is not the one without a generation', apart, (whole) =>
    withShape(whole, (shape) => ({ ...shape, generation: shape.generation ?? 99 })),
  ),
  brokenModels('a dropped copy keeps its documents', dropped, (whole) => ({
    drop: (shape, subscription) => whole.drop({ ...shape, name: 'another' }, subscription),
  })),
  brokenModels('a dropped copy keeps its checkpoint', dropped, (whole) => ({
    drop: (shape) => whole.drop(shape, 'another'),
  })),
  brokenModels('dropping a copy drops the first one', dropped, (whole) => ({
    drop: async (shape, subscription) => {
      await whole.drop(shape, subscription)
      await whole.drop({ ...shape, generation: 1 }, subscription)
    },
  })),
  brokenModels(
    'a reset forgets nothing of what is parked',
    'a reset forgets what is parked or seen, but not what a person skipped',
    (whole) => ({
      reset: async (shape, subscription, start) => {
        const held = await whole.checkpoint(subscription)
        await whole.change({
          shape,
          subscription,
          fromPosition: held?.position ?? 0,
          checkpoint: start,
          upserts: [],
          deletes: (await whole.find(shape, { where: [], orderBy: [], limit: 1_000 })).map(({ key }) => key),
        })
      },
    }),
  ),
  brokenModels('whatever a fold began from, documents are given', began, (whole) => ({
    documents: (shape, keys) => whole.documents(shape, keys),
  })),
]

export const copyingMutants: readonly Mutant[] = [...fencing, ...copies]
