/**
 * A process that runs a process manager is killed right after each of its appends, until everything is finished all the
 * same: each command once, each deadline once, whatever died in between. What follows other writes, moves of checkpoints
 * say, is in `process-managers.test.ts`.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { openBook } from 'daybook'
import type { Deadly } from './process-managers/dying-store.ts'
import {
  account,
  expectedHistory,
  historyOf,
  settlementWithin,
  withdrawal,
} from './process-managers/withdrawals.ts'
import { storeAt } from './processes/store-at.ts'

const worker = fileURLToPath(new URL('./process-managers/worker.ts', import.meta.url))

/** Requests two withdrawals, of which the second is more than there is. */
async function request(address: string): Promise<void> {
  await using book = await openBook({
    store: storeAt(address),
    deciders: [account, withdrawal],
    // Only so that it begins before the requests; this process does not run it.
    processes: [settlementWithin(400)],
    follow: false,
  })
  await book.execute(account.open('1', { cents: 500 }))
  await book.execute(withdrawal.request('a', { account: '1', cents: 300 }))
  await book.execute(withdrawal.request('b', { account: '1', cents: 600 }))
}

/** One life of the worker; true when it ended by itself, with everything finished. */
async function live(address: string, deadly: Deadly): Promise<boolean> {
  const child = fork(worker, [address, deadly])
  const messages: unknown[] = []
  child.on('message', (message) => messages.push(message))
  const [code, signal] = await once(child, 'exit')
  if (signal === 'SIGKILL') {
    assert.deepEqual(messages, [])
    return false
  }
  assert.deepEqual({ code, messages }, { code: 0, messages: [{ kind: 'finished', message: '' }] })
  return true
}

async function assertSurvives(address: string, deadly: Deadly, leastLives: number): Promise<number> {
  await request(address)
  let lives = 1
  while (!(await live(address, deadly))) lives++
  await using book = await openBook({ store: storeAt(address), follow: false })
  assert.deepEqual(await historyOf(book), expectedHistory)
  assert.ok(lives >= leastLives, `it died only ${lives - 1} times`)
  return lives
}

// Each of the 13 events that the process leads to may be followed by a death, if two are not in one transaction.
const kinds: readonly (readonly [Deadly, string, number])[] = [['append', 'each append of events', 9]]

describe('a process manager on SQLite, killed after', { timeout: 300_000 }, () => {
  for (const [deadly, title, leastLives] of kinds) {
    it(title, async (test) => {
      const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
      try {
        const lives = await assertSurvives(join(folder, 'book.db'), deadly, leastLives)
        test.diagnostic(`${lives} lives`)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }
})

describe('a process manager on PostgreSQL, killed after', { timeout: 300_000 }, () => {
  let server: TestServer
  before(async () => {
    server = await testServer()
  })
  after(() => server.dispose())

  for (const [deadly, title, leastLives] of kinds) {
    it(title, async (test) => {
      const lives = await assertSurvives(server.url(await server.createDatabase()), deadly, leastLives)
      test.diagnostic(`${lives} lives`)
    })
  }
})
