import { join } from 'node:path'
import { type Book, openBook } from 'daybook'
import { account, actor, movementEvent } from '../bank.ts'
import { storeOf } from '../bank-log.ts'
import { BareLog, type BareRow, bareRow } from '../bare-log.ts'
import { type Benchmark, embeddedStores, type Setting } from '../benchmark.ts'
import { figure, type Side, sideBySide, stepsPerSecond } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'

/** A caller appends one durable event and waits for it, then the next. */
export const appendByOne: Benchmark = {
  name: 'append-1',
  stores: embeddedStores,
  run: (setting) => appending('append-1', setting, singly(1), bareSingly(1)),
}

/** As above, by 64 callers at once, each on a stream of its own; against one durable transaction for each append. */
export const appendBy64: Benchmark = {
  name: 'append-64',
  stores: embeddedStores,
  run: (setting) => appending('append-64', setting, singly(64), bareSingly(64)),
}

/** As above, against bare transactions of 64 rows made beforehand: what group commit could be at best. */
export const appendBy64VersusBatch: Benchmark = {
  name: 'append-64-vs-batch',
  stores: ['sqlite'],
  run: (setting) => appending('append-64-vs-batch', setting, singly(64), bareBatches(64)),
}

/** One caller appends 100 events at a time to one stream; against bare transactions of 100 rows made beforehand. */
export const appendBatchOf100: Benchmark = {
  name: 'append-batch-100',
  stores: embeddedStores,
  run: (setting) => appending('append-batch-100', setting, batches(100), bareBatches(100)),
}

/** Counts what was acknowledged; one for each side. */
export class Counter {
  events = 0
}

export type ProductSide = (book: Book, sliceMs: number, counter: Counter) => Side
type BareSide = (log: BareLog, sliceMs: number, counter: Counter) => Side

async function appending(name: string, setting: Setting, productSide: ProductSide, bareSide: BareSide) {
  const { store, folder, sliceMs, rounds } = setting
  const path = join(folder, `${name}.db`)
  const book = await openBook({ store: storeOf(store, path), deciders: [account] })
  const written = new Counter()
  const product = productSide(book, sliceMs, written)
  if (store === 'memory') {
    const measured = await sideBySide(rounds, product)
    await closeChecked(book, store, path, written.events)
    return [figure(name, setting, 'events/s', measured)]
  }
  const log = new BareLog(join(folder, `${name}-bare.db`))
  const writtenBare = new Counter()
  const measured = await sideBySide(rounds, product, bareSide(log, sliceMs, writtenBare))
  log.close(writtenBare.events)
  await closeChecked(book, store, path, written.events)
  return [figure(name, setting, 'events/s', measured)]
}

/** Each caller appends one event to its own stream, waits for it, then the next. */
export function singly(callers: number): ProductSide {
  return (book, sliceMs, counter) => {
    const versions = Array.from({ length: callers }, () => 0)
    return () =>
      stepsPerSecond(sliceMs, callers, async (caller) => {
        const expectedVersion = versions[caller] as number
        await book.append(`account-${caller}`, movementEvent(expectedVersion), { expectedVersion, actor })
        versions[caller] = expectedVersion + 1
        counter.events++
      })
  }
}

function bareSingly(callers: number): BareSide {
  return (log, sliceMs, counter) => {
    const versions = Array.from({ length: callers }, () => 0)
    return () =>
      stepsPerSecond(sliceMs, callers, async (caller) => {
        const version = (versions[caller] as number) + 1
        check(
          log.append(bareRow(counter.events + 1, `account-${caller}`, version)),
          'a bare append conflicted',
        )
        versions[caller] = version
        counter.events++
      })
  }
}

/** One caller appends so many events at a time to one stream. */
export function batches(size: number): ProductSide {
  return (book, sliceMs, counter) => async () => {
    const appends = await stepsPerSecond(sliceMs, 1, async () => {
      const expectedVersion = counter.events
      const events = Array.from({ length: size }, (_, index) => movementEvent(expectedVersion + index))
      await book.append('account-1', events, { expectedVersion, actor })
      counter.events += size
    })
    return appends * size
  }
}

// Batches of 64 are one event for each of 64 streams, those of 100 are 100 events of one stream: as the product's.
function bareBatches(size: number): BareSide {
  return (log, sliceMs, counter) => async () => {
    let batch: readonly BareRow[] = rowsFrom(counter.events, size)
    let workMs = 0
    let events = 0
    while (workMs < sliceMs) {
      const startMs = performance.now()
      log.appendBatch(batch)
      workMs += performance.now() - startMs
      events += size
      counter.events += size
      batch = rowsFrom(counter.events, size)
    }
    return (events * 1_000) / workMs
  }
}

function rowsFrom(written: number, size: number): BareRow[] {
  return Array.from({ length: size }, (_, index) => {
    const isOneStream = size === 100
    const version = isOneStream ? written + index + 1 : written / size + 1
    return bareRow(written + index + 1, `account-${isOneStream ? 1 : index}`, version)
  })
}
