import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Row } from './connection.ts'
import { Notifier } from './notifying.ts'
import { logStatements } from './statements.ts'

test('while the server does not answer a notification, no other is sent; one follows that stands for all', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const answered = Promise.withResolvers<readonly Row[]>()
  let sent = 0
  const run = (): Promise<readonly Row[]> => {
    sent++
    return sent === 1 ? answered.promise : Promise.resolve([])
  }
  const notifier = new Notifier({
    sql: logStatements('daybook'),
    sender: { run },
    listener: undefined,
    readPosition: async () => 0,
  })
  for (let count = 0; count < 5; count++) {
    notifier.notify()
    t.mock.timers.tick(1_000)
  }
  assert.equal(sent, 1)
  answered.resolve([])
  await turn()
  assert.equal(sent, 2)
  notifier.close()
})
