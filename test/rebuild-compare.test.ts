/** Read models rebuilt while appends and reads go on: compared with what serves, and at any speed. Killed ones are T10's matter. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { type Book, type Difference, openBook } from 'daybook'
import { storeAt } from './processes/store-at.ts'
import { sumEvents, sums } from './processes/sums.ts'

const accounts = 100
const model = sums(1)
const limit = { timeout: 120_000 }

/** One deposit to every account, again and again. */
async function deposit(book: Book, rounds: number): Promise<number> {
  let position = 0
  for (let round = 0; round < rounds; round++) {
    const writes = Array.from({ length: accounts }, (_, account) => ({
      stream: `account-${account}`,
      events: [sumEvents.Deposited({ cents: account + 1 })],
    }))
    position = (await book.append(writes)).position
  }
  return position
}

/** Appends and reads until it is told to stop; what is read must always be whole, and never go back. */
function appendAndRead(book: Book) {
  let isOver = false
  let reads = 0
  const whenOver = (async () => {
    let least = 0
    while (!isOver) {
      // In step with what follows: this is about what readers see, not about how fast a log can grow.
      const notBefore = await deposit(book, 1)
      const document = await book.read(model).get('3', { notBefore, timeoutMs: 60_000 })
      assert.ok((document?.movements ?? 0) >= least, `read ${document?.movements} after ${least}`)
      least = document?.movements ?? 0
      assert.equal(await book.read(model).count(), accounts)
      reads++
    }
  })()
  return {
    async stop(): Promise<number> {
      isOver = true
      await whenOver
      return reads
    },
  }
}

async function differences(book: Book, name: string): Promise<Difference[]> {
  const found: Difference[] = []
  for await (const difference of book.rebuilds.compare(name)) found.push(difference)
  return found
}

async function findSeededDifference(address: string): Promise<void> {
  const seeded = sums(2)
  await using book = await openBook({ store: storeAt(address), projections: [model, seeded] })
  await deposit(book, 20)
  const living = appendAndRead(book)
  assert.equal((await book.rebuilds.start(seeded)).outcome, 'filled')
  const found = await differences(book, 'sums')
  await living.stop()
  assert.deepEqual(
    found.map(({ key, field, serving, other }) => [key, field, Number(other) / Number(serving)]),
    [['7', 'cents', 2]],
  )
  await book.rebuilds.swap(seeded)
  const movements = await book.read(seeded).get('7', { notBefore: await book.head() })
  assert.equal(movements?.cents, 16 * (movements?.movements ?? 0))
}

async function tellHowFarItIs(address: string): Promise<void> {
  const seeded = sums(2)
  await using book = await openBook({ store: storeAt(address), projections: [model, seeded] })
  const keys = 1_200
  const writes = Array.from({ length: keys }, (_, account) => ({
    stream: `account-${account}`,
    events: [sumEvents.Deposited({ cents: 1 })],
  }))
  await book.append(writes.slice(0, 600))
  await book.append(writes.slice(600))
  await book.rebuilds.start(seeded)
  const told: (readonly [number, number])[] = []
  const onProgress = (compared: number, documents: number): number => told.push([compared, documents])
  for await (const { key } of book.rebuilds.compare('sums', { onProgress })) assert.equal(key, '7')
  const expected = [500, 1_000, keys].map((compared) => [compared, keys])
  assert.deepEqual(told, expected)
  const giving = new AbortController()
  const given = { signal: giving.signal, onProgress: () => giving.abort(new Error('given up')) }
  await assert.rejects(
    async () => {
      for await (const { key } of book.rebuilds.compare('sums', given)) assert.equal(key, '7')
    },
    { message: 'given up' },
  )
}

/** Speeds that come to no whole number of events in a batch. */
async function rebuildAtAnySpeed(address: string): Promise<void> {
  await using book = await openBook({ store: storeAt(address), projections: [model] })
  await deposit(book, 1)
  for (const eventsPerSecond of [333, 999])
    assert.equal((await book.rebuilds.start(model, { eventsPerSecond })).outcome, 'swapped')
}

describe('a rebuild beside appends, on SQLite', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'daybook-rebuild-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('is compared with what serves by key and field, while appends go on', limit, () =>
    findSeededDifference(join(folder, 'bank.db')),
  )
  it('is as fast as any number of events a second', limit, () => rebuildAtAnySpeed(join(folder, 'speed.db')))
  it('tells how far comparing is, which can be given up', limit, () =>
    tellHowFarItIs(join(folder, 'told.db')),
  )
})

describe('a rebuild beside appends, on PostgreSQL', () => {
  let server: TestServer
  let address = ''
  before(async () => {
    server = await testServer()
    address = server.url(await server.createDatabase())
  })
  after(() => server.dispose())

  it('is compared with what serves by key and field, while appends go on', limit, () =>
    findSeededDifference(address),
  )
  it('is as fast as any number of events a second', limit, async () =>
    rebuildAtAnySpeed(server.url(await server.createDatabase())),
  )
  it('tells how far comparing is, which can be given up', limit, async () =>
    tellHowFarItIs(server.url(await server.createDatabase())),
  )
})
