import assert from 'node:assert/strict'

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { daybook, daybookJson, failureOf, newFolder, type Ran } from '../test-bed.ts'

const server = await testServer()
after(() => server.dispose())

let database = ''
let store = ''
beforeEach(async () => {
  database = await server.createDatabase()
  store = server.url(database)
})

const migrate = (...words: string[]): Promise<Ran> => daybook(['migrate', '--store', store, ...words])
const append = (): Promise<Ran> => daybook(['append', 'a-1', 'B', '{}', '--store', store, '--json'])

describe('migrate', () => {
  it('makes a book, and finds nothing to do the second time', async () => {
    assert.equal((await append()).code, 5)
    const made = await migrate()
    assert.equal(made.code, 0, made.stderr)
    assert.match(
      made.stdout,
      /^Made a new book in postgres:127\.0\.0\.1:\d+\/test_\w+\/daybook, schema version \d+\.\n$/,
    )
    assert.match((await migrate()).stdout, /is up to date/)
    assert.equal((await append()).code, 0)
  })

  it('says as JSON what it did', async () => {
    const [made] = await daybookJson(['migrate', '--store', store])
    assert.deepEqual([made?.isNew, made?.roles], [true, []])
    assert.equal((made?.applied as readonly string[] | undefined)?.[0], '001-book.sql')
    const [again] = await daybookJson(['migrate', '--store', store])
    assert.deepEqual([again?.isNew, again?.applied], [false, []])
    assert.equal(again?.schemaVersion, made?.schemaVersion)
  })

  it('may be done by many at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => migrate('--json')))
    assert.deepEqual([...new Set(all.map(({ code }) => code))], [0])
    assert.equal(all.filter(({ stdout }) => stdout.includes('"isNew":true')).length, 1)
  })

  it('makes the roles of a schema', async () => {
    const schema = `${database}_book`
    const ran = await daybook(['migrate', '--store', `${store}?schema=${schema}`, '--roles', '--json'])
    assert.equal(ran.code, 0, ran.stderr)
    const { roles } = JSON.parse(ran.stdout) as { readonly roles: readonly string[] }
    assert.deepEqual(roles, [`${schema}_owner`, `${schema}_writer`, `${schema}_reader`])
    await server.run(`CREATE ROLE ${database}_login IN ROLE ${schema}_writer`)
  })

  it('--check exits with 1 as long as something is pending', async () => {
    const before = await migrate('--check')
    assert.deepEqual([before.code, before.stdout.split('\n')[0]], [1, 'pending\t001-book.sql'])
    assert.equal((await append()).code, 5)
    await migrate()
    const ran = await migrate('--check', '--json')
    assert.deepEqual([ran.code, (JSON.parse(ran.stdout) as { readonly pending: unknown }).pending], [0, []])
    await server.run('DELETE FROM daybook.migration WHERE number > 1', database)
    const [later] = await daybookJson(['migrate', '--check', '--store', store])
    assert.ok(Array.isArray(later?.pending) && !later.pending.includes('001-book.sql'))
  })

  it('--print prints what makes the book, and nothing more when it is there', async () => {
    const { stdout, code } = await migrate('--print')
    assert.equal(code, 0)
    assert.match(stdout, /^BEGIN;\n[\s\S]*CREATE TABLE event \([\s\S]*COMMIT;\n$/)
    assert.doesNotMatch(stdout, /CREATE ROLE/)
    await server.run(stdout, database)
    assert.equal((await append()).code, 0)
    assert.equal((await migrate('--print')).stdout, '-- Nothing is pending in the schema "daybook".\n')
    await assert.rejects(server.run(stdout, database), /already exists/)
    assert.equal((await daybook(['stats', '--store', store])).code, 0)
  })

  it('refuses a restored book until it is told what it is', async () => {
    await migrate()
    await append()
    await server.run("UPDATE daybook.book SET home = 'elsewhere'", database)
    for (const words of [[], ['--check'], ['--print']]) {
      const ran = await migrate(...words, '--json')
      assert.deepEqual([ran.code, failureOf(ran).code], [5, 'STORE_RESTORED'], words.join())
    }
    assert.equal((await append()).code, 5)
    assert.match((await migrate('--restored')).stdout, /A new epoch has begun/)
    assert.equal((await append()).code, 0)
    await server.run("UPDATE daybook.book SET home = 'elsewhere'", database)
    assert.match((await migrate('--moved')).stdout, /at home here now/)
    assert.equal((await append()).code, 0)
  })

  it('leaves a schema alone that holds other tables', async () => {
    await server.run('CREATE SCHEMA daybook; CREATE TABLE daybook.person (name text)', database)
    for (const words of [[], ['--check'], ['--print']]) {
      const ran = await migrate(...words, '--json')
      assert.deepEqual([ran.code, failureOf(ran).code], [5, 'STORE_FOREIGN'], words.join())
    }
    assert.equal((await daybook(['migrate', '--store', `${store}?schema=bank`])).code, 0)
  })

  it('takes the store of a configuration', async () => {
    const folder = newFolder()
    const config = join(folder, 'daybook.config.ts')
    writeFileSync(
      config,
      `import { defineBook } from 'daybook'
import { postgres } from 'daybook/postgres'
export default defineBook({ store: postgres(${JSON.stringify(store)}, { schema: 'of_config' }) })
`,
    )
    assert.equal((await daybook(['read', '--config', config, '--json'])).code, 5)
    assert.match((await daybook(['migrate', '--config', config])).stdout, /\/of_config, schema version/)
    assert.equal((await daybook(['read', '--config', config])).code, 0)
  })

  it('is told what contradicts itself', async () => {
    for (const words of ['--restored --moved', '--print --check', '--check --roles', '--check --moved'])
      assert.equal((await migrate(...words.split(' '))).code, 2, words)
  })
})

describe('migrate on a store that needs none', () => {
  it('says that opening does it', async () => {
    const file = `sqlite:${join(newFolder(), 'book.db')}`
    for (const words of [[], ['--check']]) {
      const ran = await daybook(['migrate', '--store', file, ...words])
      assert.equal(ran.code, 0)
      assert.match(ran.stdout, /opening it brings it up to date/)
    }
    assert.match((await daybook(['migrate', '--store', file, '--print'])).stdout, /^-- /)
    assert.equal((await daybook(['migrate', '--store', file, '--roles'])).code, 2)
    assert.equal(existsSync(file.slice('sqlite:'.length)), false)
  })
})
