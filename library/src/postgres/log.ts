import { type AppendOutcome, type AppendPlan, type LogHead, planAppend } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity, EventLog, InlineStep } from '../core/ports/store.ts'
import { RowHasher } from '../core/row-hash.ts'
import { uuidArray } from './arrays.ts'
import type { Runner, Session } from './connection.ts'
import {
  isConnectionLoss,
  isOvertaken,
  isVersionTaken,
  isWorthRepeating,
  openedReadOnly,
  translated,
} from './errors.ts'
import { type FoundFacts, heldFacts, insertBehind, insertPlan, lookedUpAgain, Unforeseen } from './facts.ts'
import { type Flusher, flushedFrom, gone, isOf } from './flushing.ts'
import { Foresight } from './foresight.ts'
import { JoinedLog, joinedClient } from './joined-log.ts'
import { namingHolder } from './lock-holders.ts'
import type { Notifier } from './notifying.ts'
import type { Partitions } from './partitions.ts'
import { changesIn } from './read-models.ts'
import type { Readers } from './readers.ts'
import { type PageEnd, PostgresReader } from './reading.ts'
import { begin, beginReadCommitted, flushLater, type LogStatements } from './statements.ts'
import { Transaction, together, transact } from './transaction.ts'
import { PreviousFailed, Turn, Writers } from './turns.ts'

/** What the log of one schema needs. */
export interface PostgresLogParts {
  readonly name: string
  readonly schema: string
  readonly host: Host
  readonly identity: BookIdentity
  readonly sql: LogStatements
  readonly readers: Readers
  /** Asked who holds the lock. */
  readonly reader: Runner
  /** Two or more: one is used while another waits for the disk. */
  readonly writers: readonly Session[]
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
  readonly #writers: Writers
  readonly #foresight = new Foresight()
  readonly #underWay = new Set<Turn>()
  #lastTurn: Turn | undefined
  #isClosing = false
  /** A position that the log is known to have: the search for its end begins there. */
  #knownPosition = 0
  /** The head as it was after the last append of this process. */
  #ownHead = 0
  /** By how many events others had moved the head from there when the log was last looked at. */
  #others = 0
  /** Everything up to here is known to be durable. */
  #durablePosition = 0

  constructor(parts: PostgresLogParts) {
    super(parts)
    this.#parts = parts
    this.#hasher = new RowHasher(parts.host.sha256)
    this.#writers = new Writers(parts.writers)
  }

  async append(
    requests: readonly AppendRequest[],
    inline?: InlineStep,
    next?: () => void,
  ): Promise<readonly AppendOutcome[]> {
    const { name, schema, host, reader, partitions, notifier, isReadOnly } = this.#parts
    if (this.#isClosing) throw new DaybookError('BOOK_CLOSED', `${name} is closed`)
    if (isReadOnly) throw openedReadOnly(name)
    const turn = new Turn(this.#lastTurn)
    this.#lastTurn = turn
    this.#underWay.add(turn)
    void turn.sent.then(() => this.#writers.idle()).then(next)
    await turn.mayBegin()
    const writer = await this.#writers.take()
    try {
      const plan = await this.#appendDurably({ requests, inline, turn, writer })
      partitions.reached(plan.head.position)
      if (plan.rows.length > 0) notifier.notify(this.#others / plan.rows.length)
      return plan.outcomes
    } catch (error) {
      throw await namingHolder(translated(error, name), { runner: reader, schema, host })
    } finally {
      this.#writers.giveBack(writer)
      this.#underWay.delete(turn)
      turn.finish()
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
    const known = proof ?? this.hashOfHead(position)
    try {
      const { head, events } = await this.#parts.flusher.flush(position)
      if (head < position || (known !== undefined && !isOf(events.get(position), known))) throw gone(position)
      this.#noteDurable(head)
    } catch (error) {
      throw translated(error, this.#parts.name)
    }
  }

  protected override async whenPageDurable({ scannedTo, head }: PageEnd): Promise<void> {
    if (scannedTo > this.#durablePosition) await this.whenDurable(head)
  }

  /** Accepts no more appends, and resolves when those under way are answered. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all([...this.#underWay].map(({ over }) => over))
  }

  /** Resolves when the batch is durable; tries again as long as it is certain that nothing of it is there. */
  async #appendDurably(batch: Batch): Promise<AppendPlan> {
    const { turn, writer } = batch
    const { host, timeoutMs, flush, partitions } = this.#parts
    const deadlineMs = performance.now() + timeoutMs
    for (let delayMs = 5; ; delayMs = Math.min(500, delayMs * 2)) {
      const attempt: Attempt = { plan: undefined, isDoubtful: false }
      let isToWait = true
      try {
        await this.#attempt(batch, attempt)
      } catch (error) {
        const { plan, isDoubtful } = attempt
        turn.fail()
        this.#foresight.forget()
        if (!isDoubtful || !(await this.#isThere(writer, plan?.rows ?? [], error, deadlineMs))) {
          isToWait = !(error instanceof PreviousFailed || error instanceof Unforeseen)
          const isHarmless =
            !isToWait ||
            isConnectionLoss(error) ||
            isWorthRepeating(error) ||
            isOvertaken(error) ||
            (await partitions.madeFor(error, plan?.head.position))
          attempt.plan = undefined
          if (!isHarmless || (isToWait && performance.now() >= deadlineMs)) throw error
        }
      }
      // Answers keep the order of the log, and what has to be done again that of the turns.
      await turn.previousIsOver()
      if (attempt.plan !== undefined) {
        if (flush !== 'never') this.#noteDurable(attempt.plan.head.position)
        return attempt.plan
      }
      if (isToWait) await host.sleep(delayMs * (0.5 + host.random()))
    }
  }

  async #attempt(batch: Batch, attempt: Attempt): Promise<void> {
    const { requests, inline, writer } = batch
    const { host, flush } = this.#parts
    const flushesLater = this.#isShared(batch)
    await using transaction = new Transaction(writer, await writer.connected())
    try {
      const facts = inline === undefined ? this.#foresight.factsFor(requests) : undefined
      const plan = facts && planAppend(facts, requests, host.now(), this.#hasher)
      // A refusal is an answer that must rest on what was found.
      if (facts !== undefined && plan !== undefined && plan.rows.length > 0) {
        await this.#writeForeseen(transaction, { ...batch, flushesLater, plan, facts }, attempt)
      } else {
        await this.#writeFound(transaction, { ...batch, flushesLater }, attempt)
      }
      if (flush !== 'never') transaction.requireNoWarning()
    } catch (error) {
      attempt.isDoubtful = (transaction.isEnded || transaction.isInDoubt) && !(error instanceof Unforeseen)
      await transaction.abandon(error)
      throw error
    }
  }

  /** One round trip: lock, rows if the log is as it was foreseen, commit and flush. */
  async #writeForeseen(transaction: Transaction, batch: PlannedBatch, attempt: Attempt): Promise<void> {
    const { plan, facts, flushesLater } = batch
    const { sql } = this.#parts
    attempt.plan = plan
    this.#foresight.learn(facts, plan)
    await transaction.sendTogether(() => {
      const begun = this.#begin(transaction, flushesLater)
      const inserted = insertBehind(transaction, sql, plan, facts.head)
      return [...begun, inserted, ...this.#end(transaction, batch, inserted)]
    })
  }

  /**
   * Two round trips: lock and facts; rows, commit and flush. The lock is free as soon as the commit is done, before the
   * flush, which looks whether the rows are still there: a crash between the two cannot go unnoticed.
   */
  async #writeFound(transaction: Transaction, batch: BegunBatch, attempt: Attempt): Promise<void> {
    const { requests, turn, flushesLater } = batch
    const { sql } = this.#parts
    const known = this.#foresight.recall(requests) ?? this.#knownPosition
    const [, found] = await transaction.sendTogether(() => [
      together(this.#begin(transaction, flushesLater)),
      heldFacts(transaction, sql, requests, known),
    ])
    if (!(await turn.mayGoOn(found.head))) throw new PreviousFailed()
    this.#knownPosition = found.head.position
    this.#others = this.#ownHead === 0 ? 0 : Math.abs(found.head.position - this.#ownHead)
    const { facts, plan } = await this.#planOn(transaction, requests, found)
    attempt.plan = plan
    this.#foresight.learn(facts, plan)
    try {
      await this.#write(transaction, { ...batch, plan, facts })
    } catch (error) {
      if (facts.remembered.length === 0 || !isVersionTaken(error)) throw error
      this.#foresight.beCautious()
      throw new Unforeseen()
    }
  }

  /** Begins the transaction and asks for the lock. */
  #begin(transaction: Transaction, flushesLater: boolean): Promise<unknown>[] {
    const { sql, timeoutMs } = this.#parts
    const lock = flushesLater ? sql.lockFlushingLater : sql.lockBound
    return [transaction.run(beginReadCommitted), transaction.run(lock, [String(timeoutMs)])]
  }

  /** Plans on what was found. A version that is only remembered must be proven by the event that comes next. */
  async #planOn(
    transaction: Transaction,
    requests: readonly AppendRequest[],
    found: FoundFacts,
  ): Promise<{ readonly facts: FoundFacts; readonly plan: AppendPlan }> {
    const nowMs = this.#parts.host.now()
    const plan = planAppend(found, requests, nowMs, this.#hasher)
    const written = new Set(plan.rows.map(({ stream }) => stream))
    if (found.remembered.every((stream) => written.has(stream))) return { facts: found, plan }
    const facts = await lookedUpAgain(transaction, this.#parts.sql, requests, found)
    return { facts, plan: planAppend(facts, requests, nowMs, this.#hasher) }
  }

  /** Writes what is planned, has the inline projections follow, and commits. */
  async #write(transaction: Transaction, batch: PlannedBatch): Promise<void> {
    const { inline, plan } = batch
    const { sql, schema } = this.#parts
    const end = (): Promise<unknown>[] => this.#end(transaction, batch)
    if (inline === undefined || plan.rows.length === 0) {
      await transaction.sendTogether(() => [...insertPlan(transaction, sql, plan), ...end()])
    } else {
      await transaction.sendTogether(() => insertPlan(transaction, sql, plan))
      const reader = new PostgresReader({ ...this.#parts, runner: transaction })
      await inline(plan.rows, changesIn(transaction, schema), reader)
      await transaction.sendTogether(end)
    }
  }

  /** Ends the transaction and makes it durable: in one step, or by letting go of the lock first. */
  #end(transaction: Transaction, batch: PlannedBatch, inserted?: Promise<void>): Promise<unknown>[] {
    const { turn, plan, flushesLater } = batch
    const { flush } = this.#parts
    const hasWritten = plan.rows.length > 0 || plan.keys.length > 0
    const isApart = flushesLater || (flush === 'outside-lock' && !this.#isOwnHead(batch.facts))
    // An answer that rests on events of others must not come before these are durable either.
    const mustFlush = flush !== 'never' && (hasWritten ? isApart : plan.head.position > this.#durablePosition)
    const ended = async (): Promise<void> => {
      await Promise.all([inserted, hasWritten ? transaction.commit() : transaction.rollback()])
      this.#ownHead = plan.head.position
      this.#knownPosition = this.#ownHead
      turn.commit()
    }
    const pending = [
      ...(hasWritten && isApart && !flushesLater ? [transaction.run(flushLater)] : []),
      ended(),
      ...(mustFlush ? [this.#flush(transaction, plan.head)] : []),
    ]
    // Where others append as well, batches of half the size would only be more.
    if (this.#isOwnHead(batch.facts) || inserted !== undefined) turn.end(plan.head)
    return pending
  }

  /**
   * Whether others may want the lock, so that it must be free before the flush: other processes, or the next batch of this
   * one. While nobody does, a flush before its release costs least.
   */
  #isShared({ requests, turn }: Batch): boolean {
    const { flush } = this.#parts
    if (flush !== 'outside-lock') return flush === 'never'
    return turn.isOverlapping || requests.length >= fewRequests || this.#others > 0
  }

  /** Whether nobody else appended since this process did. */
  #isOwnHead({ head }: FoundFacts): boolean {
    return head.position === this.#ownHead && this.#ownHead > 0
  }

  /** Makes durable what was committed before, on this connection and on all others, and makes sure that it is there. */
  async #flush(transaction: Transaction, { position, chainHash }: LogHead): Promise<void> {
    const rows = await transaction.run(this.#parts.sql.flushOne, [position, position])
    if (position > 0 && !isOf(flushedFrom(rows).events.get(position), chainHash)) throw gone(position)
  }

  /**
   * Finds out what became of rows whose commit or flush was not answered, and makes them durable when they are there.
   * False when they are not, and never will be. Throws `APPEND_IN_DOUBT` when the server cannot be asked in time.
   */
  async #isThere(
    writer: Session,
    rows: AppendPlan['rows'],
    doubt: unknown,
    deadlineMs: number,
  ): Promise<boolean> {
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
        if (!(await this.#areCommitted(writer, ids))) return false
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
  #areCommitted(writer: Session, ids: readonly string[]): Promise<boolean> {
    const { sql, timeoutMs } = this.#parts
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

/** What is appended together, and how. */
interface Batch {
  readonly requests: readonly AppendRequest[]
  readonly inline: InlineStep | undefined
  readonly turn: Turn
  readonly writer: Session
}

/** So many requests at once come from callers who will be back while this batch waits for the disk. */
const fewRequests = 8

interface BegunBatch extends Batch {
  /** Its commit does not wait for the disk; the flush comes behind it. */
  readonly flushesLater: boolean
}

/** With what it is to write, and what that was decided on. */
interface PlannedBatch extends BegunBatch {
  readonly plan: AppendPlan
  readonly facts: FoundFacts
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
