import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { type Watch, watchedDriver } from '@daybook/postgres-server/watched'
import { z } from 'zod'
import type { Store } from '../core/ports/store.ts'
import { nodeHost } from '../host/node-host.ts'
import { type Book, defineEvents, openBook, projection } from '../index.ts'
import { postgres } from './index.ts'

const server: TestServer = await testServer()
const database = await server.createDatabase()
after(() => server.dispose())

let books = 0

async function openWatched(watch: Watch, schema = `book_${++books}`): Promise<Book> {
  const store = postgres(server.url(database), { schema, migrate: true, driver: watchedDriver(watch) })
  return openBook({ store })
}

function kindOf(text: string): string {
  if (text.includes('pg_logical_emit_message')) return 'flush'
  if (text.includes('pg_advisory_xact_lock'))
    return text.includes('synchronous_commit') ? 'lock, flush later' : 'lock'
  if (text.includes('recorded_at_ms, encode(chain_hash')) return 'read head'
  if (text.includes('INSERT INTO') && text.includes('leaf_hash')) return 'insert'
  return text === 'SET LOCAL synchronous_commit = off' ? 'flush later' : text
}

function append(book: Book, stream = 'a-1', key?: string): Promise<unknown> {
  return book.append(stream, [{ type: 'Happened', data: {} }], { idempotencyKey: key })
}

it('who appends alone flushes with the commit; who shares the log lets go of the lock first', async () => {
  const sent: string[] = []
  const schema = `book_${++books}`
  const interesting = ['lock', 'lock, flush later', 'read head', 'insert', 'flush later', 'COMMIT', 'flush']
  await using book = await openWatched((text) => {
    if (interesting.includes(kindOf(text))) sent.push(kindOf(text))
  }, schema)
  await using other = await openWatched(() => undefined, schema)
  const sentBy = async (append: () => Promise<unknown>): Promise<readonly string[]> => {
    sent.length = 0
    await append()
    return [...sent]
  }
  await append(book)
  assert.deepEqual(await sentBy(() => append(book)), ['lock', 'read head', 'insert', 'COMMIT'])
  // Nobody came between: what is to be found is known, and nothing has to be looked up.
  assert.deepEqual(await sentBy(() => append(book)), ['lock', 'insert', 'COMMIT'])
  await append(other)
  // What was foreseen has not come about: nothing is written, and it is done again.
  const inVain = ['lock', 'insert', 'COMMIT']
  const again = ['lock', 'read head', 'insert', 'flush later', 'COMMIT', 'flush']
  assert.deepEqual(await sentBy(() => append(book)), [...inVain, ...again])
  // Somebody else was there a moment ago, and may come again; then it is alone again.
  const shared = ['lock, flush later', 'read head', 'insert', 'COMMIT', 'flush']
  assert.deepEqual(await sentBy(() => append(book)), shared)
  assert.deepEqual(await sentBy(() => append(book)), ['lock', 'insert', 'COMMIT'])
  assert.deepEqual(await versionsIn(book), [1, 2, 3, 4, 5, 6, 7])
})

async function versionsIn(book: Book): Promise<readonly number[]> {
  const versions: number[] = []
  for await (const { version } of book.readLog()) versions.push(version)
  return versions
}

it('what needs to be looked up is looked up, whoever appended last', async () => {
  const sent: string[] = []
  await using book = await openWatched((text) => void sent.push(kindOf(text)))
  for (let n = 0; n < 3; n++) await append(book)
  const happened = { type: 'Happened', data: {} }
  const id = '01890000-0000-7000-8000-000000000001'
  const query = { types: ['Unheard'] }
  const each: (() => Promise<unknown>)[] = [
    () => append(book, 'a-1', 'key-1'),
    () => append(book, 'a-2'),
    () => book.append('a-1', [{ ...happened, id }]),
    () => book.append('a-1', [happened], { unless: { query, after: 0 } }),
    () => assert.rejects(book.append('a-1', [happened], { expectedVersion: 'none' })),
  ]
  for (const asked of each) {
    sent.length = 0
    await asked()
    assert.equal(sent.filter((kind) => kind === 'read head').length, 1, String(asked))
  }
})

it('rows that were sent ahead are not written without the lock', async () => {
  let isArmed = false
  await using book = await openWatched((text) => {
    if (!isArmed || !text.startsWith('BEGIN')) return text
    isArmed = false
    return 'SELECT 1'
  })
  for (let n = 0; n < 3; n++) await append(book)
  isArmed = true
  await append(book)
  assert.equal(isArmed, false, 'the lock was not left out')
  assert.deepEqual(await versionsIn(book), [1, 2, 3, 4])
})

it('a refusal that rests on what somebody else appended waits until that is durable', async () => {
  const sent: string[] = []
  const schema = `book_${++books}`
  await using book = await openWatched((text) => void sent.push(kindOf(text)), schema)
  await using other = await openWatched(() => undefined, schema)
  await append(other)
  sent.length = 0
  const late = book.append('a-1', [{ type: 'Happened', data: {} }], { expectedVersion: 'none' })
  await assert.rejects(late, { code: 'CONCURRENCY_CONFLICT' })
  assert.deepEqual(
    sent.filter((kind) => ['ROLLBACK', 'flush', 'COMMIT'].includes(kind)),
    ['ROLLBACK', 'flush'],
  )
})

for (const [moment, where] of [
  ['before the rows are sent', 'insert'],
  ['before the commit is sent', 'COMMIT'],
  ['between the commit and the flush', 'flush'],
] as const) {
  it(`a connection that breaks ${moment} leaves one effect and one answer`, async () => {
    let isArmed = false
    const schema = `book_${++books}`
    await using book = await openWatched((text, client) => {
      if (!isArmed || kindOf(text) !== where) return
      isArmed = false
      // What was sent before reaches the server; this statement and its answers do not.
      socketOf(client).destroySoon()
    }, schema)
    await using other = await openWatched(() => undefined, schema)
    await append(other, 'b-1')
    isArmed = true
    await append(book, 'a-1', 'key-1')
    assert.equal(isArmed, false, 'the connection was not broken')
    await append(book, 'a-1', 'key-1')
    await append(book, 'a-2')
    const streams: string[] = []
    for await (const event of book.readLog()) streams.push(event.stream)
    assert.deepEqual(streams, ['b-1', 'a-1', 'a-2'])
  })
}

function socketOf(client: object): { destroySoon(): void } {
  assert.ok('connection' in client && typeof client.connection === 'object' && client.connection !== null)
  const { connection } = client
  assert.ok('stream' in connection && typeof connection.stream === 'object' && connection.stream !== null)
  const { stream } = connection
  assert.ok('destroySoon' in stream && typeof stream.destroySoon === 'function')
  return { destroySoon: () => Reflect.apply(stream.destroySoon as () => void, stream, []) }
}

it('what is appended while the commit before it fails comes after it all the same', async () => {
  for (const isForeseen of [true, false]) {
    let second: Promise<unknown> | undefined
    let isArmed = false
    await using book = await openWatched((text, client) => {
      if (!isArmed || text !== 'COMMIT') return
      isArmed = false
      second = append(book, 'a-2', isForeseen ? undefined : 'key-2')
      socketOf(client).destroySoon()
    })
    for (const stream of ['a-2', 'a-1', 'a-1']) await append(book, stream)
    isArmed = true
    const answered: string[] = []
    await append(book, 'a-1').then(() => answered.push('a-1'))
    assert.ok(second, 'the connection was not broken')
    await second.then(() => answered.push('a-2'))
    const streams: string[] = []
    for await (const event of book.readLog()) streams.push(event.stream)
    assert.deepEqual(streams, ['a-2', 'a-1', 'a-1', 'a-1', 'a-2'])
    assert.deepEqual(answered, ['a-1', 'a-2'])
  }
})

it('what is not the event that was read is not durable', async () => {
  await using book = await openWatched(() => undefined)
  await append(book)
  const store = postgres(server.url(database), { schema: `book_${books}` })
  const opened = await store.open(nodeHost())
  const { rows } = await opened.log.readLog({ afterPosition: 0, toPosition: 1, items: undefined, limit: 1 })
  const { chainHash } = await opened.log.head()
  await assert.rejects(opened.log.whenDurable(1, '00000000-0000-7000-8000-000000000000'), {
    code: 'STORE_UNREACHABLE',
  })
  await assert.rejects(opened.log.whenDurable(1, new Uint8Array(32)), { code: 'STORE_UNREACHABLE' })
  await opened.log.whenDurable(1, chainHash)
  await opened.log.whenDurable(1, rows[0]?.id)
  await opened.close()
})

for (const mode of ['inline', 'live'] as const) {
  it(`a question to an ${mode} projection is answered when what it rests on is durable`, async () => {
    const counts = projection('counts', {
      from: defineEvents({ Happened: z.object({}) }),
      mode,
      key: ({ streamId }) => streamId,
      initial: { count: 0 },
      evolve: { Happened: ({ count }) => ({ count: count + 1 }) },
    })
    let flushes = 0
    const schema = `book_${++books}`
    const storeWatched = (watch: Watch): Store =>
      postgres(server.url(database), { schema, migrate: true, driver: watchedDriver(watch) })
    await using other = await openBook({ store: storeWatched(() => undefined), projections: [counts] })
    const count = (text: string): void => void (kindOf(text) === 'flush' && flushes++)
    await using book = await openBook({ store: storeWatched(count), projections: [counts] })
    await append(other)
    flushes = 0
    assert.deepEqual(await book.read(counts).get('1'), { count: 1 })
    assert.equal(flushes, 1)
    // What is known to be durable costs nothing more.
    assert.deepEqual(await book.read(counts).get('1'), { count: 1 })
    assert.equal(flushes, 1)
  })
}

it('the commit of a transaction that only read flushes what it read', async () => {
  const sent: string[] = []
  await using book = await openWatched(() => undefined)
  await append(book)
  const { Client: WatchedClient } = watchedDriver((text) => void sent.push(kindOf(text)))
  const transaction = new WatchedClient({ connectionString: server.url(database) })
  await transaction.connect()
  const run = (text: string): Promise<unknown> =>
    transaction.query({ text, rowMode: 'array', types: { getTypeParser: () => (cell: string) => cell } })
  await run('BEGIN')
  assert.equal((await book.readStream('a-1', { transaction }).toArray()).length, 1)
  assert.equal(sent.filter((kind) => kind === 'flush').length, 1)
  await run('COMMIT')
  await transaction.end()
})
