/** Tables kept by SQL in processes that are killed on the way: every event counts once. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testServer } from '@daybook/postgres-server/testing'
import { type Book, openBook } from 'daybook'
import { Client } from 'pg'
import { storeAt } from './processes/store-at.ts'
import { depositEvents, totals } from './sql-projections/totals.ts'

const totaller = fileURLToPath(new URL('./sql-projections/totaller.ts', import.meta.url))
const kills = 8
const accounts = 7

const folder = await mkdtemp(join(tmpdir(), 'daybook-'))
after(() => rm(folder, { recursive: true }))
const server = await testServer()
after(server.dispose)
const started: ChildProcess[] = []
after(() => {
  for (const child of started) child.kill('SIGKILL')
})

const text = 'SELECT account, movements, cents FROM total ORDER BY account'

function rowsInFile(path: string): readonly (readonly unknown[])[] {
  using database = new DatabaseSync(path)
  return database
    .prepare(text)
    .all()
    .map((row) => Object.values(row))
}

async function rowsOnServer(url: string): Promise<readonly (readonly unknown[])[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}

/** Keeps totals in a process of its own until it has come past a position, then kills it wherever it is. */
async function killedBehind(address: string, position: number): Promise<void> {
  const child = fork(totaller, [address])
  started.push(child)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    child.on('message', (reached) => (Number(reached) >= position ? resolve() : undefined))
    child.once('exit', (code) => reject(new Error(`it ended early with code ${code}`)))
  })
  child.kill('SIGKILL')
  await exited
}

/** Appends one deposit to each account, again and again, while work goes on. */
async function depositDuring(book: Book, work: () => Promise<void>): Promise<number> {
  let isOver = false
  const working = work().finally(() => {
    isOver = true
  })
  let rounds = 0
  while (!isOver) {
    rounds++
    const writes = Array.from({ length: accounts }, (_, account) => ({
      stream: `account-${account}`,
      events: [depositEvents.Deposited({ cents: account + 1 })],
    }))
    await book.append(writes)
  }
  await working
  return rounds
}

const places = {
  sqlite: { address: async () => join(folder, 'totals.db'), rows: rowsInFile },
  postgres: { address: async () => server.url(await server.createDatabase()), rows: rowsOnServer },
}

for (const [name, place] of Object.entries(places))
  test(`${name}: every event counts once, however often who counts is killed`, {
    timeout: 120_000,
  }, async () => {
    const address = await place.address()
    await using book = await openBook({ store: storeAt(address) })
    const rounds = await depositDuring(book, async () => {
      for (let kill = 1; kill <= kills; kill++) await killedBehind(address, (await book.head()) + 1)
    })
    await using last = await openBook({ store: storeAt(address), sqlProjections: [totals] })
    await last.whenReached(totals, { notBefore: await last.head(), timeoutMs: 60_000 })
    const rows = await place.rows(address)
    assert.deepEqual(
      rows.map(([account, movements, cents]) => [account, Number(movements), Number(cents)]),
      Array.from({ length: accounts }, (_, account) => [String(account), rounds, rounds * (account + 1)]),
    )
  })
