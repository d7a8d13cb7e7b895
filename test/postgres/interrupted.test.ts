/** Statements cancelled, connections ended and servers restarted under load: each append has one effect and one answer. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import { isDaybookError } from '../../library/src/core/errors.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import type { Book } from '../../library/src/index.ts'
import { migratePostgres } from '../../library/src/postgres/index.ts'
import { account, balances, events, onClient, openBank, rowsOf, urlOf } from './bank.ts'

let server: PostgresServer
let book: Book
let schema: string
let schemas = 0
before(async () => {
  server = await startServer()
})
after(() => server?.dispose())
beforeEach(async () => {
  schema = `bank_${++schemas}`
  book = await openBank(server.url(), { schema, timeoutMs: 20_000 })
})
afterEach(() => book.close())

/** What became of each append, by its stream: the position, or the code of the error. */
type Answers = Map<string, number | string>

/** Appends from many callers, each with a key or with an id of its own, until it is told to stop. */
function load(
  other: Book = book,
  callers = 8,
): {
  readonly answers: Answers
  stop(): Promise<void>
  atLeast(count: number): Promise<void>
} {
  const answers: Answers = new Map()
  let isStopped = false
  let wake: () => void = () => undefined
  const host = nodeHost()
  const run = async (caller: number): Promise<void> => {
    for (let n = 0; !isStopped; n++) {
      const stream = `account-${caller}.${n}`
      const event = events.Deposited({ cents: 1 })
      const by = caller % 4 < 2 ? book : other
      const appending =
        caller % 2 === 0
          ? by.append(stream, event, { idempotencyKey: stream })
          : by.append(stream, { ...event, id: host.newId() })
      answers.set(
        stream,
        await appending.then(
          ({ position }) => position,
          (error: unknown) => (isDaybookError(error) ? error.code : String(error)),
        ),
      )
      wake()
    }
  }
  const running = Array.from({ length: callers }, (_, caller) => run(caller))
  return {
    answers,
    atLeast: async (count) => {
      while (answers.size < count) await new Promise<void>((resolve) => (wake = resolve))
    },
    stop: async () => {
      isStopped = true
      await Promise.all(running)
    },
  }
}

/** What was answered is in the log once, where the answer said; what was refused is not; and all of it is folded. */
async function settles(answers: Answers, allowed: readonly string[] = []): Promise<void> {
  const recorded = new Map<string, number[]>()
  for await (const { stream, position } of book.readLog()) {
    recorded.set(stream, [...(recorded.get(stream) ?? []), position])
  }
  for (const [stream, answer] of answers) {
    if (typeof answer === 'number') assert.deepEqual(recorded.get(stream), [answer], stream)
    else {
      assert.ok(allowed.includes(answer), `${stream}: ${answer}`)
      assert.equal(recorded.get(stream), undefined, `${stream} was refused with ${answer}, and is there`)
    }
    recorded.delete(stream)
  }
  assert.deepEqual([...recorded.keys()], [], 'events that nobody appended')
  const { events: count } = await book.verify()
  await book.read(balances).get('1', { notBefore: count, timeoutMs: 10_000 })
  assert.equal(await book.read(balances).count(), count)
}

/** Calls a function of the server on the connections of the book that have a purpose, or on all. */
function signal(name: 'pg_terminate_backend' | 'pg_cancel_backend', purpose = '%'): Promise<unknown> {
  const text = `SELECT ${name}(pid) FROM pg_stat_activity WHERE application_name LIKE 'daybook ${purpose}'`
  return rowsOf(server.url(), text)
}

describe('a book under load', () => {
  it('goes on when connections are ended, those of one purpose and all at once', async () => {
    // Two appenders, so that each lets go of the lock before its flush.
    await using other = await openBank(server.url(), { schema, timeoutMs: 10_000 }, { follow: false })
    const { answers, atLeast, stop } = load(other)
    const purposes = ['writer', 'flusher', 'reader', 'read models', 'listener', '%']
    for (const purpose of [...purposes, ...purposes]) {
      await atLeast(answers.size + 20)
      await signal('pg_terminate_backend', purpose)
    }
    await atLeast(answers.size + 20)
    await stop()
    await settles(answers)
  })

  it('goes on when statements are cancelled, wherever they are', async () => {
    const { answers, atLeast, stop } = load()
    for (let round = 1; round <= 10; round++) {
      await atLeast(round * 10)
      await signal('pg_cancel_backend')
    }
    await stop()
    await settles(answers, ['STORE_CANCELLED'])
  })

  it('goes on when the server is restarted, in an orderly way or not', async () => {
    await using other = await openBank(server.url(), { schema, timeoutMs: 20_000 }, { follow: false })
    const { answers, atLeast, stop } = load(other)
    for (const how of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      await atLeast(answers.size + 50)
      await server.stop(how)
      await server.start()
    }
    await atLeast(answers.size + 50)
    await stop()
    await settles(answers)
  })

  it('is told that a server stays away, and goes on when it is back', async () => {
    await book.execute(account.deposit('1', { cents: 1 }))
    await using hasty = await openBank(server.url(), { schema, timeoutMs: 1_000 })
    await server.stop('SIGQUIT')
    await assert.rejects(hasty.execute(account.deposit('1', { cents: 2 })), { code: 'STORE_UNREACHABLE' })
    await assert.rejects(hasty.append('account-1', events.Deposited({ cents: 2 })), {
      code: 'STORE_UNREACHABLE',
    })
    await assert.rejects(hasty.readLog().toArray(), { code: 'STORE_UNREACHABLE' })
    await server.start()
    const done = await hasty.execute(account.deposit('1', { cents: 4 }))
    assert.deepEqual([done.version, done.state], [2, { cents: 5 }])
    assert.deepEqual(await hasty.read(balances).get('1', { notBefore: 2 }), { cents: 5 })
  })
})

describe('limits that an operator sets', () => {
  /** The address of a login in the writing role, with settings of its own. */
  async function login(name: string, settings: string): Promise<string> {
    const own = `${schema}_${name}`
    await migratePostgres(server.url(), { schema, roles: true })
    await rowsOf(server.url(), `CREATE ROLE ${own} LOGIN PASSWORD 'secret' IN ROLE ${schema}_writer`)
    await rowsOf(server.url(), `ALTER ROLE ${own} ${settings}`)
    return urlOf(server.url(), { user: own, password: 'secret' })
  }

  it('statement_timeout cancels an append that waits for the lock, and nothing is written', async () => {
    const address = await login('hurried', "SET statement_timeout = '150ms'")
    await using hurried = await openBank(address, { schema, migrate: false, timeoutMs: 10_000 })
    await onClient(server.url(), async (transaction) => {
      await transaction.query('BEGIN')
      await book.execute(account.deposit('1', { cents: 1 }), { transaction })
      await assert.rejects(hurried.execute(account.deposit('2', { cents: 1 })), {
        code: 'STORE_CANCELLED',
        hint: /statement_timeout/,
      })
      await transaction.query('COMMIT')
    })
    const done = await hurried.execute(account.deposit('2', { cents: 1 }))
    assert.deepEqual([done.position, await book.head()], [2, 2])
  })

  it('a server without connections left is busy, and is asked again later', async () => {
    const address = await login('single', 'CONNECTION LIMIT 20')
    const limit = (most: number) =>
      rowsOf(server.url(), `ALTER ROLE ${schema}_single CONNECTION LIMIT ${most}`)
    const timeouts = { schema, migrate: false }
    await using single = await openBank(address, timeouts, { follow: false })
    await single.execute(account.deposit('1', { cents: 1 }))
    await limit(0)
    await rowsOf(
      server.url(),
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '${schema}_single'`,
    )
    await assert.rejects(single.execute(account.deposit('1', { cents: 2 })), {
      code: 'STORE_BUSY',
      message: /no connection left/,
    })
    await assert.rejects(openBank(address, timeouts), { code: 'STORE_BUSY' })
    await limit(-1)
    const done = await single.execute(account.deposit('1', { cents: 4 }))
    assert.deepEqual([done.version, done.state], [2, { cents: 5 }])
  })

  for (const setting of ['synchronous_commit', 'fsync', 'full_page_writes']) {
    it(`${setting} = off is refused for the whole server, unless that is asked for by name`, async () => {
      await configure(`ALTER SYSTEM SET ${setting} = off`)
      await assert.rejects(openBank(server.url(), { schema }), {
        code: 'STORE_UNSAFE',
        message: new RegExp(`with ${setting} = off an acknowledged append can be lost`),
      })
      await using unsafe = await openBank(server.url(), { schema, unsafeDurability: true })
      assert.equal((await unsafe.execute(account.deposit('1', { cents: 1 }))).position, 1)
      await configure(`ALTER SYSTEM RESET ${setting}`)
    })
  }

  it('a user without an entry in pg_hba.conf is not let in, and told so', async () => {
    const path = join(server.dataFolder, 'pg_hba.conf')
    const entries = readFileSync(path, 'utf8')
    const address = await login('unlisted', 'RESET ALL')
    writeFileSync(path, `host all ${schema}_unlisted all reject\n${entries}`)
    await configure('SELECT 1')
    const refused = { code: 'STORE_ACCESS_DENIED', message: /the server does not accept the user/ }
    await assert.rejects(openBank(address, { schema, migrate: false }), refused)
    writeFileSync(path, entries)
    await configure('SELECT 1')
    await (await openBank(address, { schema, migrate: false })).close()
  })
})

/** Runs a statement that changes the configuration, and resolves when the server goes by it. */
async function configure(text: string): Promise<void> {
  await rowsOf(server.url(), text)
  const loaded = 'SELECT pg_conf_load_time()::text'
  const [before] = await rowsOf(server.url(), loaded)
  await rowsOf(server.url(), 'SELECT pg_reload_conf()')
  while (String((await rowsOf(server.url(), loaded))[0]) === String(before)) {
    // Each look is a connection of its own, made by the server as it is configured then.
  }
}
