import assert from 'node:assert/strict'
import type { Acquired, FollowingStore, Lease } from '../../core/ports/following.ts'
import type { ConformanceCase, ConformanceGroup } from './case.ts'
import { type ConformanceContext, range } from './context.ts'
import { at } from './read-models.ts'

/** Longer than any case takes. */
export const longMs = 600_000
/** A lease for no time at all: it is over at once, by any clock. */
const overMs = 0

/** Prepares a subscription without a read model. */
export async function prepared(book: ConformanceContext, subscription = 'mails'): Promise<FollowingStore> {
  await book.store.readModels.prepareSubscription(subscription, at(0))
  return book.store.following
}

/** Takes a lease that must be free. */
export async function taken(
  following: FollowingStore,
  owner: string,
  { subscription = 'mails', leaseMs = longMs }: { subscription?: string; leaseMs?: number } = {},
): Promise<Acquired> {
  const acquired = await following.acquire(subscription, owner, leaseMs)
  assert.ok(acquired, `${owner} does not get the lease of ${subscription}`)
  assert.deepEqual([acquired.lease.subscription, acquired.lease.owner], [subscription, owner])
  return acquired
}

/** A lease whose time is over, and which somebody may take over. */
export async function takenAndOver(following: FollowingStore, owner: string): Promise<Lease> {
  return (await taken(following, owner, { leaseMs: overMs })).lease
}

const acquiring: readonly ConformanceCase[] = [
  {
    name: 'a lease is got by one owner at a time, once its subscription is prepared',
    run: async (book) => {
      const other = (await book.open()).following
      assert.equal(await book.store.following.acquire('mails', 'a', longMs), undefined)
      const following = await prepared(book)
      const first = { subscription: 'mails', owner: 'a', token: 1 }
      assert.deepEqual(await following.acquire('mails', 'a', longMs), {
        lease: first,
        isTakenOver: false,
        trial: undefined,
      })
      for (const each of [following, other]) assert.equal(await each.acquire('mails', 'b', longMs), undefined)
      assert.equal(await other.renew(first, longMs), true)
    },
  },
  {
    name: 'the token of a lease grows each time it is taken',
    run: async (book) => {
      const following = await prepared(book)
      const tokens: number[] = []
      for (const owner of ['a', 'b', 'b', 'a', 'c']) {
        const { lease } = await taken(following, owner, { leaseMs: overMs })
        tokens.push(lease.token)
      }
      const { lease } = await taken(following, 'c')
      await following.release(lease)
      tokens.push(lease.token, (await taken(following, 'd')).lease.token)
      assert.deepEqual(tokens, range(1, 7))
    },
  },
  {
    name: 'a lease whose time is over is taken over, and its new owner is told so',
    run: async (book) => {
      const following = await prepared(book)
      await takenAndOver(following, 'a')
      const { isTakenOver, lease } = await taken(following, 'b')
      assert.equal(isTakenOver, true)
      // The first answer may have been lost on its way.
      const again = await taken(following, 'b')
      assert.equal(again.isTakenOver, true)
      await following.release(lease)
      assert.equal(await following.acquire('mails', 'c', longMs), undefined, 'an old token gave it back')
      await following.release(again.lease)
      assert.equal((await taken(following, 'c')).isTakenOver, false)
    },
  },
  {
    name: 'an owner that takes its own lease again has not taken it over',
    run: async (book) => {
      const following = await prepared(book)
      await takenAndOver(following, 'a')
      assert.equal((await taken(following, 'a')).isTakenOver, false)
    },
  },
  {
    name: 'of many who want a lease at once exactly one gets it',
    run: async (book) => {
      const openings = [await prepared(book), (await book.open()).following]
      for (const round of range(1, 5)) {
        // Free the first time, over later.
        const asked = range(1, 8).map(async (n) => openings[n % 2]?.acquire('mails', `${round}.${n}`, longMs))
        const got = (await Promise.all(asked)).flatMap((acquired) => acquired ?? [])
        assert.equal(got.length, 1, `${got.length} of 8 got the lease in round ${round}`)
        assert.equal(got[0]?.isTakenOver, round > 1)
        assert.equal(await book.store.following.renew(got[0]?.lease ?? assert.fail(), overMs), true)
      }
    },
  },
]

const keeping: readonly ConformanceCase[] = [
  {
    name: 'a lease that is renewed is not taken over',
    run: async (book) => {
      const following = await prepared(book)
      const lease = await takenAndOver(following, 'a')
      assert.equal(await following.renew(lease, longMs), true)
      assert.equal(await following.acquire('mails', 'b', longMs), undefined)
    },
  },
  {
    name: 'a lease that was taken over or given back cannot be renewed, nor one with an old token',
    run: async (book) => {
      const following = await prepared(book)
      const lost = await takenAndOver(following, 'a')
      const old = await takenAndOver(following, 'b')
      const { lease } = await taken(following, 'b')
      for (const other of [lost, old, { ...lease, owner: 'a' }, { ...lease, subscription: 'none' }])
        assert.equal(await following.renew(other, longMs), false)
      assert.equal(await following.renew(lease, longMs), true)
      await following.release(lease)
      assert.equal(await following.renew(lease, longMs), false)
    },
  },
  {
    name: 'who gives a lease back lets others in at once; who has lost it changes nothing',
    run: async (book) => {
      const following = await prepared(book)
      const lost = await takenAndOver(following, 'a')
      const { lease } = await taken(following, 'b')
      await following.release(lost)
      assert.equal(await following.acquire('mails', 'c', longMs), undefined)
      await following.release(lease)
      await following.release(lease)
      const { isTakenOver } = await taken(following, 'c')
      assert.equal(isTakenOver, false)
    },
  },
  {
    name: 'while a subscription is paused nobody takes or renews its lease',
    run: async (book) => {
      const following = await prepared(book)
      await prepared(book, 'others')
      const { lease } = await taken(following, 'a')
      await (await book.open()).following.pause('mails', true)
      assert.equal(await following.renew(lease, longMs), false)
      for (const owner of ['a', 'b']) assert.equal(await following.acquire('mails', owner, longMs), undefined)
      await taken(following, 'a', { subscription: 'others' })
      // What is under way may come to its end.
      assert.equal(await book.store.readModels.moveCheckpoint('mails', 0, at(1), lease), true)
      await following.release(lease)
      assert.equal(await following.acquire('mails', 'b', longMs), undefined)
      await following.pause('mails', false)
      assert.equal((await taken(following, 'b')).lease.token, 2)
    },
  },
  {
    name: 'a subscription that is not prepared cannot be paused',
    run: async (book) => {
      await book.store.following.pause('mails', true)
      assert.deepEqual(await book.store.following.leases(), [])
      await taken(await prepared(book), 'a')
    },
  },
]

const telling: readonly ConformanceCase[] = [
  {
    name: 'all prepared subscriptions are listed with who runs them, in byte order',
    run: async (book) => {
      const names = ['b', 'a', 'Z', 'ž', '🦉', '\ufb01']
      for (const name of names) await prepared(book, name)
      const { following } = book.store
      const before = await following.now()
      const { lease } = await taken(following, 'owner', { subscription: 'b' })
      const after = await following.now()
      await following.pause('a', true)
      const listed = await (await book.open()).following.leases()
      assert.deepEqual(
        listed.map(({ subscription }) => subscription),
        ['Z', 'a', 'b', 'ž', '\ufb01', '🦉'],
      )
      const nobody = { owner: undefined, token: 0, renewedAtMs: 0, untilMs: 0, trial: undefined }
      const [, paused, held] = listed
      assert.deepEqual(paused, { subscription: 'a', ...nobody, isPaused: true })
      assert.ok(held)
      const { renewedAtMs, untilMs, ...others } = held
      assert.deepEqual(others, { ...lease, isPaused: false, trial: undefined })
      assert.equal(untilMs - renewedAtMs, longMs)
      assert.ok(before <= renewedAtMs && renewedAtMs <= after, `${before} ${renewedAtMs} ${after}`)
      await following.release(lease)
      const released = (await following.leases())[2]
      assert.deepEqual([released?.owner, released?.token, released?.untilMs], [undefined, 1, 0])
    },
  },
  {
    name: 'a trial is told to the next owner, until it is ended',
    run: async (book) => {
      const following = await prepared(book)
      const first = await takenAndOver(following, 'a')
      const trial = { position: 7, attempts: 2 }
      assert.equal(await following.noteTrial(first, { position: 7, attempts: 1 }), true)
      assert.equal(await following.noteTrial(first, trial), true)
      assert.deepEqual((await following.leases())[0]?.trial, trial)
      const second = await taken(following, 'b', { leaseMs: overMs })
      assert.deepEqual([second.isTakenOver, second.trial], [true, trial])
      assert.equal(await following.noteTrial(first, { position: 8, attempts: 1 }), false)
      await following.release(second.lease)
      assert.equal(await following.noteTrial(second.lease, undefined), false)
      const third = await taken(following, 'c')
      assert.deepEqual([third.isTakenOver, third.trial], [false, trial])
      assert.equal(await following.noteTrial(third.lease, undefined), true)
      assert.equal((await following.leases())[0]?.trial, undefined)
      assert.equal((await taken(following, 'c')).trial, undefined)
    },
  },
  {
    name: 'a lease, a pause and a trial are still there when the book is opened again',
    run: async (book) => {
      const following = await prepared(book)
      await prepared(book, 'others')
      const { lease } = await taken(following, 'a')
      await following.noteTrial(lease, { position: 3, attempts: 1 })
      await following.pause('others', true)
      const before = await following.leases()
      await book.reopen()
      assert.deepEqual(await book.store.following.leases(), before)
      assert.equal(await book.store.following.acquire('mails', 'b', longMs), undefined)
      assert.equal(await book.store.following.renew(lease, longMs), true)
    },
  },
]

const members: readonly ConformanceCase[] = [
  {
    name: 'who joins a group learns of all who are there, in byte order',
    run: async (book) => {
      const { following } = book.store
      const other = (await book.open()).following
      assert.deepEqual(await following.join('g', 'b', longMs), ['b'])
      assert.deepEqual(await other.join('g', '🦉', longMs), ['b', '🦉'])
      assert.deepEqual(await following.join('g', '\ufb01', longMs), ['b', '\ufb01', '🦉'])
      assert.deepEqual(await following.join('h', 'a', longMs), ['a'])
      assert.deepEqual(await other.join('g', 'b', longMs), ['b', '\ufb01', '🦉'])
      await other.leave('g', '\ufb01')
      await other.leave('g', 'nobody')
      assert.deepEqual(await following.join('g', 'a', longMs), ['a', 'b', '🦉'])
    },
  },
  {
    name: 'a member that does not tell of itself in time is not there any more',
    run: async (book) => {
      const { following } = book.store
      await following.join('g', 'a', longMs)
      await following.join('g', 'b', overMs)
      assert.deepEqual(await following.join('g', 'c', longMs), ['a', 'c'])
      await following.join('g', 'a', overMs)
      assert.deepEqual(await following.join('g', 'b', longMs), ['b', 'c'])
    },
  },
  {
    name: 'many may join a group at once, over and over',
    run: async (book) => {
      const openings = [book.store.following, (await book.open()).following]
      const owners = range(1, 8).map((n) => `member ${n}`)
      for (const memberMs of [longMs, overMs, longMs]) {
        await Promise.all(owners.map(async (owner, n) => openings[n % 2]?.join('g', owner, memberMs)))
      }
      assert.deepEqual(await openings[1]?.join('g', 'member 1', longMs), owners)
    },
  },
]

/** Who runs a subscription, and who shares its work. */
export const leases: ConformanceGroup = {
  name: 'leases and members',
  cases: [
    ...acquiring,
    ...keeping,
    ...telling,
    ...members,
    {
      name: 'the clock of the host decides, to the millisecond, when a lease and a membership are over',
      run: async (book) => {
        const following = await prepared(book)
        assert.equal(await following.now(), book.nowMs)
        await following.join('g', 'a', 1_000)
        const { lease } = await taken(following, 'a', { leaseMs: 1_000 })
        book.nowMs += 999
        assert.equal(await following.acquire('mails', 'b', longMs), undefined)
        assert.deepEqual(await following.join('g', 'b', longMs), ['a', 'b'])
        assert.equal(await following.renew(lease, 1), true)
        book.nowMs += 1
        assert.deepEqual(await following.join('g', 'b', longMs), ['b'])
        assert.equal((await taken(following, 'b')).isTakenOver, true)
      },
    },
  ],
}
