import { openBook } from 'daybook'
import { account, actor, movementEvent } from '../bank.ts'
import { addressOf, storeOf } from '../bank-log.ts'
import type { Benchmark } from '../benchmark.ts'
import { figure } from '../measuring.ts'
import { closeChecked, queryServer } from '../self-check.ts'
import { PlainLog, plainRow } from './plain-log.ts'

/** Each append holds one event of every stream. */
const streams = 1_000

/**
 * What one event takes on the disk with its indexes, and what is written ahead for it, against the plain table: which
 * has no ids, no hashes, and shorter metadata.
 */
export const storageOnServer: Benchmark = {
  name: 'storage-per-event',
  stores: ['postgres'],
  async run(setting) {
    const events = setting.isQuick ? 10_000 : 100_000
    const address = await addressOf('storage', setting)
    const { servers } = setting
    const plainAddress = await servers.database(await servers.ordinary(), 'storage-plain')
    const book = await openBook({ store: storeOf('postgres', address), deciders: [account] })
    const log = await PlainLog.open(plainAddress, 1)
    const [ahead, aheadPlain] = [new WrittenAhead(address), new WrittenAhead(plainAddress)]
    for (let from = 0; from < events; from += streams) {
      const indexes = Array.from({ length: streams }, (_, index) => from + index)
      await ahead.during(() =>
        book.append(
          indexes.map((index) => ({ stream: streamOf(index), events: [movementEvent(index + 1)] })),
          { actor },
        ),
      )
      const rows = indexes.map((index) =>
        plainRow(index + 1, streamOf(index), Math.floor(index / streams) + 1),
      )
      await aheadPlain.during(() => log.appendBatch(rows))
    }
    await log.close(events)
    await closeChecked(book, 'postgres', address, events)
    const size = async (at: string, schema: string): Promise<number> => (await bytesOf(at, schema)) / events
    return [
      figure('storage-per-event', setting, 'bytes', {
        value: await size(address, 'daybook'),
        baseline: await size(plainAddress, 'public'),
      }),
      figure('written-ahead-per-event', setting, 'bytes', {
        value: ahead.bytes / events,
        baseline: aheadPlain.bytes / events,
      }),
    ]
  },
}

function streamOf(index: number): string {
  return `account-${index % streams}`
}

/** Of all tables of a schema, with their indexes. */
async function bytesOf(address: string, schema: string): Promise<number> {
  const [row] = await queryServer(
    address,
    `SELECT sum(pg_total_relation_size(oid)) FROM pg_class
     WHERE relkind = 'r' AND relnamespace = '${schema}'::regnamespace`,
  )
  return Number(row?.[0])
}

/** Counts the bytes of the server's write-ahead log while something is done and nothing else is. */
class WrittenAhead {
  bytes = 0
  readonly #address: string

  constructor(address: string) {
    this.#address = address
  }

  async during(work: () => Promise<unknown>): Promise<void> {
    const before = await this.#position()
    await work()
    this.bytes += (await this.#position()) - before
  }

  async #position(): Promise<number> {
    const text = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
    return Number((await queryServer(this.#address, text))[0]?.[0])
  }
}
