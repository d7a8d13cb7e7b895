import { int8Array } from './arrays.ts'
import { type Row, runOn, type Session } from './connection.ts'
import type { PostgresNotice } from './driver.ts'
import { ConnectionLost, isCancelledWait, isConnectionLoss } from './errors.ts'
import type { LogStatements } from './statements.ts'

/** What is on the disk when a flush is done. */
export interface Flushed {
  /** Position of the head. */
  readonly head: number
  /** Of the events at the positions asked for, those that are there. */
  readonly events: ReadonlyMap<number, FlushedEvent>
}

/** Enough to tell one event from another that took its place after a crash. */
export interface FlushedEvent {
  readonly id: string
  /** In hexadecimal digits. */
  readonly chainHash: string
}

/**
 * The barrier behind commits that did not wait for the disk. A transaction that writes one small record and commits
 * synchronously makes everything before it durable: the write-ahead log is flushed in order, and with synchronous
 * replicas it waits for them as well. All who wait share the next one.
 *
 * A crash before the flush may have taken away what is to be flushed, and nothing else may tell: through a pooler even
 * the connection outlives it. So the same statement reads the events in question: those it sees were committed before
 * it, on a server that has not crashed since.
 *
 * (src/backend/access/transam/xact.c, RecordTransactionCommit: a synchronous commit that wrote anything flushes the
 * log up to its own record.)
 */
export class Flusher {
  readonly #session: Session
  readonly #sql: LogStatements
  #next: Batch | undefined
  #isRunning = false

  constructor(session: Session, sql: LogStatements) {
    this.#session = session
    this.#sql = sql
  }

  /** Resolves when everything that was committed before this call is durable. */
  flush(position: number): Promise<Flushed> {
    // The one under way may have been sent too early.
    this.#next ??= { positions: new Set(), ...Promise.withResolvers<Flushed>() }
    const { positions, promise } = this.#next
    positions.add(position)
    if (!this.#isRunning) void this.#run()
    return promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let batch = this.#next; batch !== undefined; batch = this.#next) {
      this.#next = undefined
      await this.#flush([...batch.positions]).then(batch.resolve, batch.reject)
    }
    this.#isRunning = false
  }

  /** A wait for replicas that was cancelled succeeds with a warning, and has not waited: it is done again. */
  async #flush(positions: readonly number[]): Promise<Flushed> {
    const client = await this.#session.connected()
    let isWarned = false
    const listener = (notice: PostgresNotice): void => {
      if (isCancelledWait(notice)) isWarned = true
    }
    client.on('notice', listener)
    try {
      for (let attempt = 1; attempt <= mostAttempts; attempt++) {
        isWarned = false
        const rows = await runOn(
          client,
          this.#sql.flush,
          [int8Array(positions), Math.min(...positions)],
          this.#session.options,
        )
        if (!isWarned) return flushedFrom(rows)
      }
    } catch (error) {
      if (isConnectionLoss(error)) this.#session.drop(client)
      throw error
    } finally {
      client.removeListener('notice', listener)
    }
    throw new ConnectionLost(new Error('the wait for the synchronous replicas was cancelled'))
  }
}

interface Batch extends PromiseWithResolvers<Flushed> {
  readonly positions: Set<number>
}

const mostAttempts = 100

/** What the flushing statement answered. */
export function flushedFrom(rows: readonly Row[]): Flushed {
  const events = rows.flatMap(([, position, id, chainHash]) =>
    id === null || id === undefined
      ? []
      : [[Number(position), { id, chainHash: String(chainHash) }] as const],
  )
  return { head: Number(rows[0]?.[4] ?? 0), events: new Map(events) }
}

/** Whether an event has the id given, or the chain hash, as bytes or in hexadecimal digits. */
export function isOf(event: FlushedEvent | undefined, proof: string | Uint8Array): boolean {
  if (event === undefined) return false
  const digits = typeof proof === 'string' ? proof : Buffer.from(proof).toString('hex')
  return event.id === digits || event.chainHash === digits
}

/** What is thrown for an event that is not what it was, or not there. */
export function gone(position: number): ConnectionLost {
  return new ConnectionLost(new Error(`the event at position ${position} was lost when the server crashed`))
}
