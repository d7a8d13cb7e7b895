import { type AppendOutcome, type AppendPlan, planAppend } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity, EventLog, InlineStep } from '../core/ports/store.ts'
import { RowHasher } from '../core/row-hash.ts'
import { uuidArray } from './arrays.ts'
import type { Session } from './connection.ts'
import type { PostgresConnection } from './driver.ts'
import { ConnectionLost, isConnectionLoss, isOvertaken, isWorthRepeating, translated } from './errors.ts'
import { heldFacts, insertPlan } from './facts.ts'
import type { Flusher } from './flushing.ts'
import { JoinedLog, joinedClient } from './joined-log.ts'
import { namingHolder } from './lock-holders.ts'
import type { Notifier } from './notifying.ts'
import type { Partitions } from './partitions.ts'
import { changesIn } from './read-models.ts'
import { PostgresReader } from './reading.ts'
import { begin, type LogStatements, rollback } from './statements.ts'
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
  readonly timeoutMs: number
}

/** The log in one schema of a PostgreSQL database. Any number of processes may append to it at the same time. */
export class PostgresLog extends PostgresReader implements EventLog {
  readonly #parts: PostgresLogParts
  readonly #hasher: RowHasher
  readonly #turns = new Mutex()
  readonly #underWay = new Set<Promise<unknown>>()
  #isClosing = false
  /** A position that the log is known to have: the search for its end begins there. */
  #knownPosition = 0
  /** Everything up to here is known to be durable. */
  #durablePosition = 0

  constructor(parts: PostgresLogParts) {
    super(parts)
    this.#parts = parts
    this.#hasher = new RowHasher(parts.host.sha256)
  }

  append(
    requests: readonly AppendRequest[],
    inline?: InlineStep,
    onCommitted?: () => void,
  ): Promise<readonly AppendOutcome[]> {
    if (this.#isClosing)
      return Promise.reject(new DaybookError('BOOK_CLOSED', `${this.#parts.name} is closed`))
    const appending = this.#append(requests, inline, onCommitted)
    const ended = appending.then(
      () => this.#underWay.delete(ended),
      () => this.#underWay.delete(ended),
    )
    this.#underWay.add(ended)
    return appending
  }

  async #append(
    requests: readonly AppendRequest[],
    inline: InlineStep | undefined,
    onCommitted: (() => void) | undefined,
  ): Promise<readonly AppendOutcome[]> {
    const deadlineMs = performance.now() + this.#parts.timeoutMs
    try {
      for (;;) {
        const committed = await this.#turns.run(() => this.#commit(requests, inline, deadlineMs))
        onCommitted?.()
        if (await this.#isDurable(committed, deadlineMs)) {
          if (committed.plan.rows.length > 0) this.#parts.notifier.notify()
          return committed.plan.outcomes
        }
      }
    } catch (error) {
      const { name, schema, readers } = this.#parts
      throw await namingHolder(translated(error, name), readers[0], schema)
    }
  }

  within(transaction: unknown): EventLog {
    return new JoinedLog(this.#parts, this.#hasher, joinedClient(transaction, this.#parts.name))
  }

  onAppended(listener: () => void): () => void {
    return this.#parts.notifier.listen(listener)
  }

  async whenDurable(position: number, proof?: string | Uint8Array): Promise<void> {
    if (position <= this.#durablePosition || this.#parts.flush === 'never') return
    try {
      const ready = await this.#parts.flusher.ready()
      // What was read before this connection was made may have been lost with the server since.
      if (proof !== undefined && !(await this.#isStill(position, proof))) throw gone(position)
      await this.#parts.flusher.flush(ready)
      this.#durablePosition = Math.max(this.#durablePosition, position)
    } catch (error) {
      throw translated(error, this.#parts.name)
    }
  }

  /** Accepts no more appends, and resolves when those under way are answered. */
  async close(): Promise<void> {
    this.#isClosing = true
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** Commits the batch once; again when it is certain that nothing was written. */
  async #commit(
    requests: readonly AppendRequest[],
    inline: InlineStep | undefined,
    deadlineMs: number,
  ): Promise<Committed> {
    for (let delayMs = 5; ; delayMs = Math.min(500, delayMs * 2)) {
      const attempt: Attempt = { plan: undefined, isDoubtful: false }
      try {
        return await this.#attempt(requests, inline, attempt)
      } catch (error) {
        const ids = attempt.plan?.rows.map(({ id }) => id) ?? []
        if (attempt.isDoubtful && attempt.plan !== undefined && ids.length > 0) {
          const ready = await this.#resolve(ids, error, deadlineMs)
          if (ready !== undefined) return { plan: attempt.plan, ready }
        } else {
          const lacked = await this.#parts.partitions.madeFor(error, attempt.plan?.head.position)
          const isHarmless = isConnectionLoss(error) || isWorthRepeating(error) || isOvertaken(error) || lacked
          if (!isHarmless || performance.now() >= deadlineMs) throw error
        }
      }
      await this.#parts.host.sleep(delayMs * (0.5 + this.#parts.host.random()))
    }
  }

  /** Two round trips: lock and facts, then rows and commit. */
  async #attempt(
    requests: readonly AppendRequest[],
    inline: InlineStep | undefined,
    attempt: Attempt,
  ): Promise<Committed> {
    const { writer, flusher, host, sql, flush, timeoutMs } = this.#parts
    const ready = flush === 'outside-lock' ? await flusher.ready() : undefined
    const transaction = new Transaction(writer, await writer.connected())
    try {
      const [, , facts] = await together([
        transaction.run(begin(timeoutMs, flush === 'inside-lock')),
        transaction.run(sql.lock),
        heldFacts(transaction, sql, requests, this.#knownPosition),
      ])
      const plan = planAppend(facts, requests, host.now(), this.#hasher)
      attempt.plan = plan
      if (plan.rows.length === 0 && plan.keys.length === 0) {
        await transaction.run(rollback)
      } else {
        const pending = insertPlan(transaction, sql, plan)
        if (inline !== undefined && plan.rows.length > 0) {
          await together(pending)
          const reader = new PostgresReader({ ...this.#parts, runner: transaction })
          await inline(plan.rows, changesIn(transaction, this.#parts.schema), reader)
        }
        await together([...pending, transaction.commit()])
      }
      this.#knownPosition = plan.head.position
      this.#parts.partitions.reached(plan.head.position)
      return { plan, ready }
    } catch (error) {
      attempt.isDoubtful = transaction.isEnding && isConnectionLoss(error)
      await transaction.abandon(error)
      throw error
    }
  }

  /**
   * Finds out what became of a commit whose answer was lost. Whoever gets the lock knows that its old holder has
   * ended, so the events are there for good, or will never be. Returns a connection to flush with when they are there.
   */
  async #resolve(
    ids: readonly string[],
    doubt: unknown,
    deadlineMs: number,
  ): Promise<PostgresConnection | undefined> {
    const { writer, flusher, host, sql, timeoutMs, name } = this.#parts
    for (let delayMs = 10; ; delayMs = Math.min(500, delayMs * 2)) {
      try {
        const ready = await flusher.ready()
        const isHere = await transact(writer, begin(timeoutMs, true), async (transaction) => {
          const [, found] = await together([
            transaction.run(sql.lock),
            transaction.run(sql.readIds, [uuidArray(ids)]),
          ])
          return found.length === ids.length
        })
        return isHere ? ready : undefined
      } catch (error) {
        if (performance.now() >= deadlineMs) throw inDoubt(name, ids, doubt, error)
      }
      await host.sleep(delayMs * (0.5 + host.random()))
    }
  }

  /** True when what was committed is on the disk; false when a crash of the server took it away before it was. */
  async #isDurable({ plan, ready }: Committed, deadlineMs: number): Promise<boolean> {
    const hasWritten = plan.rows.length > 0 || plan.keys.length > 0
    if (ready === undefined || (!hasWritten && plan.head.position <= this.#durablePosition)) return true
    const ids = plan.rows.map(({ id }) => id)
    for (let current = ready; ; ) {
      try {
        await this.#parts.flusher.flush(current)
        this.#durablePosition = Math.max(this.#durablePosition, plan.head.position)
        return true
      } catch (error) {
        const isOver = performance.now() >= deadlineMs
        if (isOver || !isConnectionLoss(error)) throw inDoubt(this.#parts.name, ids, error, error)
        // Without rows of its own the answer rests on what others wrote: it is decided again.
        if (ids.length === 0) return false
        const found = await this.#resolve(ids, error, deadlineMs)
        if (found === undefined) return false
        current = found
      }
    }
  }

  async #isStill(position: number, proof: string | Uint8Array): Promise<boolean> {
    const [reader] = this.#parts.readers
    const [row] = (await reader?.run(this.#parts.sql.readProof, [position])) ?? []
    const [id, chainHash] = row ?? []
    return typeof proof === 'string' ? id === proof : chainHash === Buffer.from(proof).toString('hex')
  }
}

function gone(position: number): ConnectionLost {
  return new ConnectionLost(new Error(`the event at position ${position} was lost when the server crashed`))
}

/** A plan that the server has committed, and the connection that makes it durable; none when the commit did. */
interface Committed {
  readonly plan: AppendPlan
  readonly ready: PostgresConnection | undefined
}

interface Attempt {
  plan: AppendPlan | undefined
  /** True when COMMIT was sent and its answer was lost. */
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
