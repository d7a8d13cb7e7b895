import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Diagnostic, defineEvents, type FailurePolicy, openBook, projection } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

/** Throws on 13, until it is repaired; on 14 its document cannot be stored. */
function balances(onFailure: FailurePolicy) {
  const state = { isRepaired: false }
  const definition = projection('balances', {
    from: events,
    onFailure,
    key: ({ streamId }) => streamId,
    initial: { cents: 0 },
    columns: { cents: 'integer' },
    evolve: {
      Deposited: (document, { cents }) => {
        if (cents === 13 && !state.isRepaired) throw new Error('unlucky')
        const sum = document.cents + cents
        return { cents: cents === 14 && !state.isRepaired ? sum + 0.5 : sum }
      },
    },
  })
  return { state, definition }
}

function deposits(...cents: readonly number[]) {
  return cents.map((each) => events.Deposited({ cents: each }))
}

test("with 'park' a fold goes on without the event it throws on, which a person can have folded later", async () => {
  const { state, definition } = balances('park')
  const kinds: string[] = []
  const onDiagnostic = ({ kind }: Diagnostic): unknown => kinds.push(kind)
  await using book = await openBook({ store: memory(), projections: [definition], onDiagnostic })
  await book.append('account-1', deposits(1, 13, 2))
  const { position } = await book.append('account-2', deposits(5))
  const model = book.read(definition)
  assert.deepEqual(await model.get('1', { notBefore: position }), { cents: 3 })
  assert.deepEqual(await model.get('2'), { cents: 5 })
  const parked = await book.subscriptions.parked({ subscription: 'balances' })
  assert.deepEqual(
    parked.map(({ position: at, status, error }) => [at, status, error]),
    [[2, 'parked', 'projection "balances" threw on Deposited at position 2: unlucky']],
  )
  assert.deepEqual(kinds, ['event-parked'])
  state.isRepaired = true
  await book.subscriptions.retry('balances', 'all')
  // The step that folds what comes next folds first what is due.
  const next = await book.append('account-2', deposits(6))
  assert.deepEqual(await model.get('1', { notBefore: next.position }), { cents: 16 })
  assert.deepEqual(await model.get('2'), { cents: 11 })
  assert.deepEqual(await book.subscriptions.parked(), [])
})

test("with 'park-stream' later events of the stream are left out as well, and follow in order", async () => {
  for (const decision of ['retry', 'skip'] as const) {
    const { state, definition } = balances('park-stream')
    await using book = await openBook({ store: memory(), projections: [definition] })
    await book.append('account-1', deposits(1, 13, 2))
    const { position } = await book.append('account-2', deposits(5))
    const model = book.read(definition)
    assert.deepEqual(await model.get('1', { notBefore: position }), { cents: 1 })
    const later = await book.append('account-1', deposits(3))
    assert.deepEqual(await model.get('1', { notBefore: later.position }), { cents: 1 })
    const statuses = (await book.subscriptions.parked()).map(({ status }) => status)
    assert.deepEqual(statuses, ['parked', 'waiting', 'waiting'])
    state.isRepaired = true
    if (decision === 'retry') await book.subscriptions.retry('balances', 2)
    else await book.subscriptions.skip('balances', 2, { reason: 'booked by mistake', actor: 'ada' })
    const next = await book.append('account-2', deposits(6))
    await model.get('2', { notBefore: next.position })
    assert.deepEqual(await model.get('1'), { cents: decision === 'retry' ? 19 : 6 })
  }
})

test('an event whose document cannot be stored is found among others, and only it is left out', async () => {
  const { definition } = balances('park')
  await using writer = await openBook({ store: memory() })
  await using book = await openBook({ store: memory(), projections: [definition] })
  await book.append('account-1', deposits(1, 14, 2, 3))
  const { position } = await book.append('account-2', deposits(5))
  assert.deepEqual(await book.read(definition).get('1', { notBefore: position }), { cents: 6 })
  const parked = await book.subscriptions.parked()
  assert.deepEqual(
    parked.map((each) => each.position),
    [2],
  )
  assert.equal(await writer.head(), 0)
})

test('a projection that stops says where for every process, and passes over what a person skips', async () => {
  for (const unlucky of [13, 14]) {
    const store = memory()
    const stopped = Promise.withResolvers<void>()
    const [{ definition }, { definition: other }] = [balances('stop'), balances('stop')]
    const onDiagnostic = ({ kind }: Diagnostic): void => {
      if (kind === 'projection-stopped') stopped.resolve()
    }
    await using book = await openBook({ store, projections: [definition], onDiagnostic })
    await using stranger = await openBook({ store, projections: [other] })
    const { position } = await book.append('account-1', deposits(1, unlucky, 2))
    await stopped.promise
    const [status] = await stranger.status()
    assert.deepEqual([status?.position, status?.isStuck, status?.state], [1, true, 'standing-by'])
    assert.match(
      status?.cause ?? '',
      /stopped at the event at position 2, after 1 attempts: projection "balances"/,
    )
    await stranger.subscriptions.skip('balances', 2, { reason: 'unlucky', actor: 'ada' })
    assert.deepEqual(await stranger.read(other).get('1', { notBefore: position }), { cents: 3 })
    assert.equal((await stranger.status())[0]?.isStuck, false)
  }
})

test('only an asynchronous projection can go on without an event', () => {
  const define = (mode: 'inline' | 'live') =>
    projection('balances', {
      from: events,
      mode,
      onFailure: 'park',
      key: ({ streamId }) => streamId,
      initial: { cents: 0 },
      evolve: { Deposited: (document) => document },
    })
  assert.throws(() => define('inline'), { code: 'DEFINITION_INVALID' })
  assert.throws(() => define('live'), { code: 'DEFINITION_INVALID' })
})
