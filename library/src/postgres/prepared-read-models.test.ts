import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import { defineEvents, openBook, projection, type Schema } from '../index.ts'
import { postgres } from './index.ts'

const amount: Schema<{ readonly cents: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ value: value as { readonly cents: number } }),
  },
}
const events = defineEvents({ Deposited: amount })
const totals = projection('totals', {
  from: events,
  key: () => 'all',
  initial: { cents: 0 },
  mode: 'inline',
  evolve: { Deposited: (total, { cents }) => ({ cents: total.cents + cents }) },
})

describe('a crash of the server does not take away what a process prepared', () => {
  let server: PostgresServer
  before(async () => {
    // Whatever does not wait for the disk stays in memory for long.
    server = await startServer({ settings: { wal_writer_delay: '10s', autovacuum: 'off' } })
  })
  after(async () => {
    await server.dispose()
  })

  async function crash(): Promise<void> {
    await server.stop('SIGKILL')
    await server.start()
  }

  it('an inline read model still takes part in the next append', async () => {
    await using book = await openBook({
      store: postgres(server.url(), { schema: 'prepared', migrate: true }),
      projections: [totals],
    })
    await crash()
    await book.append('account-1', { type: 'Deposited', data: { cents: 5 } })
    assert.deepEqual(await book.read(totals).get('all'), { cents: 5 })
  })
})
