import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { type AnyProjection, type Book, defineEvents, openBook, projection } from '../index.ts'
import { sqlite } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0

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

function open(path: string, model: AnyProjection, kinds: string[] = []): Promise<Book> {
  const onDiagnostic = ({ kind }: { kind: string }): unknown => kinds.push(kind)
  return openBook({ store: sqlite(path), projections: [model], onDiagnostic })
}

function newFile(): string {
  return join(folder, `${files++}.db`)
}

/** Writes and closes a book in which account 1 has 7 cents of one deposit. */
async function filled(path: string): Promise<void> {
  await using book = await open(path, balances)
  const { position } = await book.append('account-1', events.Deposited({ cents: 7 }))
  await book.read(balances).get('1', { notBefore: position })
}

test('a book opened for reading only answers from the read models that are there', async () => {
  const path = newFile()
  await filled(path)
  const store = sqlite(path, { readOnly: true })
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
  const path = newFile()
  await filled(path)
  const turned = projection('balances', { ...parts, columns: { times: 'integer', cents: 'integer' } })
  await using book = await open(path, turned)
  const { position: notBefore } = await book.append('account-2', events.Deposited({ cents: 3 }))
  const found = async (where: { cents?: number; times?: number }): Promise<readonly string[]> =>
    (await book.read(turned).find({ where, notBefore })).map(({ key }) => key)
  assert.deepEqual(await found({ cents: 7 }), ['1'])
  assert.deepEqual(await found({ cents: 3 }), ['2'])
  assert.deepEqual(await found({ times: 1 }), ['1', '2'])
})

test('another set of columns at the same version is refused at opening; a new version is not', async () => {
  const path = newFile()
  await filled(path)
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
    await assert.rejects(open(path, other), ({ code, facts }) => {
      assert.deepEqual([code, facts.readModel], ['PROJECTION_CHANGED', 'balances@1'])
      return true
    })
  }
  const next = projection('balances', { ...parts, version: 2, columns: { cents: 'integer' } })
  await using book = await open(path, next)
  assert.equal(await book.read(next).count({ where: { cents: 7 }, notBefore: 1 }), 1)
})

test('a changed projection is reported at every opening until its version is raised', async () => {
  const path = newFile()
  const starting = (times: number, version = 1) =>
    projection('balances', { ...parts, version, initial: { cents: 0, times } })
  const seen: string[][] = []
  for (const model of [starting(0), starting(9), starting(9), starting(9, 2), starting(9, 2)]) {
    const kinds: string[] = []
    await using book = await open(path, model, kinds)
    const { position } = await book.append('account-1', events.Deposited({ cents: 1 }))
    await book.read(model).get('1', { notBefore: position })
    assert.equal((await book.status())[0]?.isChanged, kinds.includes('projection-changed'))
    seen.push(kinds)
  }
  assert.deepEqual(seen, [[], ['projection-changed'], ['projection-changed'], ['projection-swapped'], []])
})
