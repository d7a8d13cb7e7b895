import { type AppendOutcome, planAppend } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity, EventLog, InlineStep } from '../core/ports/store.ts'
import type { RowHasher } from '../core/row-hash.ts'
import { type Row, type Runner, runOn } from './connection.ts'
import { isClient, type PostgresClient } from './driver.ts'
import { isConnectionLoss, isFailedTransaction, openedReadOnly, translated } from './errors.ts'
import { heldFacts, insertPlan } from './facts.ts'
import type { Partitions } from './partitions.ts'
import { changesIn } from './read-models.ts'
import { PostgresReader } from './reading.ts'
import * as statements from './statements.ts'

/** What a joined log needs of the log it belongs to. */
export interface JoinedLogParts {
  readonly name: string
  readonly schema: string
  readonly host: Host
  readonly identity: BookIdentity
  readonly sql: statements.LogStatements
  readonly flush: 'outside-lock' | 'inside-lock' | 'never'
  readonly isReadOnly: boolean
  readonly timeoutMs: number
  readonly partitions: Partitions
}

/** The caller's connection, as far as can be told without asking the server. Throws `TRANSACTION_INVALID`. */
export function joinedClient(transaction: unknown, name: string): PostgresClient {
  if (!isClient(transaction)) {
    throw invalid(name, 'the transaction must be a connected Client of pg, or one checked out of its Pool')
  }
  const status = transaction.getTransactionStatus === undefined ? 'T' : transaction.getTransactionStatus()
  if (status === 'T') return transaction
  if (status === 'E') throw invalid(name, failedBefore)
  throw invalid(name, 'the connection given has no open transaction; run BEGIN first')
}

const failedBefore = 'the transaction on the connection given has failed; roll it back first'

/** Appends that join one transaction take turns: savepoints nest, they do not interleave. */
const turns = new WeakMap<PostgresClient, Mutex>()

/** The log from inside the caller's transaction: sees its uncommitted rows, commits nothing. */
export class JoinedLog extends PostgresReader implements EventLog {
  readonly #parts: JoinedLogParts
  readonly #hasher: RowHasher
  readonly #runner: JoinedRunner
  #flushed: Promise<void> | undefined

  constructor(parts: JoinedLogParts, hasher: RowHasher, client: PostgresClient) {
    const runner = new JoinedRunner(client, parts)
    super({ ...parts, runner })
    this.#parts = parts
    this.#hasher = hasher
    this.#runner = runner
  }

  append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    if (this.#parts.isReadOnly) return Promise.reject(openedReadOnly(this.#parts.name))
    const turn = turns.get(this.#runner.client) ?? new Mutex()
    turns.set(this.#runner.client, turn)
    return turn.run(async () => {
      const attempt: Attempt = {}
      try {
        return await this.#append(requests, inline, attempt).catch(async (error) => {
          if (!(await this.#parts.partitions.madeFor(error, attempt.position))) throw error
          return this.#append(requests, inline, {})
        })
      } catch (error) {
        throw translated(error, this.#parts.name)
      }
    })
  }

  async #append(
    requests: readonly AppendRequest[],
    inline: InlineStep | undefined,
    attempt: Attempt,
  ): Promise<readonly AppendOutcome[]> {
    const { sql, host, schema } = this.#parts
    const runner = this.#runner
    await runner.run(statements.savepoint)
    try {
      await runner.lock()
      const facts = await heldFacts(runner, sql, requests, 0)
      const plan = planAppend(facts, requests, host.now(), this.#hasher)
      attempt.position = plan.head.position
      await Promise.all(insertPlan(runner, sql, plan))
      if (inline !== undefined && plan.rows.length > 0) {
        await inline(plan.rows, changesIn(runner, schema), this)
      }
      await runner.run(statements.releaseSavepoint)
      return plan.outcomes
    } catch (error) {
      if (!isConnectionLoss(error)) await runner.run(statements.rollbackToSavepoint)
      throw error
    }
  }

  within(): EventLog {
    return this
  }

  onAppended(): () => void {
    return () => undefined
  }

  /**
   * What is not committed is not durable; the caller's own commit makes it so, once the transaction has written
   * anything: until then this writes a record of a few bytes, for what the caller only read.
   */
  whenDurable(): Promise<void> {
    this.#flushed ??= this.#runner.run(statements.flushAtCommit).then(() => undefined)
    return this.#flushed
  }
}

interface Attempt {
  /** Where the log was to end after it. */
  position?: number
}

/**
 * Statements on the caller's connection, one after the other: it may be one that cannot take several at a time. The
 * first use makes sure that the transaction is one that may append to this very book.
 */
class JoinedRunner implements Runner {
  readonly client: PostgresClient
  readonly #parts: JoinedLogParts
  readonly #order = new Mutex()
  #checked: Promise<void> | undefined
  #lockTimeout = ''

  constructor(client: PostgresClient, parts: JoinedLogParts) {
    this.client = client
    this.#parts = parts
  }

  run(statement: statements.Statement | string, values?: readonly unknown[]): Promise<readonly Row[]> {
    return this.#order.run(async () => {
      await this.#checkOnce()
      // Not prepared by name: the connection is the caller's, and may go through a pooler.
      return runOn(this.client, statement, values, { isPrepared: false })
    })
  }

  /**
   * Takes the log's lock. Whoever waits without bound by their own setting waits no longer than the store would; the
   * setting is then put back, by this statement or by the savepoint.
   */
  async lock(): Promise<void> {
    const { sql, timeoutMs } = this.#parts
    await this.#order.run(() => this.#checkOnce())
    const isBound = this.#lockTimeout !== '0'
    await this.run(isBound ? sql.lock : statements.boundLock(sql.lock.text, timeoutMs))
  }

  #checkOnce(): Promise<void> {
    this.#checked ??= this.#check()
    return this.#checked
  }

  async #check(): Promise<void> {
    const { name, sql, identity, flush } = this.#parts
    await runOn(this.client, statements.savepoint).catch((cause) => {
      // The driver rejects a failed statement before it hears that the transaction has failed with it.
      throw isFailedTransaction(cause) ? invalid(name, failedBefore, cause) : cause
    })
    const book = await runOn(this.client, sql.readBook, [], { isPrepared: false }).catch(async (cause) => {
      await runOn(this.client, statements.rollbackToSavepoint)
      throw invalid(name, 'the connection given cannot read this book', cause)
    })
    const [settings] = await runOn(this.client, statements.readTransaction, [], { isPrepared: false })
    await runOn(this.client, statements.releaseSavepoint)
    const [isolation, synchronousCommit, lockTimeout] = settings ?? []
    this.#lockTimeout = lockTimeout ?? ''
    if (book[0]?.[0] !== identity.bookId) throw invalid(name, 'the connection given is to another book')
    if (isolation !== 'read committed') {
      throw invalid(
        name,
        `the transaction is ${isolation}; it must be READ COMMITTED, to see what was appended before it got the lock`,
      )
    }
    if (synchronousCommit === 'off' && flush !== 'never') {
      throw new DaybookError(
        'STORE_UNSAFE',
        `${name}: the connection given has synchronous_commit = off, so the append could be lost after its commit`,
        { store: name, setting: 'synchronous_commit = off' },
      )
    }
  }
}

function invalid(name: string, problem: string, cause?: unknown): DaybookError {
  return new DaybookError('TRANSACTION_INVALID', `${name}: ${problem}`, { store: name }, cause)
}
