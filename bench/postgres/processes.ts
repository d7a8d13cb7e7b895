import { openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import type { Benchmark, Setting } from '../benchmark.ts'
import { figure, type Side, sideBySide, unsteadyRounds } from '../measuring.ts'
import { check, closeChecked, queryServer } from '../self-check.ts'
import type { AppenderTask } from './appender.ts'
import { Appenders } from './appenders.ts'
import { PlainLog } from './plain-log.ts'
import { requireSlowFlush } from './slow-flush.ts'

interface Fleet {
  readonly processes: number
  readonly callers: number
  readonly flush: AppenderTask['flush']
  readonly connections: number
}

const four: Fleet = { processes: 4, callers: 64, flush: 'outside-lock', connections: 10 }
const eight: Fleet = { processes: 8, callers: 8, flush: 'outside-lock', connections: 8 }

/** Several processes append to one log at once, each by many callers that have streams of their own. */
export const processesOnServer: readonly Benchmark[] = [
  // All of them together must not fall below one of them alone.
  benchmark('append-4x64-vs-1x64', four, { ...four, processes: 1 }),
  benchmark('append-4x64', four, { ...four, flush: 'plain' }),
  benchmark('append-8x8', eight, { ...eight, flush: 'plain' }),
  benchmark('append-8x8-slow-flush', eight, { ...eight, flush: 'plain' }),
  benchmark(
    'append-8x8-inside-lock-slow-flush',
    { ...eight, flush: 'inside-lock' },
    { ...eight, flush: 'plain' },
  ),
]

function benchmark(name: string, product: Fleet, baseline: Fleet): Benchmark {
  return { name, stores: ['postgres'], run: (setting) => appending(name, setting, product, baseline) }
}

async function appending(name: string, setting: Setting, product: Fleet, baseline: Fleet) {
  const one = await muster(name, setting, product)
  const other = await muster(`${name}-baseline`, setting, baseline)
  // Processes that share the work need so many times as long until their code is compiled as well as that of one. In turn: of
  // one that rests in between, part of it is thrown away again.
  for (let slice = 0; slice < product.processes; slice++) {
    await one.side()
    await other.side()
  }
  const measured = await sideBySide(setting.rounds * unsteadyRounds, one.side, other.side)
  await one.close()
  await other.close()
  return [figure(name, setting, 'events/s', measured)]
}

async function muster(
  name: string,
  { servers, sliceMs }: Setting,
  { processes, callers, flush, connections }: Fleet,
): Promise<{ readonly side: Side; close(): Promise<void> }> {
  const isSlowed = name.includes('slow-flush')
  const server = await (isSlowed ? servers.slowFlush() : servers.ordinary())
  const address = await servers.database(server, name)
  if (isSlowed) await requireSlowFlush(address)
  if (flush === 'plain') await (await PlainLog.open(address, 1)).pool.end()
  else await (await openBook({ store: postgres(address, { migrate: true }) })).close()
  const appenders = await Appenders.start(processes, { address, callers, flush, connections })
  return {
    side: () => appenders.run(sliceMs),
    close: async () => {
      await appenders.end()
      await (flush === 'plain' ? checkPlain : checkBook)(address, appenders.events, processes * callers)
    },
  }
}

async function checkBook(address: string, events: number, streams: number): Promise<void> {
  const book = await openBook({ store: postgres(address) })
  const verified = await book.verify()
  check(verified.firstBad === undefined, `position ${verified.firstBad?.position} is not as it was recorded`)
  check(verified.events === events, `${verified.events} events were verified, not the ${events} acknowledged`)
  await closeChecked(book, 'postgres', address, events)
  await checkVersions(address, 'daybook.event', streams)
}

async function checkPlain(address: string, events: number, streams: number): Promise<void> {
  const log = await PlainLog.open(address, 1)
  await log.close(events)
  await checkVersions(address, 'event', streams)
}

/** Every stream has the versions from 1 on without a gap, and nobody wrote to another's. */
async function checkVersions(address: string, table: string, streams: number): Promise<void> {
  const rows = await queryServer(
    address,
    `SELECT stream, count(*), max(version) FROM ${table} GROUP BY stream`,
  )
  const broken = rows.filter(([, count, version]) => Number(count) !== Number(version))
  check(
    rows.length === streams && broken.length === 0,
    `${broken.length} of ${rows.length} streams have gaps`,
  )
}
