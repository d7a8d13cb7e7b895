import type { LogHead } from '../core/append-plan.ts'
import type { Session } from './connection.ts'
import { isSameHead } from './foresight.ts'

/**
 * The place of one append among those of its process. They are committed in the order of their turns, and overlap: the
 * next begins, on another connection, as soon as the commit of the one before is sent, and waits for the lock there.
 */
export class Turn {
  readonly #sent = Promise.withResolvers<void>()
  readonly #ending = Promise.withResolvers<void>()
  readonly #committed = Promise.withResolvers<boolean>()
  readonly #over = Promise.withResolvers<void>()
  #previous: Turn | undefined
  /** The head that the log has once the end is through. */
  #head: LogHead | undefined
  #isCommitted = false

  /** @param previous the one before, if it is not over */
  constructor(previous: Turn | undefined) {
    this.#previous = previous
    void previous?.over.then(() => {
      this.#previous = undefined
    })
  }

  /** Resolves when the next may begin while this one is not answered; never, if it may not. */
  get sent(): Promise<void> {
    return this.#sent.promise
  }

  /** Resolves when it is answered. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** True while the turn before is not answered. */
  get isOverlapping(): boolean {
    return this.#previous !== undefined
  }

  /** Resolves when it may ask for the lock. */
  async mayBegin(): Promise<void> {
    if (this.#previous !== undefined) await this.#previous.#ending.promise
  }

  /**
   * Whether it may go on from the head it found under the lock; false when the turn before is to be done first. That one
   * may still wait for this very lock, which it asked for earlier, but on another connection.
   */
  async mayGoOn(found: LogHead): Promise<boolean> {
    const previous = this.#previous
    if (previous === undefined || previous.#isCommitted) return true
    return previous.#head !== undefined && isSameHead(previous.#head, found) && previous.#committed.promise
  }

  /** Resolves when the turn before is answered. */
  async previousIsOver(): Promise<void> {
    await this.#previous?.over
  }

  /** The end of its transaction is sent, which leaves the log with this head. */
  end(head: LogHead): void {
    this.#head = head
    this.#sent.resolve()
    this.#ending.resolve()
  }

  /** The server has answered the end. */
  commit(): void {
    this.#isCommitted = true
    this.#committed.resolve(true)
  }

  /** The attempt failed. */
  fail(): void {
    if (this.#head !== undefined) this.#committed.resolve(false)
  }

  /** It is answered. */
  finish(): void {
    this.#committed.resolve(true)
    this.#ending.resolve()
    this.#over.resolve()
  }
}

/** The connections that append, each used by one append at a time. */
export class Writers {
  readonly #idle: Session[]
  #returned = Promise.withResolvers<void>()

  constructor(sessions: readonly Session[]) {
    this.#idle = [...sessions]
  }

  /** Resolves when one is idle. */
  async idle(): Promise<void> {
    while (this.#idle.length === 0) await this.#returned.promise
  }

  /** Takes an idle one. */
  async take(): Promise<Session> {
    for (;;) {
      // The one that was used last comes first: who appends alone needs no other.
      const session = this.#idle.pop()
      if (session !== undefined) return session
      await this.#returned.promise
    }
  }

  giveBack(session: Session): void {
    this.#idle.push(session)
    this.#returned.resolve()
    this.#returned = Promise.withResolvers()
  }
}

/** The turn before failed at its end: it is done again first. */
export class PreviousFailed extends Error {}
