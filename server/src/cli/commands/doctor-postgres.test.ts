/** What doctor says of a book on PostgreSQL that is sound, unsound, or cannot be opened at all. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { startServer } from '@daybook/postgres-server'
import { startReplica } from '@daybook/postgres-server/replica'
import { Client } from 'pg'
import { daybook, exampleFolder, type Json, jsonLines, type Ran } from '../test-bed.ts'

const small = { settings: { shared_buffers: '16MB' } }
const server = await startServer(small)
after(() => server.dispose())

let database = ''
let databases = 0
async function newBook(): Promise<void> {
  database = `bank_${++databases}`
  await run(`CREATE DATABASE ${database}`, 'postgres')
  await daybook(['migrate', '--store', url()])
  await daybook(['append', 'a-1', 'B', '{"cents":500}', '--tag', 't', '--store', url()])
}

async function run(sql: string, where: string = database): Promise<void> {
  const client = new Client({ connectionString: server.url(where) })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function url(
  parts: { readonly user?: string; readonly password?: string; readonly name?: string } = {},
): string {
  const address = new URL(server.url(parts.name ?? database))
  address.username = parts.user ?? address.username
  address.password = parts.password ?? address.password
  return address.href
}

const doctor = (store: string, ...words: string[]): Promise<Ran> =>
  daybook(['doctor', '--store', store, ...words])

/** Every finding of a look, and what the first line tells of the store. */
async function findings(
  store: string,
): Promise<{ readonly facts: Json; readonly found: readonly Json[]; readonly code: number | null }> {
  const { stdout, code } = await doctor(store, '--json')
  const [facts = {}, ...rest] = jsonLines(stdout)
  return { facts, found: rest.filter(({ kind }) => kind === 'finding'), code }
}

/** The one problem that is found; doctor fails because of it. */
async function problem(store: string = url()): Promise<Json> {
  const { found, code } = await findings(store)
  const problems = found.filter(({ level }) => level === 'problem')
  assert.equal(problems.length, 1, JSON.stringify(found))
  assert.equal(code, 1)
  assert.ok(String(problems[0]?.hint).length > 20)
  assert.doesNotMatch(JSON.stringify(problems), /secret/)
  return problems[0] ?? {}
}

describe('doctor on a sound book', () => {
  beforeEach(newBook)

  it('tells its settings, and finds nothing but that the user may do anything', async () => {
    const { facts, found, code } = await findings(url())
    assert.equal(code, 0)
    assert.deepEqual([facts.events, facts.isDurable, facts.rights], [1, true, 'superuser'])
    assert.deepEqual(
      found.map(({ level, code: kind }) => [level, kind]),
      [['note', 'STORE_UNPROTECTED']],
    )
    const table = await daybook(['doctor', '--store', url()], { columns: 100, env: { NO_COLOR: '1' } })
    assert.match(table.stdout, /^synchronous commit +on$/m)
    assert.match(table.stdout, /No problems.*: 1 event verified/)
  })

  it('finds nothing at all where the user may append and no more', async () => {
    await daybook(['migrate', '--store', url(), '--roles'])
    await run(`CREATE ROLE teller_${database} LOGIN PASSWORD 'secret' IN ROLE daybook_writer`)
    const { found, facts, code } = await findings(url({ user: `teller_${database}`, password: 'secret' }))
    assert.deepEqual([found, facts.rights, code], [[], 'writer', 0])
  })

  it('notes that the user has the role of readers, to watch the book say', async () => {
    await daybook(['migrate', '--store', url(), '--roles'])
    await run(`CREATE ROLE watch_${database} LOGIN PASSWORD 'secret' IN ROLE daybook_reader`)
    const { found, facts, code } = await findings(url({ user: `watch_${database}`, password: 'secret' }))
    assert.deepEqual(
      found.map(({ level, code: kind }) => [level, kind]),
      [['note', 'STORE_ACCESS_DENIED']],
    )
    assert.deepEqual([facts.rights, code], ['reader', 0])
  })

  it('takes what a configuration says of it', async () => {
    const folder = exampleFolder()
    let configs = 0
    const on = (options: string, ...words: string[]): Promise<Ran> => {
      const config = join(folder, `${++configs}.config.ts`)
      writeFileSync(
        config,
        `import { defineBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { balances } from './account.ts'
const store = postgres(${JSON.stringify(url())}, { schema: 'configured', ${options} })
export default defineBook({ store, projections: [balances] })
`,
      )
      return daybook([...words, '--config', config])
    }
    await on('', 'migrate')
    await on('', 'append', 'a-1', 'B')
    assert.match((await on('', 'doctor')).stdout, /^summary\t0\t1$/m)
    await run(`ALTER DATABASE ${database} SET synchronous_commit = off`)
    assert.equal((await on('', 'doctor')).code, 1)
    const unsafe = await on('unsafeDurability: true', 'doctor')
    assert.deepEqual([unsafe.code, /^note\tSTORE_UNSAFE\t/m.test(unsafe.stdout)], [0, true])
    await run(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    assert.match((await on('unsafeDurability: true', 'doctor')).stdout, /^problem\tSTORE_READ_ONLY\t/m)
    assert.doesNotMatch((await on('readOnly: true', 'doctor')).stdout, /STORE_READ_ONLY/)
  })
})

describe('doctor on a book that can be read and not be appended to', () => {
  beforeEach(newBook)

  const cases: readonly (readonly [string, () => Promise<string>, string, RegExp])[] = [
    [
      'the server does not wait for the disk',
      async () => {
        await run(`ALTER DATABASE ${database} SET synchronous_commit = off`)
        return url()
      },
      'STORE_UNSAFE',
      /with synchronous_commit = off an acknowledged append can be lost/,
    ],
    [
      'the database is set to be read-only',
      async () => {
        await run(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
        return url()
      },
      'STORE_READ_ONLY',
      /default_transaction_read_only is on/,
    ],
    [
      'the user may only read',
      async () => {
        await run(`CREATE ROLE reader_${database} LOGIN PASSWORD 'secret';
          GRANT USAGE ON SCHEMA daybook TO reader_${database};
          GRANT SELECT ON ALL TABLES IN SCHEMA daybook TO reader_${database}`)
        return url({ user: `reader_${database}`, password: 'secret' })
      },
      'STORE_ACCESS_DENIED',
      /the user reader_bank_\d+ may not INSERT on event/,
    ],
  ]
  for (const [name, make, code, message] of cases) {
    it(`${name}: it verifies the log all the same`, async () => {
      const store = await make()
      const found = await problem(store)
      assert.equal(found.code, code)
      assert.match(String(found.message), message)
      assert.match((await doctor(store)).stdout, /^summary\t1\t1$/m)
    })
  }

  it('the server is a replica', async () => {
    await using replica = await startReplica(server, small)
    const found = await problem(replica.url(database))
    assert.equal(found.code, 'STORE_READ_ONLY')
    assert.match(String(found.message), /the server is a replica/)
    assert.match(String(found.hint), /connect to the primary/)
    assert.match((await doctor(replica.url(database))).stdout, /^replica\ttrue$/m)
  })
})

describe('doctor on a book that somebody changed by hand', () => {
  beforeEach(newBook)

  it('names the trigger that is disabled', async () => {
    await run('ALTER TABLE daybook.event DISABLE TRIGGER event_no_change')
    const found = await problem()
    assert.equal(found.code, 'STORE_ALTERED')
    assert.match(String(found.message), /trigger on event .* is missing or disabled/)
  })

  it('names the first event that is not as it was recorded', async () => {
    await run(`ALTER TABLE daybook.event DISABLE TRIGGER ALL;
      UPDATE daybook.event SET data = '{"cents":50000}'; ALTER TABLE daybook.event ENABLE TRIGGER ALL`)
    const found = await problem()
    assert.equal(found.code, 'STORE_CORRUPT')
    assert.match(String(found.message), /the event at position 1 is not as it was recorded/)
  })
})

describe('doctor on a book that cannot be opened', () => {
  before(newBook)

  const cases: readonly (readonly [string, () => Promise<string> | string, string, RegExp, RegExp])[] = [
    [
      'the password is wrong',
      () => url({ password: 'secret' }),
      'STORE_ACCESS_DENIED',
      /password is wrong/,
      /password/,
    ],
    [
      'no password is given',
      () => url({ password: '' }),
      'STORE_ACCESS_DENIED',
      /none was given/,
      /password/,
    ],
    [
      'there is no such database',
      () => url({ name: 'nowhere' }),
      'STORE_CANNOT_OPEN',
      /no such database/,
      /create it/,
    ],
    [
      'the user may not even read',
      async () => {
        await run(`CREATE ROLE nobody_${database} LOGIN PASSWORD 'secret'`)
        return url({ user: `nobody_${database}`, password: 'secret' })
      },
      'STORE_ACCESS_DENIED',
      /permission denied for schema daybook|may not/,
      /daybook_reader|<schema>_reader/,
    ],
    [
      'nothing was migrated',
      () => `${url()}?schema=other`,
      'STORE_NOT_MIGRATED',
      /no book in the schema/,
      /daybook migrate/,
    ],
    [
      'the schema holds tables of others',
      async () => {
        await run('CREATE SCHEMA other; CREATE TABLE other.person (name text)')
        return `${url()}?schema=other`
      },
      'STORE_FOREIGN',
      /1 tables? that/,
      /\?schema=/,
    ],
    [
      'it was written by a newer version',
      async () => {
        await daybook(['migrate', '--store', `${url()}?schema=newer`])
        await run(`INSERT INTO newer.migration VALUES (99, '099-other.breaking.sql', true, 0)`)
        return `${url()}?schema=newer`
      },
      'STORE_NEWER',
      /schema 99/,
      /Upgrade Daybook/,
    ],
    [
      'it is a copy of another',
      async () => {
        await run(`CREATE DATABASE copy_${database} TEMPLATE ${database}`, 'postgres')
        return url({ name: `copy_${database}` })
      },
      'STORE_RESTORED',
      /restored from a dump, or copied/,
      /--restored.*--moved/,
    ],
    [
      'the database cannot hold every text',
      async () => {
        await run(`CREATE DATABASE ascii_${database} ENCODING 'SQL_ASCII' TEMPLATE template0`, 'postgres')
        return url({ name: `ascii_${database}` })
      },
      'STORE_CANNOT_OPEN',
      /encoding SQL_ASCII, not UTF8/,
      /UTF8/,
    ],
    [
      'no host has that name',
      () => url().replace('127.0.0.1', 'nowhere.invalid'),
      'STORE_UNREACHABLE',
      /host/,
      /address/,
    ],
    [
      'nothing listens there',
      () => url().replace(`:${server.port}`, ':1'),
      'STORE_UNREACHABLE',
      /no server listens/,
      /address, network and server/,
    ],
  ]
  for (const [name, make, code, message, hint] of cases) {
    it(`says that ${name}`, async () => {
      const store = await make()
      const found = await problem(store)
      assert.equal(found.code, code)
      assert.match(String(found.message), message)
      assert.match(String(found.hint), hint)
      const table = await daybook(['doctor', '--store', store], { columns: 100 })
      assert.match(table.stdout, /1 problem.*: the store could not be opened\./)
      assert.doesNotMatch(table.stdout, /secret/)
    })
  }

  it('says that the server is down, and that it is up again', async () => {
    await server.stop()
    try {
      assert.equal((await problem()).code, 'STORE_UNREACHABLE')
    } finally {
      await server.start()
    }
    assert.equal((await findings(url())).code, 0)
  })
})
