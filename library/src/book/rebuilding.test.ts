import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { nodeHost } from '../host/node-host.ts'
import { decider, defineEvents, openBook, type ProjectionMode, projection } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const sums = (mode: ProjectionMode, factor = 1) =>
  projection('sums', {
    from: events,
    mode,
    key: ({ streamId }) => streamId,
    initial: { cents: 0, factor },
    evolve: {
      Deposited: (document, { cents }) => ({ ...document, cents: document.cents + cents * document.factor }),
    },
  })

for (const mode of ['async', 'inline', 'live'] as const) {
  test(`a read model thrown away comes back the same, while appends go on: ${mode}`, async () => {
    const model = sums(mode)
    await using book = await openBook({ store: memory(), projections: [model] })
    for (let count = 0; count < 50; count++)
      await book.append('account-1', events.Deposited({ cents: count }))
    const appending = (async () => {
      for (let count = 0; count < 50; count++) await book.append('account-2', events.Deposited({ cents: 1 }))
    })()
    await Promise.all([book.rebuild(model), appending, book.rebuild(model)])
    const notBefore = await book.head()
    const cents = async (key: string): Promise<number | undefined> =>
      (await book.read(model).get(key, { notBefore }))?.cents
    assert.deepEqual([await cents('1'), await cents('2')], [1_225, 50])
  })
}

test('a rebuild takes over the code of today, and its book no longer tells of a change', async () => {
  const store = memory()
  const model = sums('async', 1)
  const before = await openBook({ store, projections: [model] })
  const { position } = await before.append('account-1', events.Deposited({ cents: 7 }))
  assert.equal((await before.read(model).get('1', { notBefore: position }))?.cents, 7)
  await before.close()
  const changed = sums('async', 10)
  const kinds: string[] = []
  const after = await openBook({
    store,
    projections: [changed],
    onDiagnostic: ({ kind }) => kinds.push(kind),
  })
  await after.rebuild(changed)
  assert.equal((await after.read(changed).get('1', { notBefore: position }))?.cents, 70)
  await after.close()
  const again = await openBook({
    store,
    projections: [changed],
    onDiagnostic: ({ kind }) => kinds.push(kind),
  })
  assert.equal(kinds.filter((kind) => kind === 'projection-changed').length, 1)
  assert.equal((await again.status())[0]?.isChanged, false)
  await again.close()
})

test('snapshots thrown away are taken anew, and change no state', async () => {
  const account = decider('account', {
    events,
    initialState: { cents: 0 },
    evolve: { Deposited: (state, { cents }) => ({ cents: state.cents + cents }) },
    commands: { deposit: (_state, input: { cents: number }) => events.Deposited(input) },
  })
  const store = memory()
  const options = { store, deciders: [account], snapshots: { everyEvents: 1 } }
  const book = await openBook(options)
  await book.execute(account.deposit('1', { cents: 5 }))
  await book.close()
  await using next = await openBook(options)
  assert.equal(await next.clearSnapshots(), 1)
  assert.equal((await next.load(account, '1')).state.cents, 5)
  assert.equal(await next.clearSnapshots(), 0)
})

test('a filling that nobody has begun cannot be halted, and says so', async () => {
  const store = memory()
  const model = sums('async')
  await using book = await openBook({ store, projections: [model], follow: false })
  const { following } = await store.open(nodeHost())
  // What is left when a process ends between noting that a copy is to be filled and making its checkpoint.
  await following.transaction(async (transaction) => {
    const record = await transaction.readModel('sums')
    assert.ok(record)
    await transaction.putReadModel({ ...record, next: { version: 2, generation: 1 } })
  })
  await assert.rejects(book.rebuilds.pause(model), { code: 'REBUILD_REFUSED', message: /nobody has begun/ })
  await book.rebuilds.cancel(model)
  assert.equal((await book.rebuilds.status())[0]?.next, undefined)
})
