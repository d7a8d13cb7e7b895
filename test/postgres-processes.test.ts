/**
 * Several processes use one book on a real PostgreSQL at the same time. `DAYBOOK_RUNS=20` runs the mixture twenty
 * times; `DAYBOOK_SEED` repeats the choices of a run, though not what the operating system makes of them.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { debianBinaries, type ServerOptions } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { openBook } from 'daybook'
import { Client } from 'pg'
import { migratePostgres, postgres } from '../library/src/postgres/index.ts'
import { appendTogether, letGo, messageOf, names } from './processes/together.ts'
import { assertReported } from './processes/verdict.ts'

const contender = fileURLToPath(new URL('./processes/contender.ts', import.meta.url))
const listener = fileURLToPath(new URL('./processes/listener.ts', import.meta.url))
const runs = Number(process.env.DAYBOOK_RUNS ?? 1)
const firstSeed = Number(process.env.DAYBOOK_SEED ?? Date.now() % 1_000_000)

const debian = debianBinaries(15)
const servers: readonly (readonly [string, ServerOptions | undefined, string | false])[] = [
  ['PostgreSQL 18', undefined, false],
  [
    'PostgreSQL 15',
    debian === undefined ? undefined : { binaries: debian },
    debian === undefined ? 'Debian’s postgresql-15 is not installed' : false,
  ],
]

for (const [serverName, options, skip] of servers) {
  describe(`processes on ${serverName}`, { skip, timeout: 90_000 + runs * 20_000 }, () => {
    let server: TestServer
    before(async () => {
      server = await testServer(options)
    })
    after(() => server.dispose())

    const emptyDatabase = async (): Promise<string> => server.url(await server.createDatabase())

    it(`${names.length} processes append to one book, ${runs} times`, async (test) => {
      for (let run = 0; run < runs; run++) {
        const address = await emptyDatabase()
        const reports = await appendTogether(address, firstSeed + run)
        const summary = await assertReported(address, reports)
        test.diagnostic(`run ${run + 1} of ${runs}, seed ${firstSeed + run}: ${summary}`)
      }
    })

    it('every version of a stream that four processes want is written by exactly one of them', async () => {
      const won = (await contend('versions', await emptyDatabase(), names)) as number[][]
      assert.deepEqual(
        won.flat().sort((one, other) => one - other),
        Array.from({ length: 40 }, (_, version) => version),
      )
    })

    it('every key that four processes use at once has one effect and one answer', async () => {
      const answers = (await contend('keys', await emptyDatabase(), names)) as [string, number, boolean][][]
      const byKey = Map.groupBy(answers.flat(), ([key]) => key)
      assert.equal(byKey.size, 25)
      for (const [key, uses] of byKey) {
        assert.equal(uses.length, 8 * names.length)
        assert.equal(uses.filter(([, , isRepeat]) => !isRepeat).length, 1, `${key} had several effects`)
        assert.equal(new Set(uses.map(([, position]) => position)).size, 1, `${key} had several answers`)
      }
      assert.equal(new Set(answers.flat().map(([, position]) => position)).size, 25)
    })

    it('twenty processes make one book of an empty database', { timeout: 120_000 }, async () => {
      const address = await emptyDatabase()
      const twenty = Array.from({ length: 20 }, (_, n) => String(n))
      const bookIds = await contend('migrate', address, twenty)
      assert.equal(new Set(bookIds).size, 1)
      const books = await rowsOf(address, 'SELECT book_id FROM daybook.book')
      assert.deepEqual(books, [{ book_id: bookIds[0] }])
      assert.deepEqual((await migratePostgres(address)).applied, [])
    })

    it('a read model that four processes prepare at once is made once', async () => {
      const address = await emptyDatabase()
      const made = await contend('prepare', address, names)
      assert.equal(made.filter((isMade) => isMade === true).length, 1)
    })

    it('an inline read model counts every command of two processes, once', async () => {
      const address = await emptyDatabase()
      const versions = (await contend('inline', address, names.slice(0, 2))) as number[][]
      assert.deepEqual(
        versions.flat().sort((one, other) => one - other),
        Array.from({ length: 60 }, (_, index) => index + 1),
      )
      const [document] = await rowsOf(address, 'SELECT document, count FROM daybook_read.counts_v1')
      assert.deepEqual(document, { document: { count: 60 }, count: '60' })
    })

    it('a process hears of appends of another long before it would look itself', async () => {
      const passedMs = await hearing(await emptyDatabase(), true)
      // Whoever only looks does so once a second.
      assert.ok(passedMs < 2_500, `six wake-ups took ${Math.round(passedMs)} ms`)
    })

    it('a process that cannot LISTEN hears of them by looking', async () => {
      assert.ok((await hearing(await emptyDatabase(), false)) > 0)
    })
  })
}

describe('processes on PostgreSQL that check nothing', { timeout: 60_000 }, () => {
  it('are found out', async () => {
    const server = await testServer()
    try {
      const address = server.url(await server.createDatabase())
      const reports = await appendTogether(address, firstSeed, 'careless')
      await assert.rejects(assertReported(address, reports), assert.AssertionError)
    } finally {
      await server.dispose()
    }
  })
})

/** Lets processes do the same at once; returns what each was told. */
function contend(task: string, address: string, contenders: readonly string[]): Promise<readonly unknown[]> {
  return letGo(contenders.map((name) => fork(contender, [task, address, name])))
}

async function rowsOf(address: string, text: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: address })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** How long it takes until another process has heard of six appends, each after the one before was heard of, in ms. */
async function hearing(address: string, mayListen: boolean): Promise<number> {
  await migratePostgres(address)
  await using book = await openBook({ store: postgres(address) })
  const child = fork(listener, [address, String(mayListen)])
  try {
    await messageOf(child)
    const startMs = performance.now()
    for (let position = 1; position <= 6; position++) {
      const heard = messageOf(child, (head) => head === position)
      await book.append('a-1', { type: 'Happened', data: {} })
      await heard
    }
    return performance.now() - startMs
  } finally {
    child.kill('SIGKILL')
  }
}
