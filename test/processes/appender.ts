/**
 * One of several processes that append to the same book: `node appender.ts <address> <name> <seed> [careless]`. It says
 * that it is ready, waits for the word to go, appends a shuffled mixture, and reports what was acknowledged. A
 * careless one checks nothing, so that those who check the outcome can show that they see it.
 */
import { hash } from 'node:crypto'
import type { AppendOutcome } from '../../library/src/core/append-plan.ts'
import {
  type AppendOptions,
  prepareAppend,
  type StreamAppend,
} from '../../library/src/core/append-request.ts'
import { defaultLimits } from '../../library/src/core/limits.ts'
import type { EventLog } from '../../library/src/core/ports/store.ts'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { seededRandom } from '../../library/src/testing/test-host.ts'
import { countsPerProcess, type Report } from './report.ts'
import { storeAt } from './store-at.ts'

const [address = '', name = '', seed = '1', manner] = process.argv.slice(2)
const host = nodeHost()
const random = seededRandom(Number(seed))
const report: Report = { acknowledged: [], keys: [], seats: [], created: [], conflicts: 0 }

async function append(
  log: EventLog,
  write: StreamAppend | readonly StreamAppend[],
  options: AppendOptions = {},
): Promise<AppendOutcome> {
  const writes = 'stream' in write ? [write] : write
  const request = prepareAppend(writes, options, {
    limits: defaultLimits,
    newId: host.newId,
    fingerprint: (text) => hash('sha256', text),
    validate: (_stream, { data, tags }) => ({ data, tags: tags ?? [], schemaVersion: 1 }),
  })
  const expectations = writes.map(({ stream }) => ({ stream, expected: 'any' as const }))
  const careless = { ...request, expectations, conditions: [], key: undefined }
  const [outcome] = await log.append([manner === 'careless' ? careless : request])
  if (outcome === undefined) throw new Error('an append without an answer')
  if (outcome.kind === 'appended') {
    for (const { position, stream, version, id } of outcome.rows) {
      report.acknowledged.push({ position, stream, version, id })
    }
  }
  return outcome
}

/** Whatever the version is. */
async function appendAny(log: EventLog): Promise<void> {
  const events = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({ type: 'Any', data: { name } }))
  await append(log, { stream: `any-${Math.floor(random() * 5)}`, events })
}

/** Reads the version of a stream and appends at exactly that one, until nobody else was first. */
async function appendExact(log: EventLog): Promise<void> {
  const stream = `exact-${Math.floor(random() * 2)}`
  for (;;) {
    const version = await versionOf(log, stream)
    const events = [{ type: 'Exact', data: { name, decidedOn: version } }]
    const outcome = await append(log, { stream, expectedVersion: version, events })
    if (outcome.kind === 'appended') return
    requireConflict(outcome)
  }
}

async function versionOf(log: EventLog, stream: string): Promise<number> {
  const last = { stream, direction: 'backwards', fromVersion: 1, types: undefined, limit: 1 } as const
  const { rows } = await log.readStream({ ...last, toVersion: Number.MAX_SAFE_INTEGER })
  return rows[0]?.version ?? 0
}

function requireConflict(outcome: AppendOutcome): void {
  if (outcome.kind !== 'refused' || outcome.error.code !== 'CONCURRENCY_CONFLICT')
    throw new Error(outcome.kind)
  report.conflicts++
}

/** A stream that every process wants to be the first of. */
async function create(log: EventLog, stream: string): Promise<void> {
  const events = [{ type: 'Begun', data: { name } }]
  const outcome = await append(log, { stream, expectedVersion: 'none', events })
  if (outcome.kind === 'appended') report.created.push(stream)
  else requireConflict(outcome)
}

/** From one stream to another, at exactly the versions of both, until nobody else was first. */
async function transfer(log: EventLog, n: number): Promise<void> {
  const pair = random() < 0.5 ? ['purse-1', 'purse-2'] : ['purse-2', 'purse-1']
  const [from, to] = pair as [string, string]
  for (;;) {
    const decidedOn = [await versionOf(log, from), await versionOf(log, to)] as const
    const data = { name, n, decidedOn }
    const outcome = await append(log, [
      { stream: from, expectedVersion: decidedOn[0], events: [{ type: 'Sent', data }] },
      { stream: to, expectedVersion: decidedOn[1], events: [{ type: 'Received', data }] },
    ])
    if (outcome.kind === 'appended') return
    requireConflict(outcome)
  }
}

/** A key that every process uses, with the same content. */
async function appendKeyed(log: EventLog, key: string): Promise<void> {
  const events = [
    { type: 'Keyed', data: { key } },
    { type: 'Keyed', data: { key } },
  ]
  const outcome = await append(log, { stream: 'keyed-1', events }, { idempotencyKey: key })
  if (outcome.kind === 'refused') throw outcome.error
  const firstPosition =
    outcome.kind === 'repeated' ? outcome.record.firstPosition : (outcome.rows[0]?.position ?? 0)
  report.keys.push({ key, firstPosition, isFirst: outcome.kind === 'appended' })
}

/** A seat that every process wants. */
async function takeSeat(log: EventLog, seat: string): Promise<void> {
  const events = [{ type: 'Taken', data: { name }, tags: [seat] }]
  const unless = { query: { tags: [seat] }, after: 0 }
  const outcome = await append(log, { stream: `guest-${name}`, events }, { unless })
  if (outcome.kind === 'appended') report.seats.push(seat)
  else if (outcome.kind !== 'refused' || outcome.error.code !== 'CONDITION_FAILED')
    throw new Error(outcome.kind)
}

function shuffled(log: EventLog): (() => Promise<void>)[] {
  const work: (() => Promise<void>)[] = []
  for (let n = 0; n < countsPerProcess.any; n++) work.push(() => appendAny(log))
  for (let n = 0; n < countsPerProcess.exact; n++) work.push(() => appendExact(log))
  for (let n = 0; n < countsPerProcess.keys; n++) work.push(() => appendKeyed(log, `key:${n}`))
  for (let n = 0; n < countsPerProcess.seats; n++) work.push(() => takeSeat(log, `seat:${n}`))
  for (let n = 0; n < countsPerProcess.created; n++) work.push(() => create(log, `new-${n}`))
  for (let n = 0; n < countsPerProcess.transfers; n++) work.push(() => transfer(log, n))
  return work
    .map((each) => ({ each, order: random() }))
    .sort((one, other) => one.order - other.order)
    .map(({ each }) => each)
}

function wordToGo(): Promise<void> {
  const gone = new Promise<void>((resolve) => process.once('message', () => resolve()))
  process.send?.('ready')
  return gone
}

// All processes open the book before any is told to go: the first to come makes it, the others find it half made.
const store = await storeAt(address).open(host)
await wordToGo()
const work = shuffled(store.log)
const lanes = [0, 1, 2].map(async () => {
  for (let next = work.pop(); next !== undefined; next = work.pop()) await next()
})
await Promise.all(lanes)
await store.close()
process.send?.(report, () => process.disconnect())
