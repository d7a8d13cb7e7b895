import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { z } from 'zod'
import { type AnyProjection, type Book, defineEvents, openBook, projection } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

const events = defineEvents({ Deposited: z.object({ cents: z.int() }) })

const parts = {
  from: events,
  key: ({ streamId }: { streamId: string }) => streamId,
  initial: { cents: 0, times: 0 },
  evolve: {
    Deposited: (document: { cents: number; times: number }, { cents }: { cents: number }) => ({
      cents: document.cents + cents,
      times: document.times + 1,
    }),
  },
}

const balances = projection('balances', { ...parts, columns: { cents: 'integer', times: 'integer' } })

function open(url: string, model: AnyProjection, kinds: string[] = []): Promise<Book> {
  const onDiagnostic = ({ kind }: { kind: string }): unknown => kinds.push(kind)
  return openBook({ store: postgres(url, { migrate: true }), projections: [model], onDiagnostic })
}

async function newDatabase(): Promise<string> {
  return server.url(await server.createDatabase())
}

/** Writes and closes a book in which account 1 has 7 cents of one deposit. */
async function filled(url: string): Promise<void> {
  await using book = await open(url, balances)
  const { position } = await book.append('account-1', events.Deposited({ cents: 7 }))
  await book.read(balances).get('1', { notBefore: position })
}

test('a book opened for reading only answers from the read models that are there', async () => {
  const url = await newDatabase()
  await filled(url)
  const store = postgres(url, { readOnly: true })
  for (const follow of [false, true]) {
    await using book = await openBook({ store, projections: [balances], follow })
    assert.deepEqual(await book.read(balances).get('1', { notBefore: 1 }), { cents: 7, times: 1 })
    assert.deepEqual(await book.read(balances).find({ where: { times: 1 } }), [
      { key: '1', document: { cents: 7, times: 1 } },
    ])
    const [status] = await book.status()
    assert.deepEqual([status?.state, status?.position, status?.behind], ['idle', 1, 0])
  }
})

test('columns declared in another order are the same columns', async () => {
  const url = await newDatabase()
  await filled(url)
  const turned = projection('balances', { ...parts, columns: { times: 'integer', cents: 'integer' } })
  await using book = await open(url, turned)
  const { position: notBefore } = await book.append('account-2', events.Deposited({ cents: 3 }))
  const found = async (where: { cents?: number; times?: number }): Promise<readonly string[]> =>
    (await book.read(turned).find({ where, notBefore })).map(({ key }) => key)
  assert.deepEqual(await found({ cents: 7 }), ['1'])
  assert.deepEqual(await found({ cents: 3 }), ['2'])
  assert.deepEqual(await found({ times: 1 }), ['1', '2'])
})

test('another set of columns at the same version is refused at opening; a new version is not', async () => {
  const url = await newDatabase()
  await filled(url)
  const others = [
    projection('balances', parts),
    projection('balances', { ...parts, columns: { cents: 'integer' } }),
    projection('balances', {
      from: events,
      key: parts.key,
      initial: { cents: 0, times: 0, owner: '' },
      columns: { cents: 'integer', times: 'integer', owner: 'text' },
      evolve: { Deposited: (document) => document },
    }),
    projection('balances', { ...parts, columns: { cents: 'integer', times: 'real' } }),
  ]
  for (const other of others) {
    await assert.rejects(open(url, other), ({ code, facts }) => {
      assert.deepEqual([code, facts.readModel], ['PROJECTION_CHANGED', 'balances@1'])
      return true
    })
  }
  const next = projection('balances', { ...parts, version: 2, columns: { cents: 'integer' } })
  await using book = await open(url, next)
  assert.equal(await book.read(next).count({ where: { cents: 7 }, notBefore: 1 }), 1)
})

test('a changed projection is reported at every opening until its version is raised', async () => {
  const url = await newDatabase()
  const starting = (times: number, version = 1) =>
    projection('balances', { ...parts, version, initial: { cents: 0, times } })
  const seen: string[][] = []
  for (const model of [starting(0), starting(9), starting(9), starting(9, 2), starting(9, 2)]) {
    const kinds: string[] = []
    await using book = await open(url, model, kinds)
    const { position } = await book.append('account-1', events.Deposited({ cents: 1 }))
    await book.read(model).get('1', { notBefore: position })
    assert.equal((await book.status())[0]?.isChanged, kinds.includes('projection-changed'))
    seen.push(kinds)
  }
  assert.deepEqual(seen, [[], ['projection-changed'], ['projection-changed'], ['projection-swapped'], []])
})
