import type { ParkedEvent, Trial } from '../core/ports/following.ts'
import type { Host } from '../core/ports/host.ts'
import type { RowReader } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'
import { begunError, endedError, errorText, parkedEvent } from './aside.ts'
import type { CheckpointMover } from './checkpoint-mover.ts'
import { FollowerStop } from './follower.ts'
import { type Failure, handle, retryDelayMs } from './handling.ts'
import type { RetryLane } from './retry-lane.ts'
import { type ShardRun, Superseded } from './shard-run.ts'
import { Stops } from './stops.ts'

/** An attempt that takes longer no longer holds up other streams. */
const patienceMs = 1_000

/** What running under one lease keeps in memory. */
export interface Session {
  readonly run: ShardRun
  readonly mover: CheckpointMover
  readonly lane: RetryLane
  /** Everything up to here was looked at. */
  position: number
  /** Events up to here may have been handled before: by whoever had the lease, or in an attempt that was cut off. */
  readonly repeatsThrough: number
  /** Attempts at the first event that ended the process. */
  readonly fatalAttempts: number
  /** Events up to here were handed to the function under this lease. */
  handedTo: number
  /** Position of the first event there is to handle; undefined until it is read. */
  first: number | undefined
  /** Events that are still tried with care, each noted before: the last owner may have died of one. */
  careful: number
  /** The event that the follower stopped at earlier. */
  readonly stoppedAt: ParkedEvent | undefined
}

/** The attempts of the main lane: the first at each event, or all of them where a failure stops the follower. */
export class FirstAttempts {
  readonly #session: Session
  readonly #rows: RowReader
  readonly #signal: AbortSignal

  constructor(session: Session, rows: RowReader, signal: AbortSignal) {
    this.#session = session
    this.#rows = rows
    this.#signal = signal
  }

  /** True when an earlier event of the stream is put aside. */
  async waits(stream: string): Promise<boolean> {
    const { mover, run } = this.#session
    if (run.parts.definition.onFailure === 'stop') return false
    return mover.isPending(stream) || run.blocked.has(stream)
  }

  /** Puts an event aside behind an earlier one of its stream. */
  async waitBehind(row: EventRow): Promise<void> {
    this.#session.mover.aside({ event: row, failed: undefined, wasBegun: this.#mayBeRepeat(row.position) })
    if (this.#session.careful > 0) await this.#passWithCare(row)
  }

  /** Handles a batch: when this resolves, each of its events is done or put aside. A `FollowerStop` stops at one. */
  async make(batch: readonly EventRow[]): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const { definition } = this.#session.run.parts
    if (this.#session.careful > 0) return this.#makeWithCare(first)
    if (definition.onFailure === 'stop' && batch.length === 1) return this.#makeUntilDone(first, 1)
    const failure = await this.#attempt(batch, 1)
    if (failure === undefined) return
    if (batch.length === 1) return this.#failed(first, 1, failure.error)
    // Which of them it was is found by trying them one by one.
    for (const row of batch) {
      this.#signal.throwIfAborted()
      if (definition.onFailure === 'stop') await this.#makeUntilDone(row, 2)
      else if (await this.waits(row.stream))
        this.#session.mover.aside({ event: row, failed: undefined, wasBegun: true })
      else await this.#makeOne(row, 2)
      await this.#session.mover.note(row.position)
    }
  }

  async #makeOne(row: EventRow, attempt: number): Promise<void> {
    const failure = await this.#attempt([row], attempt)
    if (failure !== undefined) this.#failed(row, attempt, failure.error)
  }

  /** One event that the last owner may have died of: each attempt is noted before it begins. */
  async #makeWithCare(row: EventRow): Promise<void> {
    const session = this.#session
    const { definition } = session.run.parts
    const fatal = row.position === session.first ? session.fatalAttempts : 0
    if (fatal > 0 && definition.onFailure !== 'stop') this.#failed(row, fatal, new Error(endedError))
    else if (fatal >= definition.retry.maxAttempts) await this.#stopAt(row, fatal, new Error(endedError))
    else if (definition.onFailure === 'stop') await this.#makeUntilDone(row, fatal + 1)
    else await this.#makeOne(row, 1)
    await this.#passWithCare(row)
  }

  /** An event is done or put aside that was treated with care. */
  async #passWithCare(row: EventRow): Promise<void> {
    const session = this.#session
    session.careful--
    if (session.careful > 0 || session.run.parts.definition.inbox) return
    // Attempts that ended the process are stored with their event before their trial is forgotten.
    await session.mover.settleBefore(row.position + 1)
    await this.#note(undefined)
  }

  /** Tries again in place until it is done, and stops the follower when the attempts are used up. */
  async #makeUntilDone(row: EventRow, firstAttempt: number): Promise<void> {
    const { definition, host, report } = this.#session.run.parts
    for (let attempt = firstAttempt; ; attempt++) {
      const failure = await this.#attempt([row], attempt)
      if (failure === undefined) break
      if (attempt >= definition.retry.maxAttempts) await this.#stopAt(row, attempt, failure.error)
      report({ kind: 'event-retrying', position: row.position, attempt, error: failure.error })
      await host.sleep(retryDelayMs(definition.retry, attempt, host.random), this.#signal)
    }
    if (this.#session.stoppedAt?.position === row.position) this.#session.mover.drop(row.position)
  }

  async #attempt(rows: readonly EventRow[], attempt: number): Promise<Failure | undefined> {
    const { run, careful, mover } = this.#session
    const { definition, host } = run.parts
    await run.ensureHeld()
    const first = rows[0]?.position ?? 0
    const last = rows.at(-1)?.position ?? 0
    const isPerhapsRepeat = this.#mayBeRepeat(first)
    if (careful > 0 || definition.inbox) {
      // Of several nobody can say which one ended the process; of one everybody, as the first one that is left.
      if (rows.length === 1) await mover.settleBefore(first)
      await this.#note(this.#begun(last, rows.length === 1 ? attempt : 0))
    }
    this.#session.handedTo = Math.max(this.#session.handedTo, last)
    const made = { events: this.#rows.events(rows), attempt, isRepeat: attempt > 1 || isPerhapsRepeat }
    const running = handle(definition, made, this.#signal, host)
    try {
      if (await this.#isHandedOver(rows, attempt, running)) return undefined
      const failure = await running
      if (failure !== undefined) return failure
    } catch (error) {
      // An attempt that is cut off may have reached the destination; it counts as none that failed.
      await this.#note(this.#begun(last, 0)).catch(() => undefined)
      throw error
    }
    const nowMs = host.now()
    for (const { id, position, recordedAtMs } of rows) {
      mover.done(id, position)
      run.parts.onDone(Math.max(0, nowMs - recordedAtMs))
    }
    return undefined
  }

  /** An attempt that takes long goes on in the lane of retries, so that it holds up no other stream. */
  async #isHandedOver(
    rows: readonly EventRow[],
    attempts: number,
    running: Promise<Failure | undefined>,
  ): Promise<boolean> {
    const { run, lane, mover, careful } = this.#session
    const { definition, host, subscription } = run.parts
    const [row] = rows
    if (row === undefined || rows.length > 1 || careful > 0) return false
    if (definition.inbox || definition.onFailure === 'stop') return false
    if (!(await isSlow(running, host)) || !lane.hasRoom) return false
    const nowMs = run.nowMs()
    const nextAtMs = nowMs + definition.timeoutMs + retryDelayMs(definition.retry, attempts, host.random)
    const begun = { attempts, error: begunError, nextAtMs }
    const written = mover.whenAside(row.position)
    mover.aside({ event: row, failed: begun })
    lane.adopt(parkedEvent(subscription, row, nowMs, { ...begun, status: 'retrying' }), running, written)
    return true
  }

  /** Whether an event may have been handled before. */
  #mayBeRepeat(position: number): boolean {
    const { run, repeatsThrough, careful } = this.#session
    return position <= repeatsThrough || (careful > 0 && !run.parts.definition.inbox)
  }

  #failed(row: EventRow, attempts: number, error: unknown): void {
    const { run, mover } = this.#session
    const { definition, host, report } = run.parts
    const isParked = attempts >= definition.retry.maxAttempts
    const delayMs = retryDelayMs(definition.retry, attempts, host.random)
    const nextAtMs = isParked ? null : run.nowMs() + delayMs
    mover.aside({ event: row, failed: { attempts, error: errorText(error), nextAtMs } })
    report({
      kind: isParked ? 'event-parked' : 'event-retrying',
      position: row.position,
      attempt: attempts,
      error,
    })
  }

  /** Keeps a record of what it stops at, for every process to see and for a person to decide about. */
  async #stopAt(row: EventRow, attempts: number, error: unknown): Promise<never> {
    const { run, mover } = this.#session
    const { following, subscription } = run.parts
    await mover.settle()
    const stops = new Stops(following, subscription)
    const isNoted = await stops.note(run.held.lease, row, attempts, error, run.nowMs())
    if (isNoted) throw new FollowerStop(error)
    await run.held.confirm()
    throw new Superseded(subscription)
  }

  /** An owner before may have begun more than this one has come to. */
  #begun(position: number, attempts: number): Trial {
    return { position: Math.max(position, this.#session.repeatsThrough), attempts }
  }

  async #note(trial: Trial | undefined): Promise<void> {
    const { held, parts } = this.#session.run
    if (await parts.following.noteTrial(held.lease, trial)) return
    await held.confirm()
    throw new Superseded(parts.subscription)
  }
}

/** True when an attempt is still under way after a while. */
async function isSlow(running: Promise<unknown>, host: Host): Promise<boolean> {
  const ended = new AbortController()
  const hasEnded = running.then(
    () => false,
    () => false,
  )
  const isLate = host.sleep(patienceMs, ended.signal).then(
    () => true,
    () => false,
  )
  const isLateFirst = await Promise.race([hasEnded, isLate])
  ended.abort()
  return isLateFirst
}
