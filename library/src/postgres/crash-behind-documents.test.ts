/** What a read model is folded onto must not be a state that a crash of the server has taken back. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import type { ReadModelStore } from '../core/ports/read-models.ts'
import type { Store } from '../core/ports/store.ts'
import { defineEvents, openBook, projection, type Schema } from '../index.ts'
import { postgres } from './index.ts'

interface Amount {
  readonly cents: number
}
const amount: Schema<Amount> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Amount }) },
}
const events = defineEvents({ Deposited: amount })
const balances = projection('balances', {
  from: events,
  key: () => 'all',
  initial: { cents: 0 },
  evolve: { Deposited: (total, { cents }) => ({ cents: total.cents + cents }) },
})

let server: PostgresServer
before(async () => {
  server = await startServer({ settings: { wal_writer_delay: '10s', autovacuum: 'off' } })
})
after(async () => {
  await server.dispose()
})

type Documents = ReadModelStore['documents']

/** The store, with its way of loading documents replaced. */
function loading(store: Store, replaced: (models: ReadModelStore) => Documents): Store {
  const withOther = <Target extends object>(target: Target, name: keyof Target, other: unknown): Target =>
    new Proxy(target, {
      get: (_, asked) => {
        if (asked === name) return other
        const value: unknown = Reflect.get(target, asked)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return {
    name: store.name,
    open: async (host) => {
      const open = await store.open(host)
      const documents = replaced(open.readModels)
      return withOther(open, 'readModels', withOther(open.readModels, 'documents', documents))
    },
  }
}

it('two followers, one of which reads what the other wrote and a crash takes back, count each event once', async () => {
  const address = server.url()
  const store = postgres(address, { schema: 'crashed', migrate: true })
  await using writer = await openBook({ store, projections: [balances], follow: false })
  await writer.append('account-1', { type: 'Deposited', data: { cents: 5 } })
  let isFirst = true
  const slow = loading(store, (models) => async (shape, keys, from) => {
    if (!isFirst) return models.documents(shape, keys, from)
    isFirst = false
    // Somebody who knows nothing of leases folds the same event; the commit does not wait for the disk.
    const { subscription } = balances.definition
    const begun = await models.checkpoint(subscription)
    assert.ok(begun)
    const upserts = [{ key: 'all', document: '{"cents":5}', columns: [] }]
    const checkpoint = { ...begun, position: 1 }
    assert.ok(await models.change({ shape, subscription, fromPosition: 0, checkpoint, upserts, deletes: [] }))
    const found = await models.documents(shape, keys)
    // What the fold itself asks for, at the worst of moments.
    const asked = await models.documents(shape, keys, from).catch((error: unknown) => error)
    await server.stop('SIGKILL')
    await server.start()
    assert.equal(found.size, 1)
    assert.equal((await models.documents(shape, keys)).size, 0, 'the crash took nothing back')
    if (asked instanceof Error) throw asked
    return found
  })
  await using book = await openBook({ store: slow, projections: [balances] })
  let document: unknown
  while (document === undefined)
    document = await book
      .read(balances)
      .get('all', { notBefore: 1, timeoutMs: 100 })
      .catch(() => undefined)
  assert.deepEqual(document, { cents: 5 })
})
