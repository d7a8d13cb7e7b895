import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import {
  aggregate,
  type BookOptions,
  type Diagnostic,
  decider,
  defineEvents,
  openBook,
  type Store,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

let folded = 0
function account(stateVersion = 1) {
  return decider('account', {
    events,
    initialState: { cents: 0 },
    evolve: {
      Deposited: (state, { cents }) => {
        folded++
        return { cents: state.cents + cents }
      },
    },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
    stateVersion,
  })
}

/** Fills `account-1` with ten events of one cent, taking snapshots as the policy says. */
async function filled(snapshots: BookOptions['snapshots']): Promise<Store> {
  const store = memory()
  const decided = account()
  await using book = await openBook({
    store,
    deciders: [decided],
    ...(snapshots === undefined ? {} : { snapshots }),
  })
  for (let nth = 0; nth < 10; nth++) await book.execute(decided.deposit('1', { cents: 1 }))
  return store
}

/** Loads `account-1` in a book just opened: how many events were folded, what was reported, and the state. */
async function loaded(store: Store, stateVersion = 1) {
  const decided = account(stateVersion)
  const reports: Diagnostic[] = []
  const onDiagnostic = (diagnostic: Diagnostic): unknown => reports.push(diagnostic)
  await using book = await openBook({ store, deciders: [decided], snapshots: false, onDiagnostic })
  folded = 0
  const { state, version } = await book.load(decided, '1')
  return { folded, cents: state.cents, version, reports: reports.map(({ kind }) => kind) }
}

test('a snapshot is taken every so many events, and only the events after it are folded', async () => {
  assert.deepEqual(await loaded(await filled({ everyEvents: 4 })), {
    folded: 2,
    cents: 10,
    version: 10,
    reports: [],
  })
  assert.deepEqual(await loaded(await filled({ everyEvents: 10 })), {
    folded: 0,
    cents: 10,
    version: 10,
    reports: [],
  })
  assert.deepEqual(await loaded(await filled({ everyEvents: 11 })), {
    folded: 10,
    cents: 10,
    version: 10,
    reports: [],
  })
  assert.deepEqual(await loaded(await filled(false)), { folded: 10, cents: 10, version: 10, reports: [] })
  assert.deepEqual(await loaded(await filled(undefined)), { folded: 10, cents: 10, version: 10, reports: [] })
})

test('a snapshot is taken when a replay took longer than its limit', async () => {
  const store = await filled(false)
  const decided = account()
  const book = await openBook({ store, deciders: [decided], snapshots: { replayMs: 0 } })
  await book.load(decided, '1')
  await book.close()
  assert.equal((await loaded(store)).folded, 0)
  const patient = await filled({ replayMs: 60_000 })
  assert.equal((await loaded(patient)).folded, 10)
})

test('a snapshot of other code is ignored and reported', async () => {
  const store = await filled({ everyEvents: 10 })
  assert.deepEqual(await loaded(store, 2), {
    folded: 10,
    cents: 10,
    version: 10,
    reports: ['snapshot-ignored'],
  })
  assert.equal((await loaded(store, 1)).folded, 0)
})

test('a snapshot that was tampered with, or is of another history, is ignored and reported', async () => {
  const store = await filled({ everyEvents: 10 })
  const { snapshots } = await store.open({ ...unused })
  const row = await snapshots.load('account-1', 'account')
  assert.ok(row)
  await snapshots.save({ ...row, state: '{"cents":1000000}' })
  assert.deepEqual(await loaded(store), { folded: 10, cents: 10, version: 10, reports: ['snapshot-ignored'] })

  const other = await filled({ everyEvents: 10 })
  const { snapshots: foreign } = await other.open({ ...unused })
  await foreign.save(row)
  assert.deepEqual(await loaded(other), { folded: 10, cents: 10, version: 10, reports: ['snapshot-ignored'] })
})

/** A store in memory that is open already does not look at its host again. */
const unused = {
  now: () => 0,
  newId: () => '',
  sha256: (bytes: Uint8Array) => bytes,
  random: () => 0,
  sleep: () => Promise.resolve(),
  nextTurn: () => Promise.resolve(),
}

test('a state that JSON does not hold is reported, and the command succeeds', async () => {
  const odd = decider('odd', {
    events,
    initialState: { seen: new Set<number>() },
    evolve: { Deposited: ({ seen }, { cents }) => ({ seen: new Set([...seen, cents]) }) },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  })
  const reports: Diagnostic[] = []
  const onDiagnostic = (diagnostic: Diagnostic): unknown => reports.push(diagnostic)
  const book = await openBook({
    store: memory(),
    deciders: [odd],
    snapshots: { everyEvents: 1 },
    onDiagnostic,
  })
  const done = await book.execute(odd.deposit('1', { cents: 5 }))
  assert.deepEqual([...done.state.seen], [5])
  await book.close()
  assert.deepEqual(
    reports.map(({ kind, subject }) => [kind, subject]),
    [['snapshot-failed', 'odd-1']],
  )
})

class Wallet extends aggregate('wallet', events) {
  cents = 0
  replayed = 0
  readonly on = this.appliers({
    Deposited: ({ cents }) => {
      this.cents += cents
      this.replayed++
    },
  })

  override toSnapshot(): { cents: number } {
    return { cents: this.cents }
  }

  override fromSnapshot({ cents }: { cents: number }): void {
    this.cents = cents
  }
}

test('an aggregate comes back from its snapshot as it was when it was loaded, not as it is now', async () => {
  const store = memory()
  const book = await openBook({ store, snapshots: { everyEvents: 3 } })
  await book.append(
    'wallet-1',
    [1, 2, 3].map((cents) => events.Deposited({ cents })),
  )
  const wallet = await book.repository(Wallet).load('1')
  wallet.apply(events.Deposited({ cents: 1_000 }))
  await book.append('wallet-1', events.Deposited({ cents: 4 }))
  await book.close()
  await using reopened = await openBook({ store })
  const again = await reopened.repository(Wallet).load('1')
  assert.deepEqual([again.cents, again.replayed, again.version, again.id], [10, 1, 4, '1'])
})
