/** Processes that share a log remember the versions of the streams they write to, and must not be misled by them. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { watchedDriver } from '@daybook/postgres-server/watched'
import { Client } from 'pg'
import { type Book, ConcurrencyError, openBook } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
const database = await server.createDatabase()
after(() => server.dispose())

let schemas = 0

/** What a book sends to append: how often it looked up versions, and how often it inserted. */
interface Sent {
  lookups: number
  inserts: number
}

/** Two openings of one book, as two processes have. */
async function two(): Promise<{ here: Book; there: Book; sent: Sent; schema: string }> {
  const schema = `shared_${++schemas}`
  const sent = { lookups: 0, inserts: 0 }
  const driver = watchedDriver((text) => {
    if (text.includes('AS s (stream, least)')) sent.lookups++
    if (text.trim().startsWith('INSERT INTO') && text.includes('leaf_hash')) sent.inserts++
  })
  const url = server.url(database)
  const here = await openBook({ store: postgres(url, { schema, migrate: true, driver }) })
  return { here, there: await openBook({ store: postgres(url, { schema }) }), sent, schema }
}

const event = { type: 'Happened', data: {} }

async function versionsOf(book: Book, stream: string): Promise<readonly number[]> {
  const versions: number[] = []
  for await (const { version } of book.readStream(stream)) versions.push(version)
  return versions
}

it('does not look up what it remembers, although others append in between', async () => {
  const { here, there, sent } = await two()
  for (let nth = 1; nth <= 5; nth++) {
    await there.append('theirs-1', event)
    await here.append('ours-1', event, { expectedVersion: nth - 1 })
  }
  assert.deepEqual(sent, { lookups: 1, inserts: 5 })
  await there.append('theirs-1', event)
  // One that was not met yet is looked up.
  await here.append('new-1', event, { expectedVersion: 'none' })
  assert.deepEqual(sent, { lookups: 2, inserts: 6 })
  assert.deepEqual(await versionsOf(here, 'ours-1'), [1, 2, 3, 4, 5])
  await Promise.all([here.close(), there.close()])
})

it('finds out that somebody else wrote to its stream, and is careful from then on', async () => {
  const { here, there, sent } = await two()
  await here.append('both-1', event)
  await there.append('both-1', event)
  await here.append('both-1', event)
  // Tried with version 2, which was taken; then looked up.
  assert.deepEqual(sent, { lookups: 2, inserts: 3 })
  await there.append('both-1', event)
  await here.append('both-1', event)
  assert.deepEqual(sent, { lookups: 3, inserts: 4 })
  assert.deepEqual(await versionsOf(there, 'both-1'), [1, 2, 3, 4, 5])
  const verified = await there.verify()
  assert.deepEqual([verified.events, verified.firstBad], [5, undefined])
  await Promise.all([here.close(), there.close()])
})

it('accepts and refuses by what is there, not by what it remembers', async () => {
  const { here, there } = await two()
  await here.append('a-1', event)
  await there.append('a-1', event)
  await here.append('a-1', event, { expectedVersion: 2 })
  await there.append('a-1', event)
  const stale = here.append('a-1', event, { expectedVersion: 3 })
  await assert.rejects(stale, (error) => error instanceof ConcurrencyError && error.actual === 4)
  await Promise.all([here.close(), there.close()])
})

it('refuses nothing for a version that it only remembers', async () => {
  const { here, there } = await two()
  await here.append('a-1', event)
  await there.append('a-1', [event, event])
  // Remembered is 1; both are decided in one batch, with one that is accepted.
  const [bold, late] = await Promise.allSettled([
    here.append('a-1', event, { expectedVersion: 3 }),
    here.append('a-1', event, { expectedVersion: 1 }),
    here.append('b-1', event),
  ])
  assert.equal(bold.status, 'fulfilled')
  assert.ok(late.status === 'rejected' && late.reason instanceof ConcurrencyError)
  assert.deepEqual([late.reason.expected, late.reason.actual], [1, 4])
  await Promise.all([here.close(), there.close()])
})

it('proves no version by what is not written', async () => {
  const { here, there } = await two()
  const keyed = { idempotencyKey: 'once' }
  await here.append('a-1', event, keyed)
  await there.append('a-1', event)
  // Both in one batch: the first one only repeats, so that nothing is written to the stream that the second one names.
  const [repeated, refused] = await Promise.allSettled([
    here.append('a-1', event, keyed),
    here.append([
      { stream: 'a-1', events: [], expectedVersion: 1 },
      { stream: 'b-1', events: [event] },
    ]),
  ])
  assert.equal(repeated.status, 'fulfilled')
  assert.ok(refused.status === 'rejected' && refused.reason instanceof ConcurrencyError)
  assert.equal(refused.reason.actual, 2)
  assert.deepEqual(await versionsOf(there, 'b-1'), [])
  await Promise.all([here.close(), there.close()])
})

it('foresees only what it has seen since others appended', async () => {
  const { here, there } = await two()
  await here.append('a-1', event)
  await there.append('a-1', event)
  // The second of them finds the log as the first left it, so that the next batch is sent ahead of the lock.
  for (let nth = 1; nth <= 2; nth++) await here.append('b-1', event)
  const [right] = await Promise.all([
    here.append('a-1', event, { expectedVersion: 2 }),
    here.append('b-1', event),
  ])
  assert.deepEqual(
    right.events.map(({ version }) => version),
    [3],
  )
  await Promise.all([here.close(), there.close()])
})

it('remembers nothing of events that are gone', async () => {
  const { here, there, schema } = await two()
  await here.append('a-1', [event, event])
  await there.append('b-1', event)
  await here.append('a-1', event)
  await using administrator = new Closing({ connectionString: server.url(database) })
  await administrator.connect()
  // As after a crash of a server that had not flushed, or a restored backup.
  await administrator.query(`
    SET session_replication_role = replica; SET search_path = "${schema}";
    DELETE FROM event WHERE position > 2; DELETE FROM event_index WHERE position > 2`)
  await there.append('b-1', event)
  await here.append('c-1', event)
  const [appended] = (await here.append('a-1', event)).events
  assert.deepEqual([appended?.position, appended?.version], [5, 3])
  assert.deepEqual(await versionsOf(there, 'a-1'), [1, 2, 3])
  assert.equal((await there.verify()).firstBad, undefined)
  await Promise.all([here.close(), there.close()])
})

class Closing extends Client implements AsyncDisposable {
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}
