import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testServer } from '@daybook/postgres-server/testing'
import { type AnyProjection, type ColumnType, openBook, type Projection, type Store } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'
import { bank } from './bank.ts'
import { checkReadModels } from './check-read-models.ts'
import { readPkddHistory } from './pkdd/read-history.ts'
import { balances } from './projections.ts'
import { storeAt } from './store-address.ts'

const program = resolve(import.meta.dirname, 'import.ts')
const folder = await mkdtemp(join(tmpdir(), 'daybook-bank-'))
after(() => rm(folder, { recursive: true, force: true }))

/** How often an import is killed: on invented data, and on the real data, which takes longer. */
const kills = Number(process.env.DAYBOOK_KILLS ?? 5)
const realKills = Number(process.env.DAYBOOK_KILLS ?? 1)
const invented = ['--seed', '3', '--accounts', '40', '--months', '18']

/** Starts an import of its own process; `interrupt` sends it a signal so long after it began to append. */
async function runImport(args: readonly string[], interrupt?: { signal: NodeJS.Signals; afterMs: number }) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  let stdout = ''
  let stderr = ''
  let isSent = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    if (interrupt === undefined || isSent || !stderr.includes('importing')) return
    isSent = true
    void sleep(interrupt.afterMs).then(() => child.kill(interrupt.signal))
  })
  await closed
  return { stdout, stderr, status: child.exitCode, signal: child.signalCode }
}

type Columns = { readonly [column: string]: ColumnType }

/** Everything an import decides: all of each event but its id, position and time of recording. */
async function contentOf(store: Store) {
  await using book = await openBook({ store, ...bank })
  const streams = new Map<string, unknown[]>()
  for await (const { stream, version, type, data, metadata } of book.readLog()) {
    const { actor, reason, occurredAt } = metadata
    const events = streams.get(stream) ?? []
    streams.set(stream, events)
    events.push({ version, type, data, actor, reason, occurredAt })
  }
  const rows = new Map<string, unknown>()
  const notBefore = await book.head()
  const projections: readonly AnyProjection[] = bank.projections
  for (const projection of projections as readonly Projection<unknown, Columns>[]) {
    for await (const { key, document } of book.read(projection).all({ notBefore }))
      rows.set(`${projection.definition.subscription} ${key}`, document)
  }
  return { streams, rows }
}

test(`an import that is killed ${kills} times comes out as one that is not`, {
  timeout: 600_000,
}, async (t) => {
  const whole = join(folder, 'whole.db')
  const uninterrupted = await runImport([...invented, '--store', `sqlite:${whole}`, '--json'])
  assert.equal(uninterrupted.status, 0, uninterrupted.stderr)

  const broken = join(folder, 'broken.db')
  const args = [...invented, '--store', `sqlite:${broken}`, '--json']
  let amid = 0
  for (let kill = 0; kill < kills; kill++) {
    const afterMs = Math.random() * 120
    const { signal, stdout } = await runImport(args, { signal: 'SIGKILL', afterMs })
    if (signal === 'SIGKILL' && stdout === '') amid++
  }
  t.diagnostic(`${amid} of ${kills} kills came before the end`)
  assert.ok(amid > 0)
  const finished = await runImport(args)
  assert.equal(finished.status, 0, finished.stderr)
  assert.equal(finished.stdout, uninterrupted.stdout)
  assert.deepEqual(await contentOf(sqlite(broken)), await contentOf(sqlite(whole)))
  const { exact, rounding, other, transactions } = JSON.parse(finished.stdout)
  assert.equal(exact + rounding + other, transactions)
  assert.ok(rounding > 0)
})

test('Ctrl-C stops after what is under way and says how to go on; the next run does', async () => {
  const file = join(folder, 'interrupted.db')
  const args = [...invented, '--store', `sqlite:${file}`]
  const stopped = await runImport(args, { signal: 'SIGINT', afterMs: 60 })
  assert.equal(stopped.status, 130)
  assert.match(
    stopped.stderr,
    /INTERRUPTED: stopped after \d+ of \d+ transactions\nRun the same command again/,
  )
  assert.equal(stopped.stdout, '')
  const finished = await runImport(args)
  assert.equal(finished.status, 0)
  assert.match(finished.stdout, /transactions of 40 accounts are in .*interrupted\.db/)
  assert.match(finished.stdout, /exact .* %/)
})

test('a book that holds another history is refused', async () => {
  const file = join(folder, 'other.db')
  const store = ['--store', `sqlite:${file}`, '--accounts', '3', '--months', '3']
  assert.equal((await runImport([...store, '--seed', '1'])).status, 0)
  const refused = await runImport([...store, '--seed', '2', '--json'])
  assert.equal(refused.status, 1)
  assert.equal(refused.stdout, '')
  assert.match(refused.stderr, /BOOK_DIFFERS: account \d+ of the book holds \d+ movements/)
})

test('what is asked wrongly is said plainly, with status 2', async () => {
  const cases: [readonly string[], RegExp][] = [
    [[], /ARGUMENT_INVALID: --store is missing; for example --store sqlite:bank\.db\nUsage:/],
    [['--store', 'bank.db'], /ARGUMENT_INVALID: --store is neither sqlite:FILE nor postgres:/],
    [['--store', 'sqlite:a.db', '--fast'], /ARGUMENT_INVALID: Unknown option '--fast'/],
    [['--store', 'sqlite:a.db', '--seed', '-1'], /ARGUMENT_INVALID: /],
    [['--store', 'sqlite:a.db', '--from', 'x', '--seed', '1'], /do not go with --from/],
    [
      ['--store', 'sqlite:a.db', '--from', join(folder, 'nowhere')],
      /DirectoryMissing: .*There is no such directory\. Fetch the PKDD'99/,
    ],
  ]
  const results = await Promise.all(cases.map(([args]) => runImport(args)))
  for (const [index, { status, stderr, stdout }] of results.entries()) {
    assert.match(stderr, cases[index]?.[1] ?? /never/)
    assert.deepEqual([status, stdout], [2, ''])
  }
  const help = await runImport(['--help'])
  assert.equal(help.status, 0)
  assert.match(help.stdout, /^Usage: /)
})

const { DAYBOOK_PKDD99: named } = process.env
const directory = named ?? resolve(import.meta.dirname, '../../../shared/data/pkdd99')
// A directory that is named must be there; only the usual place may be missing.
const skip =
  named === undefined && !existsSync(directory)
    ? "the PKDD'99 data is not here; set DAYBOOK_PKDD99 to the directory that holds trans.asc.gz and the others"
    : false

test('the real data: every transaction, each balance and read model to the cent', {
  skip,
  timeout: 600_000,
}, async (t) => {
  const file = join(folder, 'real.db')
  const args = ['--from', directory, '--store', `sqlite:${file}`, '--json']
  let amid = 0
  for (let kill = 0; kill < realKills; kill++) {
    // Spread over the import, which takes some seconds; each run begins by reading what the earlier ones left.
    const afterMs = Math.random() * Math.min(1_500, 16_000 / realKills)
    const { signal } = await runImport(args, { signal: 'SIGKILL', afterMs })
    if (signal === 'SIGKILL') amid++
  }
  t.diagnostic(`${amid} of ${realKills} kills came before the end`)
  const { status, stdout, stderr } = await runImport(args)
  assert.equal(status, 0, stderr)
  const { events, ...counts } = JSON.parse(stdout)
  assert.deepEqual(counts, { accounts: 989, transactions: 39_333, exact: 37_469, rounding: 1_844, other: 20 })
  assert.ok(events >= 39_333 + 989)
  await checkBalances(file)
})

/** Adds the files up once more, without any of the import's own checks. */
async function checkBalances(file: string) {
  const sums = new Map<string, number>()
  const atNewYear = new Map<string, number>()
  const { steps } = await readPkddHistory(directory)
  for (const { accountId, signedCents, date } of steps) {
    sums.set(accountId, (sums.get(accountId) ?? 0) + signedCents)
    if (date < '1994-01-01') atNewYear.set(accountId, (atNewYear.get(accountId) ?? 0) + signedCents)
  }
  await using book = await openBook({ store: sqlite(file), ...bank })
  for (const [id, cents] of sums) {
    assert.equal((await book.load(account, id)).state.cents, cents)
    assert.equal((await book.read(balances).get(id))?.cents, cents)
    const { state } = await book.load(account, id, { atTime: '1993-12-31T23:59:59Z' })
    assert.equal(state.cents, atNewYear.get(id) ?? 0)
  }
  await checkReadModels(book, steps)
}

test('the real data on PostgreSQL is what it is on SQLite', { skip, timeout: 120_000 }, async (t) => {
  const server = await testServer()
  t.after(() => server.dispose())
  const address = `${server.url(await server.createDatabase())}?schema=bank`
  const { status, stdout, stderr } = await runImport(['--from', directory, '--store', address, '--json'])
  assert.equal(status, 0, stderr)
  const counts = { accounts: 989, transactions: 39_333, events: 40_382 }
  assert.deepEqual(JSON.parse(stdout), { ...counts, exact: 37_469, rounding: 1_844, other: 20 })
  const store = storeAt(address)
  assert.ok(store !== undefined)
  // As a rule there is the book of the test before, which was killed on the way and still is the same.
  const file = ['--store', `sqlite:${join(folder, 'real.db')}`]
  if (!existsSync(join(folder, 'real.db'))) await runImport(['--from', directory, ...file])
  const [here, there] = [await contentOf(store), await contentOf(sqlite(join(folder, 'real.db')))]
  assert.equal(here.streams.size, 989)
  assert.deepEqual(here.streams, there.streams)
  assert.deepEqual(here.rows, there.rows)
})
