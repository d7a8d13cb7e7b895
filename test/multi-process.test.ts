/**
 * Several processes append to one SQLite file at the same time. `DAYBOOK_RUNS=20` runs it twenty times;
 * `DAYBOOK_SEED` repeats the choices of a run, though not what the operating system makes of them.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { LogReader } from '../library/src/core/ports/store.ts'
import { type EventRow, genesisHash, RowHasher } from '../library/src/core/row-hash.ts'
import { nodeHost } from '../library/src/host/node-host.ts'
import { sqlite } from '../library/src/sqlite/index.ts'
import { countsPerProcess, type Report } from './processes/report.ts'

const appender = fileURLToPath(new URL('./processes/appender.ts', import.meta.url))
const runs = Number(process.env.DAYBOOK_RUNS ?? 3)
const firstSeed = Number(process.env.DAYBOOK_SEED ?? Date.now() % 1_000_000)
const names = ['anna', 'bela', 'cyril', 'dana']

it(`${names.length} processes append to one file, ${runs} times`, {
  timeout: 60_000 + runs * 20_000,
}, async (test) => {
  for (let run = 0; run < runs; run++) {
    await inFolder(async (path) => {
      const summary = await check(path, await appendTogether(path, firstSeed + run))
      test.diagnostic(`run ${run + 1} of ${runs}, seed ${firstSeed + run}: ${summary}`)
    })
  }
})

it('processes that check nothing are found out', () =>
  inFolder(async (path) => {
    const reports = await appendTogether(path, firstSeed, 'careless')
    await assert.rejects(check(path, reports), assert.AssertionError)
  }))

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  try {
    await work(join(folder, 'book.db'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Starts the processes, lets them go at once when all have opened the book, and collects their reports. */
async function appendTogether(path: string, seed: number, manner = 'careful'): Promise<readonly Report[]> {
  const children = names.map((name, index) => fork(appender, [path, name, String(seed * 10 + index), manner]))
  try {
    await Promise.all(children.map((child) => messageOf(child)))
    const reports = children.map((child) => messageOf(child))
    const exits = children.map((child) => once(child, 'exit'))
    for (const child of children) child.send('go')
    const all = await Promise.all(reports)
    for (const [code] of await Promise.all(exits)) assert.equal(code, 0)
    return all as readonly Report[]
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

/** The next message of a process; rejects when it ends without one. */
function messageOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process ended early with code ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}

async function check(path: string, reports: readonly Report[]): Promise<string> {
  const store = await sqlite(path, { readOnly: true }).open(nodeHost())
  try {
    const rows = await readAll(store.log)
    assertContiguous(rows)
    await assertHashes(store.log, rows)
    assertAcknowledged(rows, reports)
    assertKeys(rows, reports)
    assertSeats(rows, reports)
    const decidedOn = rows
      .filter(({ type }) => type === 'Exact')
      .map((row) => [row.version, JSON.parse(row.data)])
    for (const [version, data] of decidedOn) assert.equal(data.decidedOn, version - 1)
    const conflicts = reports.reduce((sum, report) => sum + report.conflicts, 0)
    return `${rows.length} events, ${conflicts} conflicts, ${turns(rows)} changes of writer`
  } finally {
    await store.close()
  }
}

async function readAll(log: LogReader): Promise<readonly EventRow[]> {
  const rows: EventRow[] = []
  for (let after = 0; ; ) {
    const slice = {
      afterPosition: after,
      toPosition: Number.MAX_SAFE_INTEGER,
      items: undefined,
      limit: 1_000,
    }
    const page = await log.readLog(slice)
    rows.push(...page.rows)
    if (page.scannedTo >= page.head) return rows
    after = page.scannedTo
  }
}

function assertContiguous(rows: readonly EventRow[]): void {
  const versions = new Map<string, number>()
  let lastMs = 0
  for (const [index, row] of rows.entries()) {
    assert.equal(row.position, index + 1)
    const version = (versions.get(row.stream) ?? 0) + 1
    assert.equal(row.version, version, `${row.stream} at position ${row.position}`)
    versions.set(row.stream, version)
    assert.ok(row.recordedAtMs >= lastMs, `recorded time goes back at position ${row.position}`)
    lastMs = row.recordedAtMs
  }
}

async function assertHashes(log: LogReader, rows: readonly EventRow[]): Promise<void> {
  const hasher = new RowHasher(nodeHost().sha256)
  const stored = await log.readHashes(0, rows.length + 1)
  assert.equal(stored.length, rows.length)
  let chain = genesisHash
  for (const [index, row] of rows.entries()) {
    const { leafHash, chainHash } = hasher.hash(row, chain)
    assert.deepEqual([...(stored[index]?.leafHash ?? [])], [...leafHash])
    assert.deepEqual([...(stored[index]?.chainHash ?? [])], [...chainHash])
    chain = chainHash
  }
}

/** Everything acknowledged is where it was acknowledged, and there is nothing else. */
function assertAcknowledged(rows: readonly EventRow[], reports: readonly Report[]): void {
  const acknowledged = reports.flatMap((report) => report.acknowledged)
  for (const { position, stream, version, id } of acknowledged) {
    const row = rows[position - 1]
    assert.deepEqual([row?.stream, row?.version, row?.id], [stream, version, id], `position ${position}`)
  }
  assert.equal(acknowledged.length, rows.length)
}

function assertKeys(rows: readonly EventRow[], reports: readonly Report[]): void {
  for (let n = 0; n < countsPerProcess.keys; n++) {
    const uses = reports.flatMap(({ keys }) => keys.filter(({ key }) => key === `key:${n}`))
    assert.equal(uses.length, names.length)
    assert.equal(uses.filter(({ isFirst }) => isFirst).length, 1, `key:${n} had several effects`)
    assert.equal(
      new Set(uses.map(({ firstPosition }) => firstPosition)).size,
      1,
      `key:${n} had several answers`,
    )
    const effects = rows.filter(({ type, data }) => type === 'Keyed' && data === `{"key":"key:${n}"}`)
    const at = uses[0]?.firstPosition ?? 0
    assert.deepEqual(
      effects.map(({ position }) => position),
      [at, at + 1],
    )
  }
}

function assertSeats(rows: readonly EventRow[], reports: readonly Report[]): void {
  const taken = reports.flatMap(({ seats }) => seats)
  assert.equal(taken.length, countsPerProcess.seats)
  assert.equal(new Set(taken).size, countsPerProcess.seats)
  const tags = rows.filter(({ type }) => type === 'Taken').map((row) => row.tags)
  assert.deepEqual(tags.sort(), taken.map((seat) => JSON.stringify([seat])).sort())
}

/** How often the next event was another process's: that they did run at once. */
function turns(rows: readonly EventRow[]): number {
  const writers = rows.map(({ data }) => JSON.parse(data).name).filter((name) => name !== undefined)
  return writers.filter((name, index) => index > 0 && name !== writers[index - 1]).length
}
