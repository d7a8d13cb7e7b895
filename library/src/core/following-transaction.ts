import { DaybookError } from './errors.ts'
import type {
  FollowingTransaction,
  Lease,
  ParkedEvent,
  ParkedFilter,
  ReadModelRecord,
  SqlTransaction,
} from './ports/following.ts'
import type { Checkpoint, FoldStart, ReadModelChange, ReadModelShape } from './ports/read-models.ts'

/** Runs a body in one transaction of a store, and commits it unless the body throws; may run it again from the start. */
export type RunInTransaction<Result> = (
  body: (whole: FollowingTransaction) => Promise<Result>,
) => Promise<Result>

/**
 * What holds of a transaction of subscriptions on every store: one in which a move was refused is taken back whole,
 * and one that is over does nothing more. The answer of the work stands in any case.
 */
export async function followingTransaction<Result>(
  name: string,
  run: RunInTransaction<Result>,
  work: (transaction: FollowingTransaction) => Promise<Result>,
): Promise<Result> {
  let refused: { readonly answer: Result } | undefined
  try {
    return await run(async (whole) => {
      const overseen = new OverseenTransaction(name, whole)
      try {
        const answer = await work(overseen)
        refused = overseen.isRefused ? { answer } : undefined
        if (refused !== undefined) throw new TakenBack()
        return answer
      } finally {
        overseen.isOver = true
      }
    })
  } catch (error) {
    if (error instanceof TakenBack && refused !== undefined) return refused.answer
    throw error
  }
}

/** Ends a transaction that changes nothing after all; never leaves this file. */
class TakenBack extends Error {}

/** A transaction that notes what it refuses, and refuses everything once it is over. */
class OverseenTransaction implements FollowingTransaction {
  isRefused = false
  isOver = false
  readonly #name: string
  readonly #whole: FollowingTransaction

  constructor(name: string, whole: FollowingTransaction) {
    this.#name = name
    this.#whole = whole
  }

  async checkpoint(subscription: string): Promise<Checkpoint | undefined> {
    return this.#open().checkpoint(subscription)
  }

  async documents(
    shape: ReadModelShape,
    keys: readonly string[],
    from?: FoldStart,
  ): Promise<ReadonlyMap<string, string>> {
    return this.#open().documents(shape, keys, from)
  }

  async change(change: ReadModelChange): Promise<boolean> {
    return this.#noted(await this.#open().change(change))
  }

  async move(
    subscription: string,
    fromPosition: number,
    checkpoint: Checkpoint,
    lease?: Lease,
  ): Promise<boolean> {
    return this.#noted(await this.#open().move(subscription, fromPosition, checkpoint, lease))
  }

  async holds(lease: Lease): Promise<boolean> {
    return this.#noted(await this.#open().holds(lease))
  }

  async putParked(event: ParkedEvent): Promise<void> {
    const { error, reason, actor } = event
    const texts = { error: storable(error), reason: storable(reason), actor: storable(actor) }
    await this.#open().putParked({ ...event, ...texts })
  }

  async dropParked(subscription: string, position: number): Promise<void> {
    await this.#open().dropParked(subscription, position)
  }

  async parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]> {
    return this.#open().parked(filter)
  }

  async seen(subscription: string, eventIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#open().seen(subscription, eventIds)
  }

  async remember(
    subscription: string,
    events: readonly { readonly id: string; readonly position: number }[],
  ): Promise<void> {
    await this.#open().remember(subscription, events)
  }

  async forgetSeen(subscription: string, throughPosition: number): Promise<void> {
    await this.#open().forgetSeen(subscription, throughPosition)
  }

  async readModel(name: string): Promise<ReadModelRecord | undefined> {
    return this.#open().readModel(name)
  }

  async putReadModel(record: ReadModelRecord): Promise<void> {
    await this.#open().putReadModel(record)
  }

  get sql(): SqlTransaction | undefined {
    const sql = this.#whole.sql
    if (sql === undefined) return undefined
    return {
      dialect: sql.dialect,
      query: async (text, values) => {
        this.#open()
        refuseTransactionControl(text)
        return sql.query(text, values)
      },
    }
  }

  #open(): FollowingTransaction {
    if (!this.isOver) return this.#whole
    throw new DaybookError('TRANSACTION_INVALID', `${this.#name}: the transaction is over`, {
      store: this.#name,
    })
  }

  #noted(isDone: boolean): boolean {
    if (!isDone) this.isRefused = true
    return isDone
  }
}

/** Words of errors and of people may hold anything; not every database takes a NUL or half a surrogate pair. */
function storable(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\0', '\ufffd').toWellFormed()
}

/** What begins or ends a transaction, behind any comments. `ROLLBACK TO` ends none: it goes back to a savepoint. */
const transactionControl =
  /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(BEGIN|COMMIT|END|ABORT|START\s+TRANSACTION|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:TRANSACTION\s+|WORK\s+)?TO\b))\b/i

/** The checkpoint would stay behind what was committed by itself. Throws `ILLEGAL_ARGUMENT`. */
function refuseTransactionControl(text: string): void {
  const [, word] = transactionControl.exec(text) ?? []
  if (word === undefined) return
  const told = word.toUpperCase().replace(/\s+/g, ' ')
  throw new DaybookError(
    'ILLEGAL_ARGUMENT',
    `sql.query: ${told} would end the transaction in which the checkpoint moves`,
    { argument: 'text', value: told },
  )
}
