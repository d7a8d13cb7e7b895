import { runOn, type Session } from './connection.ts'
import type { PostgresConnection } from './driver.ts'
import { ConnectionLost, isConnectionLoss } from './errors.ts'
import * as sql from './statements.ts'

/**
 * The barrier behind commits that did not wait for the disk. A transaction that writes one small record and commits
 * synchronously makes everything before it durable: the write-ahead log is flushed in order, and with synchronous
 * replicas it waits for them as well. All who wait share the next one.
 *
 * (src/backend/access/transam/xact.c, RecordTransactionCommit: a synchronous commit that wrote anything flushes the
 * log up to its own record.)
 */
export class Flusher {
  readonly #session: Session
  #running: Promise<PostgresConnection> | undefined
  #next: Promise<PostgresConnection> | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /**
   * The connection that will flush. Taken before the commit that is to be made durable: a crash of the server ends it,
   * so as long as it is there, nothing committed since was lost.
   */
  ready(): Promise<PostgresConnection> {
    return this.#session.connected()
  }

  /**
   * Resolves when everything committed between `ready` and this call is durable. Rejects with `ConnectionLost` when
   * the connection was lost since: then only the log can tell what is still there.
   */
  async flush(ready: PostgresConnection): Promise<void> {
    const used = await (this.#running === undefined ? this.#start() : this.#after(this.#running))
    if (used !== ready) throw new ConnectionLost(new Error('the server may have been restarted'))
  }

  /** The one under way may have been sent too early; the next is shared by all who come meanwhile. */
  #after(running: Promise<PostgresConnection>): Promise<PostgresConnection> {
    const start = (): Promise<PostgresConnection> => {
      this.#next = undefined
      return this.#start()
    }
    this.#next ??= running.then(start, start)
    return this.#next
  }

  #start(): Promise<PostgresConnection> {
    const running = this.#flush()
    this.#running = running
    const finish = (): void => {
      if (this.#running === running && this.#next === undefined) this.#running = undefined
    }
    running.then(finish, finish)
    return running
  }

  /** A wait for replicas that was cancelled succeeds with a warning, and has not waited: it is done again. */
  async #flush(): Promise<PostgresConnection> {
    const client = await this.#session.connected()
    let isWarned = true
    const listener = (notice: { readonly severity?: string | undefined }): void => {
      if (notice.severity === 'WARNING') isWarned = true
    }
    client.on('notice', listener)
    try {
      for (let attempt = 1; isWarned && attempt <= mostAttempts; attempt++) {
        isWarned = false
        await runOn(client, sql.flush, [], this.#session.options)
      }
    } catch (error) {
      if (isConnectionLoss(error)) this.#session.drop(client)
      throw error
    } finally {
      client.removeListener('notice', listener)
    }
    if (isWarned) throw new ConnectionLost(new Error('the wait for the synchronous replicas was cancelled'))
    return client
  }
}

const mostAttempts = 100
