import type { FollowingTransaction, ParkedEvent } from '../core/ports/following.ts'
import { RowReader } from '../core/recorded-event.ts'
import { begunError, endedError, errorText, firstOf } from './aside.ts'
import { type Failure, handle, retryDelayMs } from './handling.ts'
import { type ShardRun, Superseded } from './shard-run.ts'

/** Events looked up at once. */
const dueEvents = 50
/** Streams that are worked on at once. */
const mostAtOnce = 8
/** How often to look for what somebody else made due: a person who wants an event tried again. */
const lookMs = 1_000
/** Why an event is tried again that was under way when the book was closed. */
const interruptedError = 'it was interrupted: the book was closed, or the lease lost'

/**
 * The lane of what was put aside: tries again what is due, some streams at once, each in order, beside the main lane, which
 * it never holds up. Each attempt is noted before it begins, so that one that ends the process counts.
 */
export class RetryLane {
  readonly #run: ShardRun
  readonly #rows = new RowReader()
  readonly #stop = new AbortController()
  /** Aborted when the lane is stopped or the lease lost. */
  readonly signal: AbortSignal
  readonly #onError: (error: unknown) => void
  /** The streams that are worked on. */
  readonly #active = new Map<string, Promise<void>>()
  #isSuspectActive = false
  #running: Promise<void> | undefined
  #nudge: (() => void) | undefined
  #dueAtMs = Number.POSITIVE_INFINITY
  #isToLook = false

  constructor(run: ShardRun, signal: AbortSignal, onError: (error: unknown) => void) {
    this.#run = run
    this.signal = AbortSignal.any([this.#stop.signal, signal])
    this.#onError = onError
  }

  /** Something is due at a time, of the store's clock. */
  due(atMs: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs)
    this.#running ??= this.#work()
    this.#nudge?.()
  }

  /** Looks at once for what is due. */
  look(): void {
    this.#isToLook = true
    this.#running ??= this.#work()
    this.#nudge?.()
  }

  get hasRoom(): boolean {
    return this.#active.size < mostAtOnce && !this.#isSuspectActive
  }

  /**
   * Takes over an attempt that takes long, so that the main lane goes on.
   *
   * @param written resolves when the event is put aside
   */
  adopt(begun: ParkedEvent, running: Promise<Failure | undefined>, written: Promise<void>): void {
    this.#start(begun.stream, false, async () => {
      const next = await this.#finish(begun, running, written)
      await this.#drain(next)
    })
  }

  /** Ends after the attempts under way, which are aborted. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await Promise.all(this.#active.values())
  }

  async #work(): Promise<void> {
    const { host } = this.#run.parts
    const signal = this.signal
    while (!signal.aborted) {
      try {
        const waitMs = this.#isToLook ? 0 : this.#dueAtMs - this.#run.nowMs()
        if (waitMs > 0) await this.#sleep(Math.min(lookMs, Math.ceil(waitMs)))
        if (signal.aborted || (await this.#tryDue()) || (await this.#hasEvents())) continue
        // Who puts the next event aside begins again.
        if (!this.#isToLook && this.#dueAtMs === Number.POSITIVE_INFINITY) break
      } catch (error) {
        if (signal.aborted) break
        this.#onError(error)
        await host.sleep(lookMs, signal).catch(() => undefined)
      }
    }
    this.#running = undefined
  }

  /** True when there is anything that may become due; notes when the next of it is. */
  async #hasEvents(): Promise<boolean> {
    if (this.#active.size > 0) return true
    const { following, subscription } = this.#run.parts
    const retrying = await following.parked({ subscription, statuses: ['retrying'], limit: dueEvents })
    for (const { nextAtMs } of retrying) this.#dueAtMs = Math.min(this.#dueAtMs, nextAtMs ?? this.#dueAtMs)
    if (retrying.length > 0) return true
    const statuses = ['waiting', 'parked'] as const
    return (await following.parked({ subscription, statuses, limit: 1 })).length > 0
  }

  async #sleep(timeMs: number): Promise<void> {
    const awake = new AbortController()
    this.#nudge = () => awake.abort()
    const signal = AbortSignal.any([awake.signal, this.signal])
    await this.#run.parts.host.sleep(timeMs, signal).catch(() => undefined)
    this.#nudge = undefined
  }

  /** True when something was begun. */
  async #tryDue(): Promise<boolean> {
    const { following, subscription } = this.#run.parts
    const dueAtMs = this.#run.nowMs()
    this.#isToLook = false
    if (this.#dueAtMs <= dueAtMs) this.#dueAtMs = Number.POSITIVE_INFINITY
    const due = await following.parked({ subscription, statuses: ['retrying'], dueAtMs, limit: dueEvents })
    let hasBegun = false
    for (const { position, stream, error } of due) {
      if (this.signal.aborted) return true
      if (this.#active.has(stream)) continue
      // One that may have ended the process is tried alone, so that no other is taken for it.
      const isSuspect = error === begunError
      if (isSuspect ? this.#active.size > 0 : !this.hasRoom) break
      this.#start(stream, isSuspect, async () => this.#drain(await this.#begin(position)))
      hasBegun = true
    }
    return hasBegun
  }

  #start(stream: string, isSuspect: boolean, work: () => Promise<void>): void {
    this.#isSuspectActive ||= isSuspect
    const ended = async (): Promise<void> => {
      try {
        await work()
        this.#active.delete(stream)
        if (!this.signal.aborted) this.look()
      } catch (error) {
        // Tried again at the next look.
        this.#active.delete(stream)
        if (!this.signal.aborted) this.#onError(error)
      } finally {
        if (isSuspect) this.#isSuspectActive = false
      }
    }
    this.#active.set(stream, Promise.resolve().then(ended))
  }

  /** Tries an event; one that succeeds lets the next of its stream begin. */
  async #drain(first: ParkedEvent | undefined): Promise<void> {
    for (let begun = first; begun !== undefined; ) begun = await this.#try(begun)
  }

  /** Notes that an attempt begins; undefined when there is none to make any more. */
  async #begin(position: number): Promise<ParkedEvent | undefined> {
    const { subscription, definition } = this.#run.parts
    let parked: ParkedEvent | undefined
    const begun = await this.#change(async (transaction) => {
      parked = undefined
      const [event] = await transaction.parked({ subscription, position, limit: 1 })
      if (event?.status !== 'retrying') return undefined
      const isUsedUp = event.error === begunError && event.attempts >= definition.retry.maxAttempts
      if (!isUsedUp) return this.#beginNext(transaction, event)
      parked = await this.#park(transaction, event, endedError)
      return definition.onFailure === 'park' ? this.#nextOf(transaction, event.stream) : undefined
    })
    if (parked !== undefined) this.#parked(parked, new Error(endedError))
    return begun
  }

  async #beginNext(transaction: FollowingTransaction, event: ParkedEvent): Promise<ParkedEvent> {
    const nowMs = this.#run.nowMs()
    const attempts = event.attempts + 1
    const begun: ParkedEvent = {
      ...event,
      status: 'retrying',
      attempts,
      error: begunError,
      nextAtMs: nowMs + this.#delayMs(attempts),
      changedAtMs: nowMs,
    }
    await transaction.putParked(begun)
    return begun
  }

  /** Makes the attempt; returns the next event of the stream to be tried, its attempt begun. */
  async #try(begun: ParkedEvent): Promise<ParkedEvent | undefined> {
    const { definition, log, host } = this.#run.parts
    await this.#run.ensureHeld()
    const { rows } = await log.readLog({
      afterPosition: begun.position - 1,
      toPosition: begun.position,
      items: undefined,
      limit: 1,
    })
    const events = this.#rows.events(rows)
    const attempt = { events, attempt: begun.attempts, isRepeat: begun.attempts > 1 }
    return this.#finish(begun, handle(definition, attempt, this.signal, host), undefined)
  }

  /** Sees an attempt to its end; returns the next event of the stream to be tried, its attempt begun. */
  async #finish(
    begun: ParkedEvent,
    running: Promise<Failure | undefined>,
    written: Promise<void> | undefined,
  ): Promise<ParkedEvent | undefined> {
    let failure: Failure | undefined
    try {
      failure = await running
      if (written !== undefined) await Promise.race([written, aborted(this.signal)])
    } catch (error) {
      if (this.signal.aborted) await this.#interrupted(begun).catch(() => undefined)
      throw error
    }
    return failure === undefined ? this.#done(begun) : this.#failed(begun, failure.error)
  }

  #done(begun: ParkedEvent): Promise<ParkedEvent | undefined> {
    const { subscription, definition, onDone } = this.#run.parts
    const { position, eventId, stream } = begun
    onDone(Math.max(0, this.#run.nowMs() - begun.failedAtMs))
    return this.#changeStream(stream, async (transaction) => {
      if (!(await this.#isRetrying(transaction, position))) return undefined
      await transaction.dropParked(subscription, position)
      if (definition.inbox) await transaction.remember(subscription, [{ id: eventId, position }])
      return this.#nextOf(transaction, stream)
    })
  }

  async #failed(begun: ParkedEvent, error: unknown): Promise<ParkedEvent | undefined> {
    const { definition, report } = this.#run.parts
    const { position, attempts } = begun
    if (attempts >= definition.retry.maxAttempts) {
      const next = await this.#changeStream(begun.stream, async (transaction) => {
        if (!(await this.#isRetrying(transaction, position))) return undefined
        await this.#park(transaction, begun, errorText(error))
        return definition.onFailure === 'park' ? this.#nextOf(transaction, begun.stream) : undefined
      })
      this.#parked(begun, error)
      return next
    }
    const nowMs = this.#run.nowMs()
    const nextAtMs = nowMs + this.#delayMs(attempts)
    const put = { ...begun, error: errorText(error), nextAtMs, failedAtMs: nowMs, changedAtMs: nowMs }
    await this.#put(put)
    this.due(nextAtMs)
    report({ kind: 'event-retrying', position, attempt: attempts, error })
    return undefined
  }

  /** An attempt that was aborted is none that failed. */
  async #interrupted(begun: ParkedEvent): Promise<void> {
    const nowMs = this.#run.nowMs()
    await this.#put({ ...begun, error: interruptedError, nextAtMs: nowMs, changedAtMs: nowMs })
  }

  async #put(event: ParkedEvent): Promise<void> {
    await this.#change(async (transaction) => {
      if (await this.#isRetrying(transaction, event.position)) await transaction.putParked(event)
    })
  }

  /** False when a person has decided about the event while it was being tried. */
  async #isRetrying(transaction: FollowingTransaction, position: number): Promise<boolean> {
    const { subscription } = this.#run.parts
    const [event] = await transaction.parked({ subscription, position, limit: 1 })
    return event?.status === 'retrying'
  }

  async #park(transaction: FollowingTransaction, event: ParkedEvent, error: string): Promise<ParkedEvent> {
    const nowMs = this.#run.nowMs()
    const parked: ParkedEvent = {
      ...event,
      status: 'parked',
      error,
      nextAtMs: null,
      failedAtMs: nowMs,
      changedAtMs: nowMs,
    }
    await transaction.putParked(parked)
    return parked
  }

  #parked({ position, attempts }: ParkedEvent, error: unknown): void {
    this.#run.parts.report({ kind: 'event-parked', position, attempt: attempts, error })
  }

  async #nextOf(transaction: FollowingTransaction, stream: string): Promise<ParkedEvent | undefined> {
    const next = await firstOf(transaction, this.#run.parts.subscription, stream, ['waiting'])
    return next === undefined ? undefined : this.#beginNext(transaction, next)
  }

  /** As `#change`, for one that may let its stream go on: returns the event that is next. */
  async #changeStream(
    stream: string,
    work: (transaction: FollowingTransaction) => Promise<ParkedEvent | undefined>,
  ): Promise<ParkedEvent | undefined> {
    const { subscription } = this.#run.parts
    const { next, isBlocked } = await this.#change(async (transaction) => ({
      next: await work(transaction),
      isBlocked: (await firstOf(transaction, subscription, stream, this.#run.blockingStatuses)) !== undefined,
    }))
    if (!isBlocked) this.#run.blocked.delete(stream)
    return next
  }

  /** Changes events aside, if the lease is still held. */
  async #change<Result>(work: (transaction: FollowingTransaction) => Promise<Result>): Promise<Result> {
    const { held, parts } = this.#run
    const changed = await parts.following.transaction(
      async (transaction) =>
        (await transaction.holds(held.lease)) ? { result: await work(transaction) } : undefined,
      parts.definition.inbox,
    )
    if (changed !== undefined) return changed.result
    await held.confirm()
    throw new Superseded(parts.subscription)
  }

  #delayMs(failures: number): number {
    const { definition, host } = this.#run.parts
    return retryDelayMs(definition.retry, failures, host.random)
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
