/** Every command on a book in PostgreSQL, named by --store or by a configuration; and that no password is told. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { exampleFiles } from './init-files.ts'
import {
  daybook,
  exampleFolder,
  failureOf,
  jsonLines,
  type Ran,
  runDaybook,
  startDaybook,
} from './test-bed.ts'

const server = await testServer()
after(() => server.dispose())

const folder = exampleFolder()
const config = join(folder, 'daybook.config.ts')
let store = ''
beforeEach(async () => {
  store = `${server.url(await server.createDatabase())}?application_name=cli&schema=bank`
  const configured = exampleFiles['daybook.config.ts']
    ?.replace('daybook/sqlite', 'daybook/postgres')
    .replace(
      /sqlite\(.*?\)/,
      `postgres(${JSON.stringify(store.replace('&schema=bank', ''))}, { schema: 'bank' })`,
    )
    .replace('{ sqlite }', '{ postgres }')
  writeFileSync(config, configured ?? '')
  assert.equal((await daybook(['migrate', '--store', store])).code, 0)
})

/** Runs a command, by words without spaces, on the book. */
const on = (line: string, ...more: string[]): Promise<Ran> =>
  daybook([...line.split(' '), ...more, '--store', store])
const configured = (line: string, ...more: string[]): Promise<Ran> =>
  daybook([...line.split(' '), ...more, '--config', config])

describe('a book on PostgreSQL named by --store', () => {
  it('is appended to, read and counted', async () => {
    const appended = await on('append a-1 B {"n":1} --tag t --json')
    assert.equal(appended.code, 0, appended.stderr)
    const lines = Array.from({ length: 700 }, (_, n) =>
      JSON.stringify({ stream: `s-${n % 7}`, type: 'C', data: { n } }),
    )
    const file = await daybook(['append', '--file', '-', '--store', store], { input: lines.join('\n') })
    assert.equal(file.stdout, 'Appended 700 events. The log is at position 701.\n')
    assert.equal((await on('append a-1 B {} --expected-version none')).code, 4)
    assert.equal(jsonLines((await on('read --tag t --json')).stdout).length, 1)
    assert.equal(jsonLines((await on('read s-3 --json')).stdout).length, 100)
    const [stats] = jsonLines((await on('stats --json')).stdout)
    assert.deepEqual([stats?.events, stats?.streams], [701, 8])
    assert.ok(Number(stats?.bytes) > 701 * 100)
    assert.match((await on('stats')).stdout, /^size\t\d+$/m)
  })

  it('is followed', async () => {
    await on('append a-1 B {"n":1}')
    const child = startDaybook(folder, ['read', '--follow', '--json', '--store', store])
    await child.printed('"n":1')
    await on('append a-2 B {"late":true}')
    await child.printed('"late":true')
    child.kill('SIGINT')
    assert.equal((await child.ended).code, 0)
  })

  it('is another book than that of another schema', async () => {
    await on('append a-1 B {}')
    const other = store.replace('schema=bank', 'schema=other')
    const missing = await daybook(['read', '--store', other, '--json'])
    assert.deepEqual([missing.code, failureOf(missing).code], [5, 'STORE_NOT_MIGRATED'])
    assert.match(failureOf(missing).message, /there is no book in the schema "other"/)
    assert.match(failureOf(missing).hint, /daybook migrate/)
    await daybook(['migrate', '--store', other])
    assert.equal((await daybook(['read', '--store', other])).stdout, '')
  })

  it('is read with the rights of a reader', async () => {
    await on('append a-1 B {}')
    const name = `reader_${new URL(store).pathname.slice(1)}`
    const database = new URL(store).pathname.slice(1)
    await server.run(
      `CREATE ROLE ${name} LOGIN PASSWORD 'of reader'; GRANT USAGE ON SCHEMA bank TO ${name}; GRANT SELECT ON ALL TABLES IN SCHEMA bank TO ${name}`,
      database,
    )
    const address = new URL(store)
    address.username = name
    address.password = 'of reader'
    const read = await daybook(['read', '--store', address.href])
    assert.deepEqual([read.code, read.stderr, read.stdout.split('\t')[2]], [0, '', 'a-1'])
    const append = await daybook(['append', 'a-1', 'B', '--store', address.href, '--json'])
    assert.deepEqual([append.code, failureOf(append).code], [5, 'STORE_ACCESS_DENIED'])
  })
})

describe('a book on PostgreSQL named by a configuration', () => {
  it('does what every command says', async () => {
    assert.equal((await configured('run account 42 open {"owner":"Ada"}')).code, 0)
    const run = await configured('run account 42 deposit {"cents":500} --idempotency-key k --json')
    assert.deepEqual((jsonLines(run.stdout)[0] as { readonly state: unknown }).state, {
      isOpen: true,
      cents: 500,
    })
    assert.equal((await configured('run account 42 withdraw {"cents":501}')).code, 3)
    assert.match((await configured('state account 42 --at-version 1 --json')).stdout, /"cents":0/)
    assert.equal(jsonLines((await configured('history account-42 --json')).stdout).length, 2)
    assert.match((await configured('projections')).stdout, /^balances\t1\tasync\S*\tbehind\t/)
    assert.match((await configured('find balances 42 --json')).stdout, /"cents":500/)
    assert.match((await configured('projections')).stdout, /\tcurrent\t/)
    const undone = await configured('undo account 42 2 --actor a --reason r --json')
    assert.equal(undone.code, 3, undone.stderr)
    assert.match(undone.stdout, /NotCompensable/)
    const doctor = await configured('doctor')
    assert.equal(doctor.code, 0, doctor.stdout)
    assert.match(doctor.stdout, /^summary\t0\t2$/m)
  })

  it('is found in the folder by the real program', async () => {
    const opened = await runDaybook(folder, 'run', 'account', '7', 'open', '{"owner":"Bo"}')
    assert.equal(opened.code, 0, opened.stderr)
    assert.match((await runDaybook(folder, 'read', 'account-7')).stdout, /AccountOpened/)
  })
})

describe('a password', () => {
  let database = ''
  before(async () => {
    database = await server.createDatabase()
  })

  it('is told by no command, whatever goes wrong', async () => {
    const secret = 'hunter2-secret'
    const lines = [
      'read',
      'append a-1 B {}',
      'stats',
      'doctor',
      'migrate',
      'migrate --check',
      'migrate --print',
    ]
    for (const line of lines) {
      for (const form of [[], ['--json']]) {
        const address = new URL(server.url(database))
        address.password = secret
        const ran = await daybook([...line.split(' '), '--store', address.href, ...form])
        assert.notEqual(ran.code, 0, line)
        assert.match(`${ran.stdout}${ran.stderr}`, /STORE_ACCESS_DENIED/, line)
        assert.doesNotMatch(`${ran.stdout}${ran.stderr}`, /secret/, line)
      }
    }
  })

  it('may come from the environment', async () => {
    const address = new URL(server.url(database))
    const { password } = address
    address.password = ''
    const missing = await daybook(['read', '--store', address.href, '--json'])
    assert.equal(failureOf(missing).code, 'STORE_ACCESS_DENIED')
    assert.match(failureOf(missing).message, /asks for a password, and none was given/)
    const child = startDaybook(folder, ['migrate', '--store', address.href], { PGPASSWORD: password })
    assert.equal((await child.ended).code, 0)
  })
})
