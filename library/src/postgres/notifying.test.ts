import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import type { OpenStore } from '../core/ports/store.ts'
import { nodeHost } from '../host/node-host.ts'
import type { Row } from './connection.ts'
import type { PostgresConnection, PostgresDriver, PostgresSettings } from './driver.ts'
import { type PostgresOptions, postgres } from './index.ts'
import { Notifier } from './notifying.ts'
import { logStatements } from './statements.ts'

const server = await testServer()
after(() => server.dispose())

/** A driver that answers no look at the head of the log from `hold` to `release`. */
class HeldLooks {
  readonly #released = Promise.withResolvers<void>()
  #isHolding = false

  readonly driver: PostgresDriver

  constructor() {
    const onConnection = (connection: PostgresConnection): void => this.#alter(connection)
    this.driver = {
      Client: class extends Client {
        constructor(settings: PostgresSettings) {
          super(settings)
          onConnection(this)
        }
      },
    }
  }

  hold(): void {
    this.#isHolding = true
  }

  release(): void {
    this.#released.resolve()
  }

  #alter(connection: PostgresConnection): void {
    const query = connection.query.bind(connection)
    connection.query = async (given) => {
      const isLook = given.text.startsWith('SELECT position, recorded_at_ms')
      if (this.#isHolding && isLook) await this.#released.promise
      return query(given)
    }
  }
}

async function openings(options: PostgresOptions): Promise<readonly [OpenStore, OpenStore]> {
  const url = server.url(await server.createDatabase())
  const other = await postgres(url, { migrate: true }).open(nodeHost())
  return [await postgres(url, options).open(nodeHost()), other]
}

async function append({ log }: OpenStore): Promise<void> {
  const plain = { schemaVersion: 1, isIdGiven: false, data: '{}', metadata: '{}', tags: [] }
  const event = { ...plain, stream: 'a-1', type: 'Happened', id: nodeHost().newId() }
  const expectations = [{ stream: 'a-1', expected: 'any' as const }]
  await log.append([{ events: [event], expectations, conditions: [], key: undefined, bytes: 0 }])
}

const everything = { afterPosition: 0, toPosition: Number.MAX_SAFE_INTEGER, items: undefined, limit: 10 }

describe('who listens', () => {
  for (const options of [{}, { listen: false }] as const) {
    it(`is told of what was appended after they read and before the first look ${JSON.stringify(options)}`, async () => {
      const looks = new HeldLooks()
      const [store, other] = await openings({ ...options, driver: looks.driver })
      looks.hold()
      const told = new Promise<void>((resolve) => store.log.onAppended(resolve))
      assert.deepEqual((await store.log.readLog(everything)).rows, [])
      await append(other)
      looks.release()
      await told
      await Promise.all([store.close(), other.close()])
    })

    it(`is told of what was appended while nobody listened ${JSON.stringify(options)}`, async () => {
      const [store, other] = await openings(options)
      const first = new Promise<void>((resolve) => {
        const stop = store.log.onAppended(() => {
          stop()
          resolve()
        })
      })
      await append(other)
      await first
      assert.equal((await store.log.readLog(everything)).rows.length, 1)
      const second = new Promise<void>((resolve) => store.log.onAppended(resolve))
      await append(other)
      await second
      await Promise.all([store.close(), other.close()])
    })
  }
})

it('sends no notification while the one before is not answered, and then one that stands for all', async (t) => {
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
    notifier.notify(0)
    t.mock.timers.tick(1_000)
  }
  assert.equal(sent, 1)
  answered.resolve([])
  await turn()
  assert.equal(sent, 2)
  notifier.close()
})

for (const [others, waitMs] of [
  [0, 5],
  [7, 40],
  [1_000, 50],
] as const) {
  it(`tells once in ${waitMs} ms where others append ${others} events for each of this process`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let sent = 0
    const run = async (): Promise<readonly Row[]> => {
      sent++
      return []
    }
    const parts = { sql: logStatements('daybook'), listener: undefined, readPosition: async () => 0 }
    const notifier = new Notifier({ ...parts, sender: { run } })
    notifier.notify(others)
    notifier.notify(others)
    t.mock.timers.tick(waitMs - 1)
    await turn()
    assert.equal(sent, 1)
    t.mock.timers.tick(1)
    await turn()
    assert.equal(sent, 2)
    notifier.close()
  })
}
