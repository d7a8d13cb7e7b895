import { DaybookError } from '../core/errors.ts'
import { type Row, type Runner, runOn, type Session } from './connection.ts'
import type { PostgresConnection } from './driver.ts'
import { ConnectionLost, isConnectionLoss, isServerError } from './errors.ts'
import * as sql from './statements.ts'

/**
 * One transaction on a session's connection, which nobody else may use meanwhile. Its statements are sent at once and
 * answered later; whoever sends several waits for them with `together`.
 */
export class Transaction implements Runner {
  readonly #session: Session
  readonly #client: PostgresConnection
  #isEnding = false

  constructor(session: Session, client: PostgresConnection) {
    this.#session = session
    this.#client = client
  }

  /** True once COMMIT was sent: when the connection is lost after that, only the log can tell what became of it. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  run(statement: sql.Statement | string, values?: readonly unknown[]): Promise<readonly Row[]> {
    return runOn(this.#client, statement, values, this.#session.options)
  }

  /** Resolves when it is committed. */
  async commit(): Promise<void> {
    this.#isEnding = true
    const { replyTimeoutMs } = this.#session.options
    const types = { getTypeParser: () => (text: string) => text }
    try {
      const { command } = await this.#client.query({
        text: sql.commit,
        rowMode: 'array',
        types,
        query_timeout: replyTimeoutMs,
      })
      // The server answers the COMMIT of a failed transaction with a ROLLBACK, and no error.
      if (command !== sql.commit)
        throw new DaybookError('TRANSACTION_ABORTED', 'the transaction was rolled back')
    } catch (error) {
      throw isServerError(error) || error instanceof DaybookError ? error : new ConnectionLost(error)
    }
  }

  /** Gives the transaction up after an error, so that the connection can be used again or is gone. */
  async abandon(error: unknown): Promise<void> {
    if (isConnectionLoss(error)) {
      this.#session.drop(this.#client)
      return
    }
    try {
      if (!this.#isEnding) await this.run(sql.rollback)
    } catch {
      this.#session.drop(this.#client)
    }
  }
}

/** Waits for statements sent together; throws the error of the first that failed, of which the others' are echoes. */
export async function together<Pending extends readonly unknown[] | []>(
  pending: Pending,
): Promise<{ -readonly [Index in keyof Pending]: Awaited<Pending[Index]> }> {
  for (const result of await Promise.allSettled(pending)) {
    if (result.status === 'rejected') throw result.reason
  }
  return Promise.all(pending)
}

/**
 * Runs work in a transaction of a session that nobody else uses meanwhile. Throws the errors of the server as they are.
 *
 * @param begunOn the connection it must be; `ConnectionLost` when that one is gone
 */
export async function transact<Result>(
  session: Session,
  begin: string,
  work: (transaction: Transaction) => Promise<Result>,
  begunOn?: PostgresConnection,
): Promise<Result> {
  const client = await session.connected()
  if (begunOn !== undefined && begunOn !== client)
    throw new ConnectionLost(new Error('it was made anew since'))
  const transaction = new Transaction(session, client)
  try {
    const [, result] = await together([transaction.run(begin), work(transaction)])
    await transaction.commit()
    return result
  } catch (error) {
    await transaction.abandon(error)
    throw error
  }
}
