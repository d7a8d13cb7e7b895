import { type AppendOutcome, type AppendPlan, type LogHead, planAppend } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity, EventLog, InlineStep } from '../core/ports/store.ts'
import { RowHasher } from '../core/row-hash.ts'
import { uuidArray } from './arrays.ts'
import type { Session } from './connection.ts'
import {
  ConnectionLost,
  isConnectionLoss,
  isOvertaken,
  isWorthRepeating,
  openedReadOnly,
  translated,
} from './errors.ts'
import { heldFacts, insertPlan } from './facts.ts'
import { type FlushedEvent, type Flusher, flushedFrom, flushValues } from './flushing.ts'
import { JoinedLog, joinedClient } from './joined-log.ts'
import { namingHolder } from './lock-holders.ts'
import type { Notifier } from './notifying.ts'
import type { Partitions } from './partitions.ts'
import { changesIn } from './read-models.ts'
import { PostgresReader } from './reading.ts'
import { begin, flushLater, hearWarnings, type LogStatements } from './statements.ts'
import { Transaction, together, transact } from './transaction.ts'

/** What the log of one schema needs. */
export interface PostgresLogParts {
  readonly name: string
  readonly schema: string
  readonly host: Host
  readonly identity: BookIdentity
  readonly sql: LogStatements
  readonly readers: readonly Session[]
  readonly writer: Session
  readonly flusher: Flusher
  readonly notifier: Notifier
  readonly partitions: Partitions
  /** Where the flush is waited for; see `PostgresOptions.flush`. */
  readonly flush: 'outside-lock' | 'inside-lock' | 'never'
  /** Opened for reading alone: appends are refused, whatever the user may do. */
  readonly isReadOnly: boolean
  readonly timeoutMs: number
}

/** The log in one schema of a PostgreSQL database. Any number of processes may append to it at the same time. */
export class PostgresLog extends PostgresReader implements EventLog {
  readonly #parts: PostgresLogParts
  readonly #hasher: RowHasher
  readonly #turns = new Mutex()
  #isClosing = false
  /** A position that the log is known to have: the search for its end begins there. */
  #knownPosition = 0
  /** The head as it was after the last append of this process. */
  #ownHead = 0
  /** Everything up to here is known to be durable. */
  #durablePosition = 0

  constructor(parts: PostgresLogParts) {
    super(parts)
    this.#parts = parts
    this.#hasher = new RowHasher(parts.host.sha256)
  }

  append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    if (this.#isClosing)
      return Promise.reject(new DaybookError('BOOK_CLOSED', `${this.#parts.name} is closed`))
    if (this.#parts.isReadOnly) return Promise.reject(openedReadOnly(this.#parts.name))
    return this.#turns.run(async () => {
      try {
        const plan = await this.#appendDurably(requests, inline)
        this.#parts.partitions.reached(plan.head.position)
        if (plan.rows.length > 0) this.#parts.notifier.notify()
        return plan.outcomes
      } catch (error) {
        const { name, schema, host, readers } = this.#parts
        throw await namingHolder(translated(error, name), { runner: readers[0] as Session, schema, host })
      }
    })
  }

  within(transaction: unknown): EventLog {
    return new JoinedLog(this.#parts, this.#hasher, joinedClient(transaction, this.#parts.name))
  }

  onAppended(listener: () => void): () => void {
    return this.#parts.notifier.listen(listener)
  }

  async whenDurable(position: number, proof?: string | Uint8Array): Promise<void> {
    if (position <= this.#durablePosition || this.#parts.flush === 'never') return
    const known = proof ?? this.hashOfHead(position)
    try {
      const { head, events } = await this.#parts.flusher.flush(position)
      if (head < position || (known !== undefined && !isOf(events.get(position), known))) throw gone(position)
      this.#noteDurable(head)
    } catch (error) {
      throw translated(error, this.#parts.name)
    }
  }

  /** Accepts no more appends, and resolves when those under way are answered. */
  close(): Promise<void> {
    this.#isClosing = true
    return this.#turns.run(async () => undefined)
  }

  /** Resolves when the batch is durable; tries again as long as it is certain that nothing of it is there. */
  async #appendDurably(
    requests: readonly AppendRequest[],
    inline: InlineStep | undefined,
  ): Promise<AppendPlan> {
    const deadlineMs = performance.now() + this.#parts.timeoutMs
    for (let delayMs = 5; ; delayMs = Math.min(500, delayMs * 2)) {
      const attempt: Attempt = { plan: undefined, isDoubtful: false }
      try {
        await this.#attempt(requests, inline, attempt)
      } catch (error) {
        const { plan, isDoubtful } = attempt
        if (!isDoubtful || !(await this.#isThere(plan?.rows ?? [], error, deadlineMs))) {
          const isHarmless =
            isConnectionLoss(error) ||
            isWorthRepeating(error) ||
            isOvertaken(error) ||
            (await this.#parts.partitions.madeFor(error, plan?.head.position))
          attempt.plan = undefined
          if (!isHarmless || performance.now() >= deadlineMs) throw error
        }
      }
      if (attempt.plan !== undefined) {
        this.#knownPosition = attempt.plan.head.position
        this.#ownHead = this.#knownPosition
        if (this.#parts.flush !== 'never') this.#noteDurable(this.#knownPosition)
        return attempt.plan
      }
      await this.#parts.host.sleep(delayMs * (0.5 + this.#parts.host.random()))
    }
  }

  /**
   * Two round trips: lock and facts; rows, commit and flush. The lock is free as soon as the commit is done, before the
   * flush, which looks whether the rows are still there: a crash between the two cannot go unnoticed.
   */
  async #attempt(
    requests: readonly AppendRequest[],
    inline: InlineStep | undefined,
    attempt: Attempt,
  ): Promise<void> {
    const { writer, host, sql, flush, timeoutMs, schema } = this.#parts
    await using transaction = new Transaction(writer, await writer.connected())
    try {
      const [, facts] = await transaction.sendTogether(() => [
        transaction.run(`${begin(timeoutMs, true)};${hearWarnings};${sql.lock}`),
        heldFacts(transaction, sql, requests, this.#knownPosition),
      ])
      const plan = planAppend(facts, requests, host.now(), this.#hasher)
      attempt.plan = plan
      const hasWritten = plan.rows.length > 0 || plan.keys.length > 0
      // While nobody else appends, nobody waits for the lock, and a flush before its release costs least.
      const isAlone = facts.head.position === this.#ownHead && this.#ownHead > 0
      const isApart = flush === 'never' || (flush === 'outside-lock' && !isAlone)
      const end = (): Promise<unknown>[] => this.#end(transaction, { hasWritten, isApart, head: plan.head })
      if (inline === undefined || plan.rows.length === 0) {
        await transaction.sendTogether(() => [...insertPlan(transaction, sql, plan), ...end()])
      } else {
        await transaction.sendTogether(() => insertPlan(transaction, sql, plan))
        const reader = new PostgresReader({ ...this.#parts, runner: transaction })
        await inline(plan.rows, changesIn(transaction, schema), reader)
        await transaction.sendTogether(end)
      }
      if (flush !== 'never') transaction.requireNoWarning()
    } catch (error) {
      attempt.isDoubtful = transaction.isEnded || transaction.isInDoubt
      await transaction.abandon(error)
      throw error
    }
  }

  /** Ends the transaction and makes it durable: in one step, or by letting go of the lock first. */
  #end(
    transaction: Transaction,
    {
      hasWritten,
      isApart,
      head,
    }: { readonly hasWritten: boolean; readonly isApart: boolean; readonly head: LogHead },
  ): Promise<unknown>[] {
    const { flush } = this.#parts
    // An answer that rests on events of others must not come before these are durable either.
    const mustFlush = flush !== 'never' && (hasWritten ? isApart : head.position > this.#durablePosition)
    return [
      ...(hasWritten && isApart ? [transaction.run(flushLater)] : []),
      hasWritten ? transaction.commit() : transaction.rollback(),
      ...(mustFlush ? [this.#flush(transaction, head)] : []),
    ]
  }

  /** Makes durable what was committed before, on this connection and on all others, and makes sure that it is there. */
  async #flush(transaction: Transaction, { position, chainHash }: LogHead): Promise<void> {
    const rows = await transaction.run(this.#parts.sql.flush, flushValues([position]))
    if (position > 0 && !isOf(flushedFrom(rows).events.get(position), chainHash)) throw gone(position)
  }

  /**
   * Finds out what became of rows whose commit or flush was not answered, and makes them durable when they are there.
   * False when they are not, and never will be. Throws `APPEND_IN_DOUBT` when the server cannot be asked in time.
   */
  async #isThere(rows: AppendPlan['rows'], doubt: unknown, deadlineMs: number): Promise<boolean> {
    const { host, flusher, name } = this.#parts
    const ids = rows.map(({ id }) => id)
    const last = rows.at(-1)
    if (last === undefined) {
      // What was answered from the events of others is decided again.
      if (performance.now() < deadlineMs) return false
      throw doubt
    }
    for (let delayMs = 10; ; delayMs = Math.min(500, delayMs * 2)) {
      try {
        if (!(await this.#areCommitted(ids))) return false
        const { events } = await flusher.flush(last.position)
        if (!isOf(events.get(last.position), last.id)) throw gone(last.position)
        return true
      } catch (error) {
        if (performance.now() >= deadlineMs) throw inDoubt(name, ids, doubt, error)
      }
      await host.sleep(delayMs * (0.5 + host.random()))
    }
  }

  /**
   * Whoever gets the lock knows that its old holder has ended, so its events are there for good, or will never be.
   */
  #areCommitted(ids: readonly string[]): Promise<boolean> {
    const { writer, sql, timeoutMs } = this.#parts
    return transact(writer, begin(timeoutMs, true), async (transaction) => {
      const [, found] = await together([
        transaction.run(sql.lock),
        transaction.run(sql.readIds, [uuidArray(ids)]),
      ])
      return found.length === ids.length
    })
  }

  #noteDurable(position: number): void {
    this.#durablePosition = Math.max(this.#durablePosition, position)
  }
}

/** Whether an event has the id given, or the chain hash, as bytes or in hexadecimal digits. */
function isOf(event: FlushedEvent | undefined, proof: string | Uint8Array): boolean {
  if (event === undefined) return false
  const digits = typeof proof === 'string' ? proof : Buffer.from(proof).toString('hex')
  return event.id === digits || event.chainHash === digits
}

function gone(position: number): ConnectionLost {
  return new ConnectionLost(new Error(`the event at position ${position} was lost when the server crashed`))
}

interface Attempt {
  plan: AppendPlan | undefined
  /** True when it may have been committed, and is not known to be durable. */
  isDoubtful: boolean
}

function inDoubt(name: string, ids: readonly string[], doubt: unknown, cause: unknown): DaybookError {
  return new DaybookError(
    'APPEND_IN_DOUBT',
    `${name}: the connection was lost while ${ids.length} events were being committed, and the server could not be asked since`,
    { store: name, ids, cause: String(cause) },
    doubt,
  )
}
