/** Stores that go wrong where subscriptions are concerned: leases, what is written under them, parked events. */
import type {
  FollowingStore,
  FollowingTransaction,
  Lease,
  ParkedFilter,
} from '../../library/src/core/ports/following.ts'
import type { OpenStore } from '../../library/src/core/ports/store.ts'
import { memory } from '../../library/src/memory/index.ts'
import { alteredStore, type Mutant } from './altered-store.ts'

type Alter = (whole: FollowingStore, opened: OpenStore) => Partial<FollowingStore>

function broken(name: string, caughtBy: string, alter: Alter): Mutant {
  const factory: Mutant['factory'] = () => {
    // One book, however often it is opened: what an alteration remembers is remembered for all openings.
    let altered: OpenStore | undefined
    const store = alteredStore(memory(), (opened) => {
      const whole = delegating(opened.following)
      altered ??= { ...opened, following: { ...whole, ...alter(whole, opened) } }
      return altered
    })
    return { store }
  }
  return { name, caughtBy, factory }
}

function delegating(whole: FollowingStore): FollowingStore {
  return {
    now: () => whole.now(),
    acquire: (subscription, owner, leaseMs) => whole.acquire(subscription, owner, leaseMs),
    renew: (lease, leaseMs) => whole.renew(lease, leaseMs),
    release: (lease) => whole.release(lease),
    noteTrial: (lease, trial) => whole.noteTrial(lease, trial),
    leases: () => whole.leases(),
    pause: (subscription, isPaused) => whole.pause(subscription, isPaused),
    join: (group, owner, memberMs) => whole.join(group, owner, memberMs),
    leave: (group, owner) => whole.leave(group, owner),
    parked: (filter) => whole.parked(filter),
    countParked: () => whole.countParked(),
    readModels: () => whole.readModels(),
    transaction: (work, isDurable) => whole.transaction(work, isDurable),
  }
}

/** The lease of a subscription as it is held now, by whoever it is. */
async function heldLease(whole: FollowingStore, subscription: string): Promise<Lease | undefined> {
  const held = (await whole.leases()).find((each) => each.subscription === subscription)
  return held?.owner === undefined ? undefined : { subscription, owner: held.owner, token: held.token }
}

const oneAtATime = 'a lease is got by one owner at a time, once its subscription is prepared'
const takenOver = 'a lease whose time is over is taken over, and its new owner is told so'
const notRenewed = 'a lease that was taken over or given back cannot be renewed, nor one with an old token'
const givenBack = 'who gives a lease back lets others in at once; who has lost it changes nothing'
const paused = 'while a subscription is paused nobody takes or renews its lease'
const trials = 'a trial is told to the next owner, until it is ended'

const leases: readonly Mutant[] = [
  broken('a lease is got whoever holds it', oneAtATime, (whole) => ({
    acquire: async (subscription, owner, leaseMs) => {
      const held = await heldLease(whole, subscription)
      if (held !== undefined) await whole.release(held)
      return whole.acquire(subscription, owner, leaseMs)
    },
  })),
  broken(
    'a lease is looked at, and then taken',
    'of many who want a lease at once exactly one gets it',
    (whole) => ({
      acquire: async (subscription, owner, leaseMs) => {
        const [held, nowMs] = [await whole.leases(), await whole.now()]
        const status = held.find((each) => each.subscription === subscription)
        const isFree = status?.owner === undefined || status.untilMs <= nowMs
        if (!isFree) return whole.acquire(subscription, owner, leaseMs)
        await new Promise((resolve) => setImmediate(resolve))
        const other = await heldLease(whole, subscription)
        if (other !== undefined) await whole.release(other)
        return whole.acquire(subscription, owner, leaseMs)
      },
    }),
  ),
  broken('a token does not grow', 'the token of a lease grows each time it is taken', (whole) => ({
    acquire: async (subscription, owner, leaseMs) => {
      const acquired = await whole.acquire(subscription, owner, leaseMs)
      return acquired && { ...acquired, lease: { ...acquired.lease, token: 1 } }
    },
  })),
  broken('a lease whose time is over cannot be taken', takenOver, (whole) => ({
    acquire: async (subscription, owner, leaseMs) => {
      const held = await heldLease(whole, subscription)
      if (held !== undefined && held.owner !== owner) return undefined
      return whole.acquire(subscription, owner, leaseMs)
    },
  })),
  broken('a new owner is not told that it took a lease over', takenOver, (whole) => ({
    acquire: async (subscription, owner, leaseMs) => {
      const acquired = await whole.acquire(subscription, owner, leaseMs)
      return acquired && { ...acquired, isTakenOver: false }
    },
  })),
  broken('whoever is told once that it took a lease over is not told again', takenOver, (whole) => {
    const told = new Set<string>()
    return {
      acquire: async (subscription, owner, leaseMs) => {
        const acquired = await whole.acquire(subscription, owner, leaseMs)
        if (acquired === undefined || !told.has(owner)) {
          told.add(owner)
          return acquired
        }
        return { ...acquired, isTakenOver: false }
      },
    }
  }),
  broken(
    'who takes its own lease again is told that it took it over',
    'an owner that takes its own lease again has not taken it over',
    (whole) => ({
      acquire: async (subscription, owner, leaseMs) => {
        const held = await heldLease(whole, subscription)
        const acquired = await whole.acquire(subscription, owner, leaseMs)
        return acquired && { ...acquired, isTakenOver: held !== undefined }
      },
    }),
  ),
  broken('renewing does not make the time longer', 'a lease that is renewed is not taken over', (whole) => ({
    renew: (lease) => whole.renew(lease, 0),
  })),
  broken('whatever lease is renewed', notRenewed, (whole) => ({
    renew: async (lease, leaseMs) => {
      await whole.renew(lease, leaseMs)
      return true
    },
  })),
  broken('a lease is renewed with any token of its owner', notRenewed, (whole) => ({
    renew: async (lease, leaseMs) => {
      const held = await heldLease(whole, lease.subscription)
      return held?.owner === lease.owner && whole.renew(held, leaseMs)
    },
  })),
  broken('who has lost a lease gives it back for its new owner', givenBack, (whole) => ({
    release: async (lease) => {
      const held = await heldLease(whole, lease.subscription)
      if (held !== undefined) await whole.release(held)
    },
  })),
  broken('a lease that is given back stays until its time is over', givenBack, () => ({
    release: async () => undefined,
  })),
  broken('a paused subscription is run by the next one who asks', paused, (whole) => ({
    acquire: async (subscription, owner, leaseMs) => {
      await whole.pause(subscription, false)
      return whole.acquire(subscription, owner, leaseMs)
    },
  })),
  broken('the lease of a paused subscription is renewed', paused, (whole) => ({
    renew: async (lease, leaseMs) => {
      const held = await heldLease(whole, lease.subscription)
      return (await whole.renew(lease, leaseMs)) || held?.token === lease.token
    },
  })),
  broken('a trial is forgotten when a lease changes hands', trials, (whole) => ({
    acquire: async (subscription, owner, leaseMs) => {
      const acquired = await whole.acquire(subscription, owner, leaseMs)
      return acquired && { ...acquired, trial: undefined }
    },
  })),
  broken('a trial never ends', trials, (whole) => ({
    noteTrial: async (lease, trial) => trial === undefined || whole.noteTrial(lease, trial),
  })),
  broken('whoever lost a lease notes trials', trials, (whole) => ({
    noteTrial: async (lease, trial) =>
      whole.noteTrial((await heldLease(whole, lease.subscription)) ?? lease, trial),
  })),
  broken(
    'subscriptions are listed in the order of UTF-16',
    'all prepared subscriptions are listed with who runs them, in byte order',
    (whole) => ({
      leases: async () =>
        (await whole.leases()).toSorted((a, b) => (a.subscription < b.subscription ? -1 : 1)),
    }),
  ),
]

const lateMember = 'a member that does not tell of itself in time is not there any more'

const members: readonly Mutant[] = [
  broken(
    'members are told in the order in which they came',
    'who joins a group learns of all who are there, in byte order',
    (whole) => {
      const came: string[] = []
      return {
        join: async (group, owner, memberMs) => {
          if (!came.includes(owner)) came.push(owner)
          const there = await whole.join(group, owner, memberMs)
          return came.filter((member) => there.includes(member))
        },
      }
    },
  ),
  broken('a member stays for ever', lateMember, (whole) => ({
    join: (group, owner) => whole.join(group, owner, 1_000_000_000),
  })),
  broken('who joins again is not there for longer, nor for shorter', lateMember, (whole) => {
    const since = new Map<string, number>()
    return {
      join: (group, owner, memberMs) => {
        const firstMs = since.get(owner) ?? memberMs
        since.set(owner, firstMs)
        return whole.join(group, owner, firstMs)
      },
    }
  }),
]

const wholeWork = 'a transaction whose work throws changes nothing, and rejects with what was thrown'
const refusedWork = 'a transaction in which something was refused changes nothing, whatever else it does'

const transactions: readonly Mutant[] = [
  broken('a transaction whose work throws is committed', wholeWork, (whole) => ({
    transaction: async (work) => {
      const answer = await whole.transaction(async (transaction) => {
        try {
          return { result: await work(transaction) }
        } catch (error) {
          return { error }
        }
      })
      if ('error' in answer) throw answer.error
      return answer.result
    },
  })),
  broken('parked events are put in a transaction of their own', wholeWork, (whole) => ({
    transaction: async (work) => {
      const put: Parameters<FollowingTransaction['putParked']>[] = []
      try {
        return await whole.transaction((transaction) =>
          work(altered(transaction, { putParked: async (event) => void put.push([event]) })),
        )
      } finally {
        await whole.transaction(async (transaction) => {
          for (const [event] of put) await transaction.putParked(event)
        })
      }
    },
  })),
  broken('what was refused is refused, and all else is done', refusedWork, (whole) => ({
    transaction: (work) =>
      whole.transaction((transaction) =>
        work(
          altered(transaction, {
            move: async (subscription, from, checkpoint, lease) => {
              const isThere = (await transaction.checkpoint(subscription))?.position === from
              return isThere && lease === undefined && transaction.move(subscription, from, checkpoint)
            },
          }),
        ),
      ),
  })),
  broken('a durable transaction does nothing', 'a durable transaction does the same', (whole) => ({
    transaction: async (work, isDurable) => {
      if (isDurable !== true) return whole.transaction(work)
      let answer: { result: Awaited<ReturnType<typeof work>> } | undefined
      const undone = new Error('undone')
      try {
        await whole.transaction(async (transaction) => {
          answer = { result: await work(transaction) }
          throw undone
        })
      } catch (error) {
        if (error !== undone) throw error
      }
      if (answer === undefined) throw undone
      return answer.result
    },
  })),
  broken('a transaction goes on after its end', 'a transaction that is over does nothing more', (whole) => ({
    transaction: (work) =>
      whole.transaction((transaction) =>
        work(
          altered(transaction, {
            putParked: (event) =>
              transaction
                .putParked(event)
                .catch(() => whole.transaction((another) => another.putParked(event))),
          }),
        ),
      ),
  })),
  broken(
    'ids are forgotten up to a position that is not included',
    'an inbox tells which ids a subscription remembers, until they are forgotten',
    (whole) => ({
      transaction: (work) =>
        whole.transaction((transaction) =>
          work(
            altered(transaction, {
              forgetSeen: (subscription, position) => transaction.forgetSeen(subscription, position - 1),
            }),
          ),
        ),
    }),
  ),
]

/** A transaction of which something is replaced. */
function altered(whole: FollowingTransaction, parts: Partial<FollowingTransaction>): FollowingTransaction {
  return {
    checkpoint: (subscription) => whole.checkpoint(subscription),
    documents: (shape, keys, from) => whole.documents(shape, keys, from),
    change: (change) => whole.change(change),
    move: (subscription, from, checkpoint, lease) => whole.move(subscription, from, checkpoint, lease),
    holds: (lease) => whole.holds(lease),
    putParked: (event) => whole.putParked(event),
    dropParked: (subscription, position) => whole.dropParked(subscription, position),
    parked: (filter) => whole.parked(filter),
    seen: (subscription, ids) => whole.seen(subscription, ids),
    remember: (subscription, events) => whole.remember(subscription, events),
    forgetSeen: (subscription, position) => whole.forgetSeen(subscription, position),
    readModel: (name) => whole.readModel(name),
    putReadModel: (record) => whole.putReadModel(record),
    sql: whole.sql,
    ...parts,
  }
}

const everyCondition = 'parked events are found by every condition, ordered by subscription and position'

/** A store that finds parked events by another filter than it was given, or gives them otherwise. */
function finding(name: string, change: (filter: ParkedFilter) => ParkedFilter): Mutant {
  return broken(name, everyCondition, (whole) => ({ parked: (filter) => whole.parked(change(filter)) }))
}

const parked: readonly Mutant[] = [
  broken('the order of parked events is lost', everyCondition, (whole) => ({
    parked: async (filter) => (await whole.parked(filter)).toReversed(),
  })),
  broken('the limit of parked events is taken before the conditions', everyCondition, (whole) => ({
    parked: async (filter) => {
      const first = await whole.parked({ limit: filter.limit })
      const all = await whole.parked({ ...filter, limit: 1_000 })
      return all.filter(({ position }) => first.some((event) => event.position === position))
    },
  })),
  finding('parked events are found after a position that is included', (filter) => ({
    ...filter,
    afterPosition: filter.afterPosition === undefined ? undefined : filter.afterPosition - 1,
  })),
  finding('what is due at this very moment is not found', (filter) => ({
    ...filter,
    dueAtMs: filter.dueAtMs === undefined ? undefined : filter.dueAtMs - 1,
  })),
  finding('no status is taken for any', ({ statuses, ...filter }) =>
    statuses?.length === 0 ? filter : { ...filter, statuses },
  ),
  finding('the stream of a parked event is not looked at', (filter) => ({ ...filter, stream: undefined })),
  broken(
    'what was skipped is not counted',
    'parked events are counted by subscription and status, in byte order',
    (whole) => ({
      countParked: async () => (await whole.countParked()).filter(({ status }) => status !== 'skipped'),
    }),
  ),
]

export const followingMutants: readonly Mutant[] = [...leases, ...members, ...transactions, ...parked]
