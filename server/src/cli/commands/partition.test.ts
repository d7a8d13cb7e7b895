import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { daybook, daybookJson, failureOf } from '../test-bed.ts'

const server = await testServer()
after(() => server.dispose())

it('partition divides a log, and says what it has become', async () => {
  const store = server.url(await server.createDatabase())
  await daybookJson(['migrate', '--store', store])
  const [divided] = await daybookJson(['partition', '--store', store, '--events', '10000'])
  assert.equal(divided?.isNew, true)
  assert.deepEqual(divided?.partitions, [
    { table: 'event_1', firstPosition: 1, lastPosition: 10_000 },
    { table: 'event_10001', firstPosition: 10_001, lastPosition: 20_000 },
  ])
  assert.equal((await daybook(['append', 'a-1', 'B', '{}', '--store', store])).code, 0)
  const again = await daybook(['partition', '--store', store, '--events', '20000'])
  assert.match(
    again.stdout,
    /is divided; new partitions hold 20000 events.*\nevent_1\tpositions 1 to 10000\n/,
  )
})

it('partition refuses sizes that help nobody, and books that have no partitions', async () => {
  for (const words of [['--events', '10'], ['--events', 'many'], []]) {
    const ran = await daybook(['partition', '--store', 'memory:', ...words, '--json'])
    assert.equal(failureOf(ran).code, 'USAGE')
  }
  const other = await daybook(['partition', '--store', 'memory:', '--events', '10000', '--json'])
  assert.match(failureOf(other).message, /no partitions/)
})
