import assert from 'node:assert/strict'
import type { SnapshotRow } from '../../core/ports/snapshots.ts'
import type { ConformanceGroup } from './case.ts'

function snapshot(changed: Partial<SnapshotRow> = {}): SnapshotRow {
  return {
    stream: 'account-42',
    fold: 'account',
    fingerprint: 'f1',
    version: 10,
    position: 25,
    eventId: '01890a5d-ac96-774b-bcce-b302099a8057',
    state: '{"b":1,"a":[1.0,"ž🦉\\u0000"] }',
    checksum: 'c',
    ...changed,
  }
}

/** Snapshots are kept as they are, one for each stream and fold. */
export const snapshots: ConformanceGroup = {
  name: 'snapshots',
  cases: [
    {
      name: 'a snapshot is loaded as it was saved',
      run: async ({ store }) => {
        assert.equal(await store.snapshots.load('account-42', 'account'), undefined)
        await store.snapshots.save(snapshot())
        assert.deepEqual({ ...(await store.snapshots.load('account-42', 'account')) }, snapshot())
        assert.equal(await store.snapshots.load('account-4', 'account'), undefined)
        assert.equal(await store.snapshots.load('account-42', 'Account'), undefined)
      },
    },
    {
      name: 'a newer snapshot replaces an older one, and not the other way round',
      run: async ({ store }) => {
        for (const version of [10, 12, 11]) await store.snapshots.save(snapshot({ version }))
        assert.equal((await store.snapshots.load('account-42', 'account'))?.version, 12)
        assert.equal(await store.snapshots.count(), 1)
      },
    },
    {
      name: 'a snapshot of another fingerprint replaces any',
      run: async ({ store }) => {
        await store.snapshots.save(snapshot({ version: 12 }))
        await store.snapshots.save(snapshot({ version: 3, fingerprint: 'f2' }))
        const held = await store.snapshots.load('account-42', 'account')
        assert.deepEqual([held?.version, held?.fingerprint], [3, 'f2'])
      },
    },
    {
      name: 'snapshots of different streams and folds stand beside each other',
      run: async ({ store }) => {
        await store.snapshots.save(snapshot())
        await store.snapshots.save(snapshot({ fold: 'limits', state: '1' }))
        await store.snapshots.save(snapshot({ stream: 'account-43', state: '2' }))
        await store.snapshots.save(snapshot({ stream: 'account-%', state: '3' }))
        assert.equal((await store.snapshots.load('account-42', 'account'))?.state, snapshot().state)
        assert.equal((await store.snapshots.load('account-42', 'limits'))?.state, '1')
        assert.equal((await store.snapshots.load('account-43', 'account'))?.state, '2')
        assert.equal(await store.snapshots.count(), 4)
      },
    },
    {
      name: 'snapshots are cleared all, or those of one fold',
      run: async ({ store }) => {
        assert.equal(await store.snapshots.clear(), 0)
        for (const stream of ['a-1', 'a-2']) {
          for (const fold of ['one', 'other']) await store.snapshots.save(snapshot({ stream, fold }))
        }
        assert.equal(await store.snapshots.clear('one'), 2)
        assert.equal(await store.snapshots.load('a-1', 'one'), undefined)
        assert.equal((await store.snapshots.load('a-1', 'other'))?.fold, 'other')
        assert.equal(await store.snapshots.clear('unknown'), 0)
        assert.equal(await store.snapshots.clear(), 2)
        assert.equal(await store.snapshots.count(), 0)
      },
    },
  ],
}
