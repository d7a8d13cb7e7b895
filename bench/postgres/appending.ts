import { openBook } from 'daybook'
import { type PostgresOptions, postgres } from 'daybook/postgres'
import { account } from '../bank.ts'
import type { Benchmark, Setting } from '../benchmark.ts'
import { batches, Counter, type ProductSide, singly } from '../cases/appending.ts'
import { figure, type Side, sideBySide, stepsPerSecond, unsteadyRounds } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'
import { PlainLog, type PlainRow, plainRow } from './plain-log.ts'
import { requireSlowFlush } from './slow-flush.ts'

type Flush = NonNullable<PostgresOptions['flush']>
type PlainSide = (log: PlainLog, sliceMs: number, counter: Counter) => Side

interface Comparison {
  readonly product: ProductSide
  readonly plain: PlainSide
  /** Of the plain side's pool. */
  readonly connections: number
  readonly flush?: Flush
  readonly isSlowed?: boolean
  /** Statements of the plain pattern are prepared, which most code leaves out. */
  readonly isPrepared?: boolean
}

/**
 * How many connections serve the plain pattern best: with a quick disk about 20, more only fight for the processor;
 * with a slow one as many as there are callers, since each waits for its own flush.
 */
const bestConnections = { quick: 20, slowed: 64 } as const

const { quick, slowed } = bestConnections

/** How many `pg` opens when it is not told, as in most code. */
const usualConnections = 10

/** A caller appends one durable event and waits for it, then the next; against one transaction for each append. */
export const appendingOnServer: readonly Benchmark[] = [
  benchmark('append-1', { product: singly(1), plain: plainSingly(1), connections: 1 }),
  benchmark('append-64', { product: singly(64), plain: plainSingly(64), connections: quick }),
  benchmark('append-64-vs-prepared', {
    product: singly(64),
    plain: plainSingly(64),
    connections: quick,
    isPrepared: true,
  }),
  benchmark('append-64-inside-lock', {
    product: singly(64),
    plain: plainSingly(64),
    connections: quick,
    flush: 'inside-lock',
  }),
  benchmark('append-256', { product: singly(256), plain: plainSingly(256), connections: quick }),
  // Against one statement and one transaction for 64 rows, which nothing is looked up for: the bound from above.
  benchmark('append-64-vs-batch', { product: singly(64), plain: plainBatches(64), connections: 1 }),
  // One caller, 100 events of one stream; the plain pattern inserts them one by one in one transaction.
  benchmark('append-batch-100', { product: batches(100), plain: plainRows(100), connections: 1 }),
  // The same callers, each with one transaction for each of the 100 events.
  benchmark('append-batch-100-vs-single', {
    product: batches(100),
    plain: plainSingly(64),
    connections: quick,
  }),
  benchmark('append-batch-100-vs-batch', { product: batches(100), plain: plainBatches(100), connections: 1 }),
  // Here the pool decides what the plain pattern reaches: as it comes, and with a connection for each caller.
  benchmark('append-64-slow-flush', {
    product: singly(64),
    plain: plainSingly(64),
    connections: usualConnections,
    isSlowed: true,
  }),
  benchmark('append-64-vs-large-pool-slow-flush', {
    product: singly(64),
    plain: plainSingly(64),
    connections: slowed,
    isSlowed: true,
  }),
  benchmark('append-256-slow-flush', {
    product: singly(256),
    plain: plainSingly(256),
    connections: slowed,
    isSlowed: true,
  }),
  // The bound from above with a slow flush.
  benchmark('append-64-vs-batch-slow-flush', {
    product: singly(64),
    plain: plainBatches(64),
    connections: 1,
    isSlowed: true,
  }),
  benchmark('append-64-inside-lock-slow-flush', {
    product: singly(64),
    plain: plainSingly(64),
    connections: slowed,
    isSlowed: true,
    flush: 'inside-lock',
  }),
]

function benchmark(name: string, comparison: Comparison): Benchmark {
  return { name, stores: ['postgres'], run: (setting) => appending(name, setting, comparison) }
}

async function appending(name: string, setting: Setting, comparison: Comparison) {
  const { servers, sliceMs, rounds } = setting
  const { product, plain, connections, flush = 'outside-lock', isSlowed = false, isPrepared } = comparison
  const server = await (isSlowed ? servers.slowFlush() : servers.ordinary())
  const address = await servers.database(server, name)
  if (isSlowed) await requireSlowFlush(address)
  const book = await openBook({ store: postgres(address, { migrate: true, flush }), deciders: [account] })
  const log = await PlainLog.open(await servers.database(server, `${name}-plain`), connections, isPrepared)
  const [written, writtenPlain] = [new Counter(), new Counter()]
  const measured = await sideBySide(
    rounds * (isSlowed ? unsteadyRounds : 1),
    product(book, sliceMs, written),
    plain(log, sliceMs, writtenPlain),
  )
  await log.close(writtenPlain.events)
  await closeChecked(book, 'postgres', address, written.events)
  return [figure(name, setting, 'events/s', measured)]
}

function plainSingly(callers: number): PlainSide {
  return (log, sliceMs, counter) => {
    const versions = Array.from({ length: callers }, () => 0)
    return () =>
      stepsPerSecond(sliceMs, callers, async (caller) => {
        const version = (versions[caller] as number) + 1
        check(await log.append(plainRow(version, `account-${caller}`, version)), 'a plain append conflicted')
        versions[caller] = version
        counter.events++
      })
  }
}

function plainRows(size: number): PlainSide {
  return (log, sliceMs, counter) => async () => {
    const appends = await stepsPerSecond(sliceMs, 1, async () => {
      const rows = rowsFrom(counter.events, size) as [PlainRow, ...PlainRow[]]
      check(await log.appendRows(rows), 'a plain append conflicted')
      counter.events += size
    })
    return appends * size
  }
}

// Batches of 64 are one event for each of 64 streams, those of 100 are 100 events of one stream: as the product's.
function plainBatches(size: number): PlainSide {
  return (log, sliceMs, counter) => async () => {
    const appends = await stepsPerSecond(sliceMs, 1, async () => {
      await log.appendBatch(rowsFrom(counter.events, size))
      counter.events += size
    })
    return appends * size
  }
}

function rowsFrom(written: number, size: number): PlainRow[] {
  const isOneStream = size === 100
  return Array.from({ length: size }, (_, index) => {
    const version = isOneStream ? written + index + 1 : written / size + 1
    return plainRow(written + index, `account-${isOneStream ? 1 : index}`, version)
  })
}
