/** Whether a book holds exactly what the processes that wrote it were told. */
import assert from 'node:assert/strict'
import type { LogReader } from '../../library/src/core/ports/store.ts'
import { type EventRow, genesisHash, RowHasher } from '../../library/src/core/row-hash.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { countsPerProcess, type Report } from './report.ts'
import { storeAt } from './store-at.ts'
import { names } from './together.ts'

/** Compares a book with what its writers were told; throws when they differ. Says in a line what it found. */
export async function assertReported(address: string, reports: readonly Report[]): Promise<string> {
  const store = await storeAt(address, { readOnly: true }).open(nodeHost())
  try {
    const rows = await readAll(store.log)
    assertContiguous(rows)
    await assertHashes(store.log, rows)
    assertAcknowledged(rows, reports)
    assertKeys(rows, reports)
    assertSeats(rows, reports)
    assertCreated(rows, reports)
    assertTransfers(rows, reports)
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

/** Each stream that everybody wanted to begin has one beginning, by whoever was told so. */
function assertCreated(rows: readonly EventRow[], reports: readonly Report[]): void {
  const begun = reports.flatMap(({ created }) => created)
  assert.equal(begun.length, countsPerProcess.created)
  assert.equal(new Set(begun).size, countsPerProcess.created)
  const beginnings = rows.filter(({ type }) => type === 'Begun')
  assert.deepEqual(beginnings.map(({ stream }) => stream).sort(), begun.sort())
  assert.ok(beginnings.every(({ version }) => version === 1))
}

/** Both halves of a transfer, one after the other, each decided on the version before it. */
function assertTransfers(rows: readonly EventRow[], reports: readonly Report[]): void {
  const sent = rows.filter(({ type }) => type === 'Sent')
  assert.equal(sent.length, reports.length * countsPerProcess.transfers)
  assert.equal(rows.filter(({ type }) => type === 'Received').length, sent.length)
  for (const { position, version, data } of sent) {
    const received = rows[position]
    assert.deepEqual([received?.type, received?.data], ['Received', data], `position ${position}`)
    assert.deepEqual(JSON.parse(data).decidedOn, [version - 1, (received?.version ?? 0) - 1])
  }
}

/** How often the next event was another process's: that they did run at once. */
function turns(rows: readonly EventRow[]): number {
  const writers = rows.map(({ data }) => JSON.parse(data).name).filter((name) => name !== undefined)
  return writers.filter((name, index) => index > 0 && name !== writers[index - 1]).length
}
