import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { EventLog } from '../core/ports/store.ts'
import {
  type BookOptions,
  type Diagnostic,
  decider,
  defineEvents,
  openBook,
  projection,
  reaction,
  type Store,
} from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string() }),
  Deposited: z.object({ cents: z.int() }),
})

const poisoned = projection('poisoned', {
  from: events,
  key: ({ streamId }) => streamId,
  initial: { cents: 0 },
  evolve: {
    Deposited: () => {
      throw new Error('poison')
    },
  },
})

test('a projection that stops is reported once, with what stopped it', async () => {
  const reports: Diagnostic[] = []
  const onDiagnostic = (diagnostic: Diagnostic): unknown => reports.push(diagnostic)
  const book = await openBook({ store: memory(), projections: [poisoned], onDiagnostic })
  const { position } = await book.append('account-1', events.Deposited({ cents: 1 }))
  await assert.rejects(book.read(poisoned).get('1', { notBefore: position }), /it has stopped: .*poison/)
  await book.close()
  assert.deepEqual(
    reports.map(({ kind, subject }) => [kind, subject]),
    [['projection-stopped', 'poisoned@1']],
  )
  assert.match(reports[0]?.message ?? '', /poison/)
})

test('a document key that is no name stops the projection instead of being tried for ever', async () => {
  const nameless = projection('nameless', {
    from: events,
    key: ({ streamId }) => (streamId === '2' ? '' : streamId),
    initial: { cents: 0 },
    evolve: { Deposited: (_document, data) => data },
  })
  await using book = await openBook({ store: memory(), projections: [nameless] })
  await book.append('account-1', events.Deposited({ cents: 1 }))
  const { position } = await book.append('account-2', events.Deposited({ cents: 2 }))
  await assert.rejects(book.read(nameless).get('1', { notBefore: position }), /it has stopped/)
  const [status] = await book.status()
  assert.deepEqual([status?.state, status?.position], ['stopped', 1])
  assert.deepEqual(await book.read(nameless).get('1'), { cents: 1 })
})

test('two projections or two reactions of one name are refused, for they would share a checkpoint', async () => {
  const named = (name: string, version: number) =>
    projection(name, {
      version,
      from: events,
      key: () => 'all',
      initial: { count: 0 },
      evolve: { Deposited: ({ count }) => ({ count: count + 1 }) },
    })
  const mail = (name: string) => reaction(name, { from: events, types: ['Deposited'], run: () => undefined })
  const invalid = { code: 'DEFINITION_INVALID' }
  const open = (options: Partial<BookOptions>) => openBook({ store: memory(), ...options })
  await assert.rejects(open({ projections: [named('counts', 1), named('counts', 1)] }), invalid)
  await assert.rejects(open({ reactions: [mail('mail'), mail('mail')] }), invalid)
  await using book = await open({
    projections: [named('counts', 1), named('counts', 2), named('mail', 1)],
    reactions: [mail('mail'), mail('letter')],
  })
  assert.equal((await book.status()).length, 5)
})

/** A host that tells when a follower has nothing left to do and goes to sleep; only a hint wakes it. */
function restingHost(): {
  readonly host: NonNullable<BookOptions['host']>
  readonly rested: () => Promise<void>
} {
  let rest = Promise.withResolvers<void>()
  return {
    host: {
      sleep: (_timeMs, signal) => {
        rest.resolve()
        rest = Promise.withResolvers<void>()
        return new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('awake')), { once: true })
        })
      },
    },
    rested: () => rest.promise,
  }
}

/** Throws on what is folded twice. */
const strict = projection('strict', {
  from: events,
  mode: 'inline',
  key: ({ streamId }) => streamId,
  initial: { isOpen: false },
  evolve: {
    Opened: ({ isOpen }) => {
      if (isOpen) throw new Error('opened twice')
      return { isOpen: true }
    },
  },
})

test('the follower of an inline projection never folds what the append has folded', async () => {
  const stopped = Promise.withResolvers<never>()
  const onDiagnostic = ({ message }: Diagnostic): void => stopped.reject(new Error(message))
  const { host, rested } = restingHost()
  const isAsleep = rested()
  await using book = await openBook({ store: memory(), projections: [strict], host, onDiagnostic })
  await Promise.race([isAsleep, stopped.promise])
  for (let nth = 1; nth <= 5; nth++) {
    const isAsleepAgain = rested()
    await book.append(`account-${nth}`, events.Opened({ owner: 'Ada' }))
    await Promise.race([isAsleepAgain, stopped.promise])
  }
  const [status] = await book.status()
  assert.deepEqual([status?.state, status?.position, status?.error], ['waiting', 5, undefined])
})

/** The store, where something happens right before the log is next read, each time it was planned. */
function interrupted(store: Store, planned: (() => Promise<unknown>)[]): Store {
  return {
    name: store.name,
    open: async (host) => {
      const opened = await store.open(host)
      const { log } = opened
      const guarded: EventLog = {
        head: () => log.head(),
        readStream: (slice) => log.readStream(slice),
        readLog: async (slice) => {
          await planned.pop()?.()
          return log.readLog(slice)
        },
        readHashes: (afterPosition, limit) => log.readHashes(afterPosition, limit),
        findKey: (key) => log.findKey(key),
        whenDurable: (position, proof) => log.whenDurable(position, proof),
        within: (transaction) => log.within(transaction),
        onAppended: (listener) => log.onAppended(listener),
        append: (requests, inline) => log.append(requests, inline),
      }
      return { ...opened, log: guarded }
    },
  }
}

test('an event that an append folds while the follower is about to is no reason to stop', async () => {
  const stopped = Promise.withResolvers<never>()
  const onDiagnostic = ({ message }: Diagnostic): void => stopped.reject(new Error(message))
  const { host, rested } = restingHost()
  const store = memory()
  const planned: (() => Promise<unknown>)[] = []
  await using writer = await openBook({ store, projections: [strict], follow: false })
  let isAsleep = rested()
  const options = { store: interrupted(store, planned), projections: [strict], host, onDiagnostic }
  await using book = await openBook(options)
  await Promise.race([isAsleep, stopped.promise])
  isAsleep = rested()
  // The first append wakes the follower, which finds its checkpoint; the second comes before it reads the log.
  planned.push(() => writer.append('account-2', events.Opened({ owner: 'Bob' })))
  await writer.append('account-1', events.Opened({ owner: 'Ada' }))
  await Promise.race([isAsleep, stopped.promise])
  const [status] = await book.status()
  assert.deepEqual([status?.state, status?.position, planned.length], ['waiting', 2, 0])
})

test('whoever listens to diagnostics and throws does no harm', async () => {
  const undefinedState = decider('account', {
    events,
    initialState: { owner: undefined },
    evolve: { Opened: (state) => state, Deposited: (state) => state },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  })
  const kinds: string[] = []
  const book = await openBook({
    store: memory(),
    deciders: [undefinedState],
    projections: [poisoned],
    snapshots: { everyEvents: 1 },
    onDiagnostic: ({ kind }) => {
      kinds.push(kind)
      throw new Error('nobody listens')
    },
  })
  const { position } = await book.execute(undefinedState.deposit('1', { cents: 1 }))
  await assert.rejects(book.read(poisoned).get('1', { notBefore: position }), /poison/)
  const [status] = await book.status()
  assert.equal(status?.state, 'stopped')
  await book.close()
  assert.deepEqual(kinds.toSorted(), ['projection-stopped', 'snapshot-failed'])
})

test('a reader in a process that follows nothing waits as long as it says, and is told who lags', async () => {
  const counts = projection('counts', {
    from: events,
    key: () => 'all',
    initial: { count: 0 },
    evolve: { Deposited: ({ count }) => ({ count: count + 1 }) },
  })
  await using book = await openBook({ store: memory(), projections: [counts], follow: false })
  await assert.rejects(
    book.read(counts).get('all', { notBefore: 5, timeoutMs: 30 }),
    ({ code, facts, message }) => {
      assert.deepEqual(
        [code, facts.readModel, facts.reached, facts.position],
        ['READ_MODEL_TIMEOUT', 'counts@1', 0, 5],
      )
      assert.ok(facts.waitedMs >= 30)
      assert.match(message, /it is idle/)
      return true
    },
  )
})

test('a document that a failing evolve has touched stays as it was', async () => {
  for (const mode of ['async', 'live'] as const) {
    const lists = projection('lists', {
      from: events,
      mode,
      key: () => 'all',
      initial: { list: [] as number[] },
      evolve: {
        Deposited: (document, { cents }) => {
          if (cents >= 0) return { list: [...document.list, cents] }
          document.list.push(cents)
          throw new Error('negative')
        },
      },
    })
    await using book = await openBook({ store: memory(), projections: [lists] })
    const { position } = await book.append(
      'account-1',
      [1, 2, -3].map((cents) => events.Deposited({ cents })),
    )
    const read = book.read(lists)
    await assert.rejects(read.get('all', { notBefore: position }))
    if (mode === 'async') assert.deepEqual(await read.get('all'), { list: [1, 2] })
    await assert.rejects(read.get('all', { notBefore: position }), /object is not extensible/)
  }
})

test('a status tells when its position moved last, so that one that nobody moves is known from one that is slow', async () => {
  let nowMs = 1_000_000
  const store = memory()
  const host = { now: () => nowMs }
  const sums = projection('sums', {
    from: events,
    key: ({ streamId }) => streamId,
    initial: { cents: 0 },
    evolve: { Deposited: (_document, data) => data },
  })
  const running = await openBook({ store, host, projections: [sums] })
  const { position } = await running.append('account-1', events.Deposited({ cents: 1 }))
  await running.read(sums).get('1', { notBefore: position })
  await running.close()
  nowMs += 60_000
  await using watching = await openBook({ store, host, projections: [sums], follow: false })
  await watching.append('account-1', events.Deposited({ cents: 2 }))
  const [status] = await watching.status()
  assert.deepEqual([status?.behind, nowMs - Number(status?.movedAtMs)], [1, 60_000])
})
