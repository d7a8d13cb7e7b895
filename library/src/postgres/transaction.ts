import { DaybookError } from '../core/errors.ts'
import { type Row, type Runner, resultOn, runOn, type Session } from './connection.ts'
import type { PostgresConnection, PostgresNotice } from './driver.ts'
import {
  ConnectionLost,
  isCancelledWait,
  isConnectionLoss,
  isServerError,
  isWorthRepeating,
} from './errors.ts'
import * as sql from './statements.ts'

/**
 * One transaction on a session's connection, which nobody else may use meanwhile. Its statements are sent at once and
 * answered later; whoever sends several waits for them with `together`.
 */
export class Transaction implements Runner {
  readonly #session: Session
  readonly #client: PostgresConnection
  #isEnding = false
  #isInDoubt = false
  #isEnded = false
  #isWarned = false
  #failure: unknown
  readonly #onNotice = (notice: PostgresNotice): void => {
    if (isCancelledWait(notice)) this.#isWarned = true
  }

  constructor(session: Session, client: PostgresConnection) {
    this.#session = session
    this.#client = client
    client.on('notice', this.#onNotice)
  }

  /**
   * True when its end was sent and answered by no more than an error, be it in the server's own words: one that stops
   * while it commits may have done so. Only the log can tell what became of it.
   */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /** True once the server said that it is committed, or rolled back as asked. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** What the first of its statements failed with that ended the transaction for a reason of the server's own. */
  get failure(): unknown {
    return this.#failure
  }

  async run(statement: sql.Statement | string, values?: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return await runOn(this.#client, statement, values, this.#session.options)
    } catch (error) {
      throw this.#noted(error)
    }
  }

  /** Runs one statement of the user's; rows are objects, of the values that the driver makes of them. */
  async objects(
    text: string,
    values: readonly unknown[],
    name: string | undefined,
  ): Promise<readonly { readonly [column: string]: unknown }[]> {
    const { isPrepared, replyTimeoutMs } = this.#session.options
    const named = name !== undefined && isPrepared ? { name } : {}
    const timeout = replyTimeoutMs === undefined ? {} : { query_timeout: replyTimeoutMs }
    const one = { rowMode: 'array', queryMode: 'extended' } as const
    try {
      const query = { text, values: [...values], ...one, ...named, ...timeout }
      const { rows, fields = [] } = await this.#client.query(query)
      return (rows ?? []).map((row) =>
        Object.fromEntries(fields.map((field, index) => [field.name, row[index]])),
      )
    } catch (error) {
      throw this.#noted(isServerError(error) ? error : new ConnectionLost(error))
    }
  }

  #noted(error: unknown): unknown {
    if (isConnectionLoss(error) || isWorthRepeating(error)) this.#failure ??= error
    return error
  }

  /** Runs what writes rows; returns how many, or null when that is not said. */
  async count(statement: sql.Statement, values: readonly unknown[]): Promise<number | null> {
    return (await resultOn(this.#client, statement, values, this.#session.options)).rowCount
  }

  /** Sends what is run at once in one piece, which spares both sides most of their system calls; waits for all of it. */
  async sendTogether<Pending extends readonly unknown[] | []>(
    run: () => Pending,
  ): Promise<{ -readonly [Index in keyof Pending]: Awaited<Pending[Index]> }> {
    const stream = this.#client.connection?.stream
    stream?.cork?.()
    let pending: Pending
    try {
      pending = run()
    } finally {
      stream?.uncork?.()
    }
    return together(pending)
  }

  /** Resolves when it is committed. */
  async commit(): Promise<void> {
    this.#isEnding = true
    // The server answers the COMMIT of a failed transaction with a ROLLBACK, and no error.
    if ((await this.#end(sql.commit)) === sql.commit) this.#isEnded = true
    else throw new DaybookError('TRANSACTION_ABORTED', 'the transaction was rolled back')
  }

  /** Ends a transaction that has written nothing. */
  async rollback(): Promise<void> {
    this.#isEnding = true
    await this.#end(sql.rollback)
    this.#isEnded = true
  }

  /** A wait for replicas that was cancelled succeeds, with a warning: what it waited for is not known to be there. */
  requireNoWarning(): void {
    if (this.#isWarned)
      throw new ConnectionLost(new Error('the wait for the synchronous replicas was cancelled'))
  }

  /** Gives the transaction up after an error, so that the connection can be used again or is gone. */
  async abandon(error: unknown): Promise<void> {
    if (isConnectionLoss(error) || this.#isInDoubt) {
      this.#session.drop(this.#client)
      return
    }
    try {
      if (!this.#isEnding) await this.run(sql.rollback)
    } catch {
      this.#session.drop(this.#client)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.removeListener('notice', this.#onNotice)
  }

  async #end(text: string): Promise<string | null> {
    const { replyTimeoutMs } = this.#session.options
    const types = { getTypeParser: () => (cell: string) => cell }
    try {
      const timeout = replyTimeoutMs === undefined ? {} : { query_timeout: replyTimeoutMs }
      return (await this.#client.query({ text, rowMode: 'array', types, ...timeout })).command
    } catch (error) {
      this.#isInDoubt = true
      throw isServerError(error) ? error : new ConnectionLost(error)
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

/** Runs work in a transaction of a session that nobody else uses meanwhile. Throws the errors of the server as they are. */
export async function transact<Result>(
  session: Session,
  begin: string,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  await using transaction = new Transaction(session, await session.connected())
  try {
    const [, result] = await together([transaction.run(begin), work(transaction)])
    await transaction.commit()
    return result
  } catch (error) {
    await transaction.abandon(error)
    throw error
  }
}
