import { statSync } from 'node:fs'
import { join } from 'node:path'
import { openBook } from 'daybook'
import { account, actor, movementEvent } from '../bank.ts'
import { storeOf } from '../bank-log.ts'
import { BareLog, bareRow, openBare } from '../bare-log.ts'
import type { Benchmark } from '../benchmark.ts'
import { figure } from '../measuring.ts'
import { closeChecked } from '../self-check.ts'

/** Each append holds one event of every stream. */
const streams = 1_000

/** What one event takes on the disk with its indexes, against the same rows in a bare table. */
export const storage: Benchmark = {
  name: 'storage-per-event',
  stores: ['sqlite'],
  async run(setting) {
    const { folder, isQuick, store } = setting
    const events = isQuick ? 10_000 : 100_000
    const path = join(folder, 'storage.db')
    const barePath = join(folder, 'storage-bare.db')
    const book = await openBook({ store: storeOf(store, path), deciders: [account] })
    const log = new BareLog(barePath)
    for (let from = 0; from < events; from += streams) {
      const indexes = Array.from({ length: streams }, (_, index) => from + index)
      await book.append(
        indexes.map((index) => ({ stream: streamOf(index), events: [movementEvent(index + 1)] })),
        { actor },
      )
      log.appendBatch(
        indexes.map((index) => bareRow(index + 1, streamOf(index), Math.floor(index / streams) + 1)),
      )
    }
    log.close(events)
    await closeChecked(book, store, path, events)
    const [value, baseline] = [bytesOf(path) / events, bytesOf(barePath) / events]
    return [figure('storage-per-event', setting, 'bytes', { value, baseline })]
  },
}

function streamOf(index: number): string {
  return `account-${index % streams}`
}

/** Of the file once all of the write-ahead log is in it. */
function bytesOf(path: string): number {
  const database = openBare(path)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  return statSync(path).size
}
