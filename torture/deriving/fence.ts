/** Watches what a process writes under its leases, and stops it right before such a write when it is told to. */

import type { FollowingStore, FollowingTransaction, Lease } from '../../library/src/core/ports/following.ts'
import type { ReadModelStore } from '../../library/src/core/ports/read-models.ts'
import type { OpenStore, Store } from '../../library/src/core/ports/store.ts'

/** What the process tells of it. */
export type FenceMessage =
  /** It is about to stop, with this write on its lips. */
  | { readonly frozen: string; readonly token: number }
  /** It goes on, and what became of the write. */
  | { readonly late: string; readonly isAccepted: boolean }
  /** A write was refused; `isFenced` when another owner has the lease by now. */
  | { readonly refused: string; readonly isFenced: boolean }

/** Takes a transaction back, so that the process does not stop with a lock in its hands. */
class StopsFirst extends Error {}

export class Fence {
  readonly #say: (message: FenceMessage) => void
  /** Subscriptions that begin so: the next write under the lease of one is the last before the stop. */
  #armed: string | undefined
  #late: Lease | undefined
  #underWay = 0
  /** While a stop waits for what is under way, nothing else begins: on a busy machine there is always something. */
  #stopping: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(say: (message: FenceMessage) => void) {
    this.#say = say
  }

  arm(subscription: string | undefined): void {
    this.#armed = subscription
  }

  /** Resolves when it is not about to stop: what it was told then holds. */
  async settled(): Promise<void> {
    while (this.#stopping !== undefined) await this.#stopping
  }

  /** Runs something that writes. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.settled()
    this.#underWay++
    try {
      return await work()
    } finally {
      this.#underWay--
      if (this.#underWay === 1) this.#onIdle?.()
    }
  }

  isToStop({ subscription }: Lease): boolean {
    return this.#armed !== undefined && subscription.startsWith(this.#armed)
  }

  /**
   * Stops this process until somebody continues it, when what else was under way is over: who stops with the lock of a file
   * holds up everybody. Nothing else of it runs in between, nor right after.
   */
  async stop(lease: Lease): Promise<void> {
    if (!this.isToStop(lease)) return
    this.#armed = undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#stopping = promise
    if (this.#underWay > 1) {
      const idle = Promise.withResolvers<void>()
      this.#onIdle = idle.resolve
      await idle.promise
      this.#onIdle = undefined
    }
    this.#late = lease
    this.#say({ frozen: lease.subscription, token: lease.token })
    process.kill(process.pid, 'SIGSTOP')
    // Should the signal take a moment to come.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    // What waits begins when the write has.
    setImmediate(() => {
      this.#stopping = undefined
      resolve()
    })
  }

  /** Notes the answer to a write, and asks who holds the lease when it was refused. */
  answered(lease: Lease, isAccepted: boolean, following: FollowingStore): void {
    const { subscription, token } = lease
    if (this.#late?.subscription === subscription && this.#late.token === token) {
      this.#late = undefined
      this.#say({ late: subscription, isAccepted })
    }
    if (isAccepted) return
    const tell = async (): Promise<void> => {
      const held = (await following.leases()).find((each) => each.subscription === subscription)
      this.#say({ refused: subscription, isFenced: held !== undefined && held.token > token })
    }
    tell().catch(() => undefined)
  }
}

/** The same object, some of its methods replaced. */
function altered<Part extends object>(whole: Part, changes: Partial<Part>): Part {
  return new Proxy(whole, {
    get(target, name) {
      const changed: unknown = Reflect.get(changes, name)
      if (changed !== undefined) return changed
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** A store whose writes under leases are watched. */
export function fencedStore(store: Store, fence: Fence): Store {
  return {
    name: store.name,
    open: async (host) => {
      const opened = await store.open(host)
      return altered<OpenStore>(opened, {
        readModels: watchedModels(opened, fence),
        following: watchedFollowing(opened.following, fence),
      })
    },
  }
}

function watchedModels({ readModels, following }: OpenStore, fence: Fence): ReadModelStore {
  const watched = (lease: Lease | undefined, write: () => Promise<boolean>): Promise<boolean> =>
    lease === undefined ? write() : watchedWrite(lease, write, following, fence)
  return altered(readModels, {
    change: (change) => watched(change.lease, () => readModels.change(change)),
    moveCheckpoint: (subscription, from, checkpoint, lease) =>
      watched(lease, () => readModels.moveCheckpoint(subscription, from, checkpoint, lease)),
  })
}

function watchedWrite(
  lease: Lease,
  write: () => Promise<boolean>,
  following: FollowingStore,
  fence: Fence,
): Promise<boolean> {
  return fence.during(async () => {
    await fence.stop(lease)
    const isAccepted = await write()
    fence.answered(lease, isAccepted, following)
    return isAccepted
  })
}

function watchedFollowing(whole: FollowingStore, fence: Fence): FollowingStore {
  return altered(whole, {
    acquire: (...given) => fence.during(() => whole.acquire(...given)),
    renew: (...given) => fence.during(() => whole.renew(...given)),
    release: (...given) => fence.during(() => whole.release(...given)),
    join: (...given) => fence.during(() => whole.join(...given)),
    noteTrial: (lease, trial) => watchedWrite(lease, () => whole.noteTrial(lease, trial), whole, fence),
    transaction: (work, isDurable) =>
      fence.during(async () => {
        for (;;) {
          const stopping: { lease?: Lease } = {}
          const answers = new Map<Lease, boolean>()
          try {
            const result = await whole.transaction((transaction) => {
              answers.clear()
              return work(watchedTransaction(transaction, fence, answers, stopping))
            }, isDurable)
            for (const [lease, isAccepted] of answers) fence.answered(lease, isAccepted, whole)
            return result
          } catch (error) {
            if (!(error instanceof StopsFirst) || stopping.lease === undefined) throw error
            await fence.stop(stopping.lease)
          }
        }
      }),
  })
}

function watchedTransaction(
  whole: FollowingTransaction,
  fence: Fence,
  answers: Map<Lease, boolean>,
  stopping: { lease?: Lease },
): FollowingTransaction {
  const watched = async (lease: Lease | undefined, write: () => Promise<boolean>): Promise<boolean> => {
    if (lease === undefined) return write()
    if (fence.isToStop(lease)) {
      stopping.lease = lease
      throw new StopsFirst('the process stops first')
    }
    const isAccepted = await write()
    answers.set(lease, (answers.get(lease) ?? true) && isAccepted)
    return isAccepted
  }
  return altered(whole, {
    change: (change) => watched(change.lease, () => whole.change(change)),
    move: (subscription, from, checkpoint, lease) =>
      watched(lease, () => whole.move(subscription, from, checkpoint, lease)),
    holds: (lease) => watched(lease, () => whole.holds(lease)),
  })
}

/** The control: a store that asks whoever writes neither for the number of a lease nor where the checkpoint was. */
export function unfencedStore(store: Store): Store {
  return {
    name: store.name,
    open: async (host) => {
      const opened = await store.open(host)
      const { readModels, following } = opened
      return altered<OpenStore>(opened, {
        readModels: altered(readModels, {
          change: async (change) => readModels.change(await unfencedChange(readModels, change)),
        }),
        following: altered(following, {
          transaction: (work, isDurable) =>
            following.transaction((transaction) => work(unfencedTransaction(transaction)), isDurable),
        }),
      })
    },
  }
}

type Checkpoints = Pick<ReadModelStore, 'checkpoint'>
type Change = Parameters<ReadModelStore['change']>[0]

async function unfencedChange(where: Checkpoints, change: Change): Promise<Change> {
  const { position = 0 } = (await where.checkpoint(change.subscription)) ?? {}
  return { ...change, fromPosition: position, lease: undefined }
}

function unfencedTransaction(whole: FollowingTransaction): FollowingTransaction {
  return altered(whole, {
    change: async (change) => whole.change(await unfencedChange(whole, change)),
    move: async (subscription, _from, checkpoint) => {
      const { position = 0 } = (await whole.checkpoint(subscription)) ?? {}
      return whole.move(subscription, position, checkpoint)
    },
    holds: async () => true,
  })
}
