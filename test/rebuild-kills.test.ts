/** A read model is rebuilt by processes that are killed on the way, while another process appends, follows and reads. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { type Book, type Difference, openBook, type RebuildProgress, type RebuildResult } from 'daybook'
import { foldProjection } from 'daybook/testing'
import { storeAt } from './processes/store-at.ts'
import { sumEvents, sums } from './processes/sums.ts'

const rebuilder = fileURLToPath(new URL('./processes/rebuilder.ts', import.meta.url))
const accounts = 100
const eventsAtFirst = 6_000
const kills = 5
const model = sums(1)
const limit = { timeout: 120_000 }

/** One deposit to every account, again and again. */
async function deposit(book: Book, rounds: number): Promise<number> {
  let position = 0
  for (let round = 0; round < rounds; round++) {
    const writes = Array.from({ length: accounts }, (_, account) => ({
      stream: `account-${account}`,
      events: [sumEvents.Deposited({ cents: account + 1 })],
    }))
    position = (await book.append(writes)).position
  }
  return position
}

interface Heard {
  readonly progress?: RebuildProgress
  readonly result?: RebuildResult
}

const started: ChildProcess[] = []

/** Ends what a test that failed has left running. */
function endAll(): void {
  for (const child of started.splice(0)) child.kill('SIGKILL')
}

/** Starts a rebuild in a process of its own; `heard` resolves with the first word of which something is so. */
function startRebuild(address: string, eventsPerSecond: string) {
  const child = fork(rebuilder, [address, eventsPerSecond])
  started.push(child)
  const heard = (isIt: (word: Heard) => boolean): Promise<Heard> =>
    new Promise((resolve, reject) => {
      child.on('message', (word: Heard) => (isIt(word) ? resolve(word) : undefined))
      child.once('exit', (code) => reject(new Error(`the rebuild ended early with code ${code}`)))
    })
  return { child, heard }
}

/** Kills rebuilds on their way, each further than the one before, and returns how far each had come when it began. */
async function killOnTheWay(address: string): Promise<readonly number[]> {
  const begun: number[] = []
  for (let kill = 1; kill <= kills; kill++) {
    const { child, heard } = startRebuild(address, '2000')
    const first = heard(({ progress }) => progress?.state === 'filling')
    const goal = (eventsAtFirst * kill) / (kills + 1)
    await heard(({ progress }) => (progress?.position ?? 0) >= goal)
    begun.push((await first).progress?.position ?? 0)
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }
  return begun
}

/** Appends and reads until it is told to stop; what is read must always be whole, and never go back. */
function appendAndRead(book: Book) {
  let isOver = false
  let reads = 0
  const whenOver = (async () => {
    let least = 0
    while (!isOver) {
      // In step with what follows: this is about what readers see, not about how fast a log can grow.
      const notBefore = await deposit(book, 1)
      const document = await book.read(model).get('3', { notBefore, timeoutMs: 60_000 })
      assert.ok((document?.movements ?? 0) >= least, `read ${document?.movements} after ${least}`)
      least = document?.movements ?? 0
      assert.equal(await book.read(model).count(), accounts)
      reads++
    }
  })()
  return {
    async stop(): Promise<number> {
      isOver = true
      await whenOver
      return reads
    },
  }
}

async function reference(book: Book) {
  return [...foldProjection(model, await book.readLog().toArray())].sort(([one], [other]) =>
    one < other ? -1 : 1,
  )
}

async function documents(book: Book, notBefore: number) {
  const found: [string, unknown][] = []
  for await (const { key, document } of book.read(model).all({ notBefore, timeoutMs: 60_000 }))
    found.push([key, document])
  return found.sort(([one], [other]) => (one < other ? -1 : 1))
}

async function differences(book: Book, name: string): Promise<Difference[]> {
  const found: Difference[] = []
  for await (const difference of book.rebuilds.compare(name)) found.push(difference)
  return found
}

async function rebuildUnderKills(address: string): Promise<void> {
  await using book = await openBook({ store: storeAt(address), projections: [model] })
  const filled = await deposit(book, eventsAtFirst / accounts)
  await book.read(model).get('3', { notBefore: filled, timeoutMs: 60_000 })
  const living = appendAndRead(book)
  const begun = await killOnTheWay(address)
  for (const [nth, position] of begun.entries())
    assert.ok(
      nth === 0 || position >= (eventsAtFirst * nth) / (kills + 1),
      `rebuild ${nth} began at ${position}`,
    )
  const { heard } = startRebuild(address, '')
  const { result } = await heard(({ result }) => result !== undefined)
  assert.deepEqual([result?.outcome, result?.generation], ['swapped', 2])
  assert.ok(
    (result?.events ?? 0) < (result?.position ?? 0),
    'the last one went on where the others were killed',
  )
  assert.ok((await living.stop()) > kills)

  const head = await book.head()
  const expected = await reference(book)
  assert.deepEqual(await documents(book, head), expected)
  assert.equal((await book.rebuilds.status())[0]?.serving.subscription, 'sums@1.2')
  assert.deepEqual(
    await differences(book, 'sums'),
    [],
    'the copy filled live and the one filled anew are the same',
  )
  const { serving } = await book.rebuilds.undo('sums')
  assert.deepEqual(serving, { version: 1, generation: 1 })
  assert.deepEqual(await documents(book, head), expected)
}

async function findSeededDifference(address: string): Promise<void> {
  const seeded = sums(2)
  await using book = await openBook({ store: storeAt(address), projections: [model, seeded] })
  const living = appendAndRead(book)
  assert.equal((await book.rebuilds.start(seeded)).outcome, 'filled')
  const found = await differences(book, 'sums')
  await living.stop()
  assert.deepEqual(
    found.map(({ key, field, serving, other }) => [key, field, Number(other) / Number(serving)]),
    [['7', 'cents', 2]],
  )
  await book.rebuilds.swap(seeded)
  const movements = await book.read(seeded).get('7', { notBefore: await book.head() })
  assert.equal(movements?.cents, 16 * (movements?.movements ?? 0))
}

/** Speeds that come to no whole number of events in a batch. */
async function rebuildAtAnySpeed(address: string): Promise<void> {
  await using book = await openBook({ store: storeAt(address), projections: [model] })
  await deposit(book, 1)
  for (const eventsPerSecond of [333, 999])
    assert.equal((await book.rebuilds.start(model, { eventsPerSecond })).outcome, 'swapped')
}

describe('a rebuild that is killed five times, on SQLite', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'daybook-rebuild-'))
  })
  after(async () => {
    endAll()
    await rm(folder, { recursive: true, force: true })
  })

  it('goes on each time, and comes out as the reference and as the copy that served', limit, () =>
    rebuildUnderKills(join(folder, 'bank.db')),
  )
  it('is compared with what serves by key and field, while appends go on', limit, () =>
    findSeededDifference(join(folder, 'bank.db')),
  )
  it('is as fast as any number of events a second', limit, () => rebuildAtAnySpeed(join(folder, 'speed.db')))
})

describe('a rebuild that is killed five times, on PostgreSQL', () => {
  let server: TestServer
  let address = ''
  before(async () => {
    server = await testServer()
    address = server.url(await server.createDatabase())
  })
  after(async () => {
    endAll()
    await server.dispose()
  })

  it('goes on each time, and comes out as the reference and as the copy that served', limit, () =>
    rebuildUnderKills(address),
  )
  it('is compared with what serves by key and field, while appends go on', limit, () =>
    findSeededDifference(address),
  )
  it('is as fast as any number of events a second', limit, async () =>
    rebuildAtAnySpeed(server.url(await server.createDatabase())),
  )
})
