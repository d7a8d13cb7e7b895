import { type Runner, runOn, type Session, type StatementOptions } from './connection.ts'
import type { PostgresConnection } from './driver.ts'
import type { LogStatements } from './statements.ts'

/** What telling and hearing of new events needs. */
export interface NotifierParts {
  readonly sql: LogStatements
  /** Tells: one short transaction of its own, after the append's. */
  readonly sender: Runner
  /** Hears; undefined where nothing can be heard, as through a pooler. */
  readonly listener: Session | undefined
  /** Position of the head, for the poll behind the notifications. */
  readonly readPosition: () => Promise<number>
}

/**
 * No more notifications than one in so long, of all processes together: one that waits covers all that happened meanwhile,
 * and each takes a lock of the whole server. Where others append as well, theirs wake up whoever listens, too.
 */
const debounceMs = 5
/** No process tells later than this. */
const mostDebounceMs = 50
/** How often the head is looked at when notifications arrive, and when they do not. */
const pollMs = { behindNotifications: 1_000, alone: 50 } as const

/**
 * Wake-ups: told directly within the process, by NOTIFY to others, with a poll behind both. NOTIFY is never part of an
 * append: it takes a lock of the whole server at commit, which would put all appends of all books in one queue.
 */
export class Notifier {
  readonly #parts: NotifierParts
  readonly #listeners = new Set<() => void>()
  #send: NodeJS.Timeout | undefined
  #isSendingAgain = false
  #poll: NodeJS.Timeout | undefined
  #isWatching = false
  /** The head when it was last looked at; undefined before the first time. */
  #position: number | undefined
  #isClosed = false

  constructor(parts: NotifierParts) {
    this.#parts = parts
  }

  /** To be awaited before anybody reads: what is appended after a read has then been appended after this look, too. */
  begin(): Promise<void> {
    return this.#look()
  }

  /**
   * Tells everybody that there are new events.
   *
   * @param others how many events others appended of late for each one of this process
   */
  notify(others: number): void {
    this.#tellListeners()
    if (this.#isClosed) return
    if (this.#send !== undefined) {
      this.#isSendingAgain = true
      return
    }
    // A notification that is lost is made up for by the poll of whoever misses it.
    const sending = this.#parts.sender.run(this.#parts.sql.notify).catch(() => undefined)
    // No more than one at a time: where the server is away, each would wait for its own time-out, one after the other.
    const waitMs = Math.min(mostDebounceMs, debounceMs * (1 + others))
    this.#send = setTimeout(() => void sending.then(() => this.#sent(others)), waitMs)
    this.#send.unref()
  }

  #sent(others: number): void {
    this.#send = undefined
    if (!this.#isSendingAgain) return
    this.#isSendingAgain = false
    this.notify(others)
  }

  /** Calls back when there may be new events; returns how to stop. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    if (!this.#isWatching) {
      this.#isWatching = true
      void this.#watch()
    }
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** To be run on each connection of the listening session. */
  static async onConnected(
    { sql, heard }: { readonly sql: LogStatements; readonly heard: () => void },
    client: PostgresConnection,
    options: StatementOptions,
  ): Promise<void> {
    client.on('notification', heard)
    await runOn(client, sql.listen, [], options)
  }

  /** Called for each notification heard. */
  readonly heard = (): void => {
    this.#tellListeners()
  }

  close(): void {
    this.#isClosed = true
    this.#listeners.clear()
    clearTimeout(this.#send)
    clearTimeout(this.#poll)
  }

  /**
   * Keeps the listening connection open and looks at the head now and then: first before the connection is there, so
   * that what is appended from now on is told by one or the other.
   */
  async #watch(): Promise<void> {
    await this.#look()
    const isHearing = await this.#isHearing()
    await this.#look()
    if (this.#isClosed || this.#listeners.size === 0) {
      this.#isWatching = false
      return
    }
    this.#poll = setTimeout(() => void this.#watch(), isHearing ? pollMs.behindNotifications : pollMs.alone)
    this.#poll.unref()
  }

  async #look(): Promise<void> {
    try {
      const position = await this.#parts.readPosition()
      const hasMoved = position !== this.#position
      this.#position = position
      if (hasMoved) this.#tellListeners()
    } catch {
      // A hint that cannot be given now is given at the next turn; reads report the fault themselves.
    }
  }

  async #isHearing(): Promise<boolean> {
    try {
      await this.#parts.listener?.connected()
      return this.#parts.listener !== undefined
    } catch {
      return false
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener()
  }
}
