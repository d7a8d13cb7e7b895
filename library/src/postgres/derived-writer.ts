import { Mutex } from '../core/mutex.ts'
import type { Row, Runner, Session } from './connection.ts'
import { isConnectionLoss, isWorthRepeating, openedReadOnly, translated } from './errors.ts'
import { begin, type Statement } from './statements.ts'
import { type Transaction, transact } from './transaction.ts'

/** A connection that writes what can be thrown away: one transaction at a time in this process. */
export class DerivedWriter implements Runner {
  readonly #session: Session
  readonly #isReadOnly: boolean
  readonly #mutex = new Mutex()
  /** When the server was given up last, and why. */
  #lost: { readonly atMs: number; readonly error: unknown } | undefined

  /** @param isReadOnly refuses to write, whatever the user may do */
  constructor(session: Session, isReadOnly: boolean) {
    this.#session = session
    this.#isReadOnly = isReadOnly
  }

  /** Runs one statement between two transactions, never as part of one. */
  run(statement: Statement | string, values?: readonly unknown[]): Promise<readonly Row[]> {
    return this.#mutex.run(() => this.#session.run(statement, values))
  }

  /** Runs work in a transaction; again when it certainly did nothing, or may well be done twice. Throws coded errors. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transact(work, false)
  }

  /**
   * As `transaction`, and on the disk when it resolves: for what is done once and not looked for again. A process that
   * outlives a crash of the server goes on as if it were there.
   */
  durableTransaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transact(work, true)
  }

  /**
   * Runs work that may not be done twice: again only when it certainly did nothing. What the work throws by itself, and
   * no statement of the transaction did, comes out as it is, and is no reason to run it again.
   */
  async certainTransaction<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    isDurable: boolean,
  ): Promise<Result> {
    try {
      return await this.#transact((transaction) => ownErrorsApart(transaction, work), isDurable, false)
    } catch (error) {
      throw error instanceof WorkFailed ? translated(error.cause, this.#session.address.name) : error
    }
  }

  #transact<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    flushesAtCommit: boolean,
    mayBeDoneTwice = true,
  ): Promise<Result> {
    const { timeoutMs, name, host } = this.#session.address
    if (this.#isReadOnly) return Promise.reject(openedReadOnly(name))
    const askedMs = performance.now()
    return this.#mutex.run(async () => {
      // Who has waited as long as those before it, who found nobody there, need not wait as long again.
      if (this.#lost !== undefined && this.#lost.atMs - askedMs >= timeoutMs) throw this.#lost.error
      const startMs = performance.now()
      for (let delayMs = 5; ; delayMs = Math.min(500, delayMs * 2)) {
        let isInDoubt = false
        try {
          const result = await transact(
            this.#session,
            begin(timeoutMs, flushesAtCommit),
            async (transaction) => {
              const answer = await work(transaction)
              isInDoubt = !mayBeDoneTwice
              return answer
            },
          )
          this.#lost = undefined
          return result
        } catch (error) {
          // A change that was committed after all is not at its checkpoint any more, and is not done twice.
          const isHarmless = isWorthRepeating(error) || (isConnectionLoss(error) && !isInDoubt)
          if (!isHarmless || performance.now() - startMs >= timeoutMs) throw this.#givenUp(error, name)
        }
        await host.sleep(delayMs * (0.5 + host.random()))
      }
    })
  }

  #givenUp(cause: unknown, name: string): unknown {
    const error = translated(cause, name)
    if (isConnectionLoss(cause)) this.#lost = { atMs: performance.now(), error }
    return error
  }
}

/** What work threw by itself: it may look like an error of the server, and be one of another. */
class WorkFailed extends Error {}

async function ownErrorsApart<Result>(
  transaction: Transaction,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(transaction)
  } catch (error) {
    // Whatever the work made of it: it is over because a statement of the transaction failed.
    throw transaction.failure ?? new WorkFailed('the work failed', { cause: error })
  }
}
