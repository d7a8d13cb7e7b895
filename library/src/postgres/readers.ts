import type { Runner, Session } from './connection.ts'

/**
 * The connections that read. Each takes several statements at once, answered in their order: who reads takes the one with
 * the fewest reads under way, so that a short read does not wait behind a long one, and the first of several. Who makes one
 * read after the other needs no second connection.
 */
export class Readers {
  readonly #readers: readonly { readonly session: Session; underWay: number }[]

  /** @param sessions one or more */
  constructor(sessions: readonly Session[]) {
    this.#readers = sessions.map((session) => ({ session, underWay: 0 }))
  }

  /** As `Session.repeatable`, on the one that has least to do. */
  async repeatable<Result>(work: (runner: Runner) => Promise<Result>): Promise<Result> {
    const reader = this.#readers.reduce((least, other) => (other.underWay < least.underWay ? other : least))
    reader.underWay++
    try {
      return await reader.session.repeatable(work)
    } finally {
      reader.underWay--
    }
  }
}
