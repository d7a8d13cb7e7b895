import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Book, openBook } from 'daybook'
import { account, actor, movementData, movementEvent } from '../bank.ts'
import { storeOf } from '../bank-log.ts'
import { type BareEvent, BareLog, bareRow } from '../bare-log.ts'
import { type Benchmark, embeddedStores, type Setting } from '../benchmark.ts'
import { figure, type Side, sideBySide, stepsPerSecond } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'

/** Events that each stream has before a slice begins: an account in use, not a new one. */
export const heldEvents = 100

/** 16 callers, one stream: load, decide, append. The baseline reads, decides, appends, and on a conflict again. */
export const hotStream: Benchmark = {
  name: 'hot-stream-16',
  stores: embeddedStores,
  run: (setting) => commanding('hot-stream-16', setting, 16, () => 'hot', naiveCallers),
}

/** 64 callers, each with a stream of its own; the baseline reads, decides and appends in one transaction each. */
export const commandBy64: Benchmark = {
  name: 'command-64',
  stores: embeddedStores,
  run: (setting) => commanding('command-64', setting, 64, (caller) => `c${caller}`, transactions),
}

export type IdOf = (caller: number) => string
type BareSide = (log: BareLog, sliceMs: number, ids: readonly string[], written: { events: number }) => Side

async function commanding(name: string, setting: Setting, callers: number, idOf: IdOf, bareSide: BareSide) {
  const { store, folder, sliceMs, rounds } = setting
  const path = join(folder, `${name}.db`)
  const book = await openBook({ store: storeOf(store, path), deciders: [account] })
  const ids = Array.from({ length: callers }, (_, caller) => idOf(caller))
  const written = { events: 0 }
  const product = executing(book, sliceMs, ids, written)
  const log = new BareLog(join(folder, `${name}-${store}-bare.db`))
  const writtenBare = { events: 0 }
  const measured = await sideBySide(
    rounds,
    product,
    store === 'memory' ? undefined : bareSide(log, sliceMs, ids, writtenBare),
  )
  log.close(writtenBare.events)
  await closeChecked(book, store, path, written.events)
  return [figure(name, setting, 'commands/s', measured)]
}

/** Each caller executes a command on its account, waits for it, then the next; accounts are new in each slice. */
export function executing(
  book: Book,
  sliceMs: number,
  ids: readonly string[],
  written: { events: number },
): Side {
  let slice = 0
  return async () => {
    slice++
    const subjects = ids.map((id) => `${id}-${slice}`)
    for (const id of new Set(subjects)) {
      const events = Array.from({ length: heldEvents }, (_, index) => movementEvent(2 * index))
      await book.append(`account-${id}`, events, { actor })
      written.events += heldEvents
    }
    return stepsPerSecond(sliceMs, ids.length, async (caller) => {
      const id = subjects[caller] as string
      const { refused } = await book.execute(account.withdraw(id, { ...movementData(0), cents: 1 }), {
        actor,
      })
      check(refused === undefined, 'a command was refused')
      written.events++
    })
  }
}

/** New streams with the events that they have before a slice begins. */
function prepared(
  log: BareLog,
  ids: readonly string[],
  slice: number,
  written: { events: number },
): string[] {
  const streams = ids.map((id) => `account-${id}-${slice}`)
  for (const stream of new Set(streams)) {
    const first = written.events + 1
    log.appendBatch(
      Array.from({ length: heldEvents }, (_, index) => bareRow(2 * (first + index), stream, index + 1)),
    )
    written.events += heldEvents
  }
  return streams
}

/**
 * Load, append with the expected version, and on a conflict both again. Between load and append an application
 * awaits something, if only its own decision, so that others come in between.
 */
const naiveCallers: BareSide = (log, sliceMs, ids, written) => {
  let slice = 0
  return async () => {
    const streams = prepared(log, ids, ++slice, written)
    return stepsPerSecond(sliceMs, ids.length, async (caller) => {
      const stream = streams[caller] as string
      for (let isAppended = false; !isAppended; ) {
        const events = log.read(stream)
        check(balanceOf(events) >= 1, 'a bare command was refused')
        await nextTurn()
        isAppended = log.append(bareRow(nextPosition(written), stream, events.length + 1))
      }
      written.events++
    })
  }
}

const transactions: BareSide = (log, sliceMs, ids, written) => {
  let slice = 0
  return async () => {
    const streams = prepared(log, ids, ++slice, written)
    return stepsPerSecond(sliceMs, ids.length, async (caller) => {
      const stream = streams[caller] as string
      log.transact(stream, (events) => {
        check(balanceOf(events) >= 1, 'a bare command was refused')
        return bareRow(nextPosition(written), stream, events.length + 1)
      })
      written.events++
    })
  }
}

// Even positions hold deposits and odd ones withdrawals; see movementEvent.
export function nextPosition(written: { readonly events: number }): number {
  return 2 * (written.events + 1) + 1
}

/** What an account holds after its events. */
export function balanceOf(events: readonly BareEvent[]): number {
  let cents = 0
  for (const { type, data } of events) cents += type === 'MoneyDeposited' ? data.cents : -data.cents
  return cents
}
