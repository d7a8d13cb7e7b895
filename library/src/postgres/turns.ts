import type { Session } from './connection.ts'

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
  #isEnding = false

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

  /** Whether it may go on from what it found under the lock; false when the turn before has to be done again first. */
  async mayGoOn(): Promise<boolean> {
    return this.#previous === undefined || (await this.#previous.#committed.promise)
  }

  /** Resolves when the turn before is answered. */
  async previousIsOver(): Promise<void> {
    await this.#previous?.over
  }

  /** The end of its transaction is sent. */
  end(): void {
    this.#isEnding = true
    this.#sent.resolve()
    this.#ending.resolve()
  }

  /** The server has answered the end. */
  commit(): void {
    this.#committed.resolve(true)
  }

  /** The attempt failed. */
  fail(): void {
    if (this.#isEnding) this.#committed.resolve(false)
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
