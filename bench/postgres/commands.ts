import { openBook } from 'daybook'
import { account } from '../bank.ts'
import { addressOf, storeOf } from '../bank-log.ts'
import type { Benchmark, Setting } from '../benchmark.ts'
import { balanceOf, executing, heldEvents, nextPosition } from '../cases/commands.ts'
import { figure, type Side, sideBySide, stepsPerSecond } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'
import { PlainLog, plainRow } from './plain-log.ts'

const connections = 20

/** 64 callers, each with a stream of its own, and 16 with one stream: load, decide, append, on a conflict again. */
export const commandsOnServer: readonly Benchmark[] = [
  {
    name: 'command-64',
    stores: ['postgres'],
    run: (setting) => commanding('command-64', setting, 64, (caller) => `c${caller}`),
  },
  {
    name: 'hot-stream-16',
    stores: ['postgres'],
    run: (setting) => commanding('hot-stream-16', setting, 16, () => 'hot'),
  },
]

async function commanding(name: string, setting: Setting, callers: number, idOf: (caller: number) => string) {
  const { servers, sliceMs, rounds } = setting
  const address = await addressOf(name, setting)
  const book = await openBook({ store: storeOf('postgres', address), deciders: [account] })
  const plainAddress = await servers.database(await servers.ordinary(), `${name}-plain`)
  const log = await PlainLog.open(plainAddress, Math.min(callers, connections))
  const ids = Array.from({ length: callers }, (_, caller) => idOf(caller))
  const [written, writtenPlain] = [{ events: 0 }, { events: 0 }]
  const measured = await sideBySide(
    rounds,
    executing(book, sliceMs, ids, written),
    plainly(log, sliceMs, ids, writtenPlain),
  )
  await log.close(writtenPlain.events)
  await closeChecked(book, 'postgres', address, written.events)
  return [figure(name, setting, 'commands/s', measured)]
}

/** Reads the stream, decides, appends the one event with its version, and does all of it again on a conflict. */
function plainly(log: PlainLog, sliceMs: number, ids: readonly string[], written: { events: number }): Side {
  let slice = 0
  return async () => {
    slice++
    const streams = ids.map((id) => `account-${id}-${slice}`)
    for (const stream of new Set(streams)) {
      await log.appendBatch(
        Array.from({ length: heldEvents }, (_, index) => plainRow(2 * index, stream, index + 1)),
      )
      written.events += heldEvents
    }
    return stepsPerSecond(sliceMs, ids.length, async (caller) => {
      const stream = streams[caller] as string
      for (let isAppended = false; !isAppended; ) {
        const events = await log.read(stream)
        check(balanceOf(events) >= 1, 'a plain command was refused')
        isAppended = await log.append(plainRow(nextPosition(written), stream, events.length + 1))
      }
      written.events++
    })
  }
}
