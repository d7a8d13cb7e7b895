/** A log that somebody changed who may: its tables' owner, or a superuser, past the triggers. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { openBook, type Verification } from '../index.ts'
import { postgres } from './index.ts'

let server: TestServer
let template: string

before(async () => {
  server = await testServer()
  template = await server.createDatabase()
  const store = postgres(server.url(template), { migrate: true })
  await using book = await openBook({ store, follow: false })
  for (let batch = 0; batch < 4; batch++) {
    for (const stream of ['a-1', 'b-2', 'c-3']) {
      const events = Array.from({ length: 100 }, (_, index) => ({ type: 'Counted', data: { index } }))
      await book.append(stream, events)
    }
  }
})
after(() => server.dispose())

/** A book of 1,200 events on three streams, changed behind its back, verified. */
async function verifiedAfter(tampering: string): Promise<Verification> {
  const database = await server.createDatabase(template)
  // No trigger and no constraint that is one holds in this role. A copy of a database is another place than that of
  // the book, which would be asked about first.
  await server.run(
    `SET session_replication_role = replica; SET search_path = daybook; ALTER TABLE event DROP CONSTRAINT IF EXISTS event_position_check; ${tampering}; ${settled}`,
    database,
  )
  await using book = await openBook({
    store: postgres(server.url(database), { readOnly: true }),
    follow: false,
  })
  return await book.verify()
}

const settled = `UPDATE daybook.book SET home = concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
  (SELECT oid FROM pg_database WHERE datname = current_database()), 'daybook'::regnamespace::oid)`

const zeros = "decode(repeat('00', 32), 'hex')"
const narrow = 'DELETE FROM event_index WHERE position'

const tamperings: readonly (readonly [string, string, number, RegExp])[] = [
  ['data', `UPDATE event SET data = '{"index":-1}' WHERE position = 777`, 777, /leaf hash/],
  ['a space in data', `UPDATE event SET data = '{"index": 0}' WHERE position = 101`, 101, /leaf hash/],
  ['actor', `UPDATE event SET metadata = '{}' WHERE position = 1`, 1, /leaf hash/],
  ['tags', `UPDATE event SET tags = '["vip"]' WHERE position = 9`, 9, /leaf hash/],
  ['type', `UPDATE event SET type = 'Discounted' WHERE position = 10`, 10, /leaf hash/],
  ['id', 'UPDATE event SET id = gen_random_uuid() WHERE position = 11', 11, /leaf hash/],
  ['leaf hash', `UPDATE event SET leaf_hash = ${zeros} WHERE position = 500`, 500, /leaf hash/],
  ['chain hash', `UPDATE event SET chain_hash = ${zeros} WHERE position = 501`, 501, /chain hash/],
  [
    'deleted',
    `DELETE FROM event WHERE position = 640; ${narrow} = 640`,
    640,
    /missing: position 641 follows/,
  ],
  ['beginning', `DELETE FROM event WHERE position = 1; ${narrow} = 1`, 1, /missing: position 2 follows/],
  [
    'two swapped',
    `UPDATE event SET position = CASE position WHEN 7 THEN -8 ELSE -7 END WHERE position IN (7, 8);
      UPDATE event SET position = -position WHERE position < 0`,
    7,
    /version|leaf hash|chain hash/,
  ],
  [
    'versions',
    'UPDATE event SET version = version + 1000 WHERE position = 1200',
    1200,
    /has version 1400 here/,
  ],
  ['time', 'UPDATE event SET recorded_at_ms = 0 WHERE position = 1000', 1000, /recorded time lies before/],
]

describe('verifying a log on PostgreSQL', () => {
  it('finds every event of an untouched log, page by page', async () => {
    assert.deepEqual(await verifiedAfter('SELECT 1'), { events: 1_200 })
  })

  for (const [name, tampering, position, problem] of tamperings) {
    it(`names the first bad position: ${name}`, async () => {
      const { events, firstBad } = await verifiedAfter(tampering)
      assert.equal(firstBad?.position, position)
      assert.equal(events, position - 1)
      assert.match(firstBad.problem, problem)
    })
  }
})
