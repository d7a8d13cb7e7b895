/** The connection that writes what can be thrown away also tells others of new events. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { watchedDriver } from '@daybook/postgres-server/watched'
import { Client } from 'pg'
import { nodeHost } from '../host/node-host.ts'
import type { PostgresDriver } from './driver.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

it('tells nobody in the midst of a transaction, whose commit would then not wait for the disk', async () => {
  const database = await server.createDatabase()
  const url = server.url(database)
  const sent: string[] = []
  const opened = await postgres(url, { migrate: true, driver: watched(sent) }).open(nodeHost())
  const other = new Client({ connectionString: url })
  await other.connect()
  // Keeps whoever makes a read model waiting in its transaction.
  await other.query("BEGIN; SELECT pg_advisory_xact_lock(1685676651, hashtext('daybook_read'))")
  const shape = { name: 'things', version: 1, columns: {} }
  const checkpoint = { position: 0, epoch: 1, fingerprint: '', updatedAtMs: 0 }
  const prepared = opened.readModels.prepare(shape, 'things@1', checkpoint)
  await until(other, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
  const event = {
    stream: 'thing-1',
    type: 'Happened',
    schemaVersion: 1,
    data: '{}',
    metadata: '{}',
    tags: [],
  }
  const id = '01a1fdd2-af35-71d6-953f-ff6d40944953'
  await opened.log.append([
    {
      events: [{ ...event, id, isIdGiven: false }],
      expectations: [],
      conditions: [],
      bytes: 4,
      key: undefined,
    },
  ])
  await other.query('ROLLBACK')
  await prepared
  await opened.close()
  await other.end()
  const told = sent.findIndex((text) => text.includes('pg_notify'))
  const begun = sent.findIndex((text) => text.startsWith('BEGIN'))
  const ended = sent.indexOf('COMMIT')
  assert.ok(told < begun || told > ended, sent.join('\n'))
})

/** Notes what is sent on the connection for read models. */
function watched(sent: string[]): PostgresDriver {
  return watchedDriver((text, _client, { fallback_application_name: purpose }) => {
    if (purpose === 'daybook read models') sent.push(text.trim())
  })
}

async function until(client: Client, text: string): Promise<void> {
  while (((await client.query(text)).rowCount ?? 0) === 0);
}
