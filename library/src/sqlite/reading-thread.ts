/** A thread that reads brief pages over a connection of its own, ahead of the thread that folds them; see `read-ahead.ts`. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { LogSlice } from '../core/ports/store.ts'
import { type Connection, type ConnectionOptions, connect } from './connection.ts'
import { readIdentity } from './migrate.ts'
import { type PackedPage, readPacked } from './packed-page.ts'
import { smallCache } from './statements.ts'

export interface ThreadOrder {
  readonly options: ConnectionOptions
  /** The book that is read: another file may lie at the path by now. */
  readonly bookId: string
  readonly epoch: number
}

/** Asks for one more page of a run, or for the first of another. */
export interface ThreadRequest {
  readonly run: number
  readonly slice?: LogSlice
  readonly pages: number
}

export interface ThreadAnswer {
  readonly run: number
  /** Undefined where the page has to be read otherwise, which ends the run. */
  readonly page: PackedPage | undefined
}

/** Answers requests until the thread is ended. Throws, which ends it, where the book cannot be read. */
function serve(port: MessagePort, { options, bookId, epoch }: ThreadOrder): void {
  const connection = connect({ ...options, isReadOnly: true })
  connection.database.exec(smallCache)
  const identity = readIdentity(connection)
  if (identity.bookId !== bookId || identity.epoch !== epoch)
    throw new Error(`${options.name} is another book by now`)
  let run = 0
  let rest: LogSlice | undefined
  port.on('message', (request: ThreadRequest) => {
    if (request.slice !== undefined) {
      run = request.run
      rest = request.slice
    } else if (request.run !== run) return
    for (let left = request.pages; left > 0; left--) {
      const page = rest && pageOf(connection, rest)
      rest = rest && page && restAfter(rest, page)
      const answer: ThreadAnswer = { run, page }
      port.postMessage(answer)
      if (page === undefined) return
    }
  })
  port.postMessage('ready')
}

/** Nothing after the end: what is appended later is read by who asks. */
function restAfter(slice: LogSlice, { scannedTo, head }: PackedPage): LogSlice | undefined {
  return scannedTo < Math.min(head, slice.toPosition) ? { ...slice, afterPosition: scannedTo } : undefined
}

/** What goes wrong here goes wrong there too, where it is reported. */
function pageOf(connection: Connection, slice: LogSlice): PackedPage | undefined {
  try {
    return readPacked(connection, slice)
  } catch {
    return undefined
  }
}

// Only where it was begun as a thread: who imports it gets nothing but its types.
if (parentPort !== null) serve(parentPort, workerData as ThreadOrder)
