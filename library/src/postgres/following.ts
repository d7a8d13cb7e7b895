import { followingTransaction } from '../core/following-transaction.ts'
import type {
  Acquired,
  FollowingStore,
  FollowingTransaction,
  Lease,
  LeaseStatus,
  ParkedEvent,
  ParkedFilter,
  ParkedStatus,
  ReadModelCopy,
  ReadModelRecord,
  Trial,
} from '../core/ports/following.ts'
import { int8Array, textArray } from './arrays.ts'
import type { Row, Runner, Session } from './connection.ts'
import type { DerivedWriter } from './derived-writer.ts'
import { type FollowingStatements, followingStatements, selectParked } from './following-statements.ts'
import { holdsLease, PostgresLeases } from './leases.ts'
import type { BoundText } from './read-model-statements.ts'
import { changesIn, moveCheckpoint } from './read-models.ts'
import { statement } from './statements.ts'
import { type Transaction, together } from './transaction.ts'
import { UserSql } from './user-sql.ts'

/** What the following of one book needs. */
export interface FollowingParts {
  readonly name: string
  readonly schema: string
  readonly reader: Session
  /** The one that writes read models, too. */
  readonly derived: DerivedWriter
  /** Another one, for leases alone; see `leases.ts`. */
  readonly leasing: DerivedWriter
}

/** Leases, members of groups, parked events, inboxes and the copies of read models in the schema of the book. */
export class PostgresFollowing implements FollowingStore {
  readonly #parts: FollowingParts
  readonly #sql: FollowingStatements
  readonly #leases: PostgresLeases
  readonly #userSql = new UserSql()

  constructor(parts: FollowingParts) {
    this.#parts = parts
    this.#sql = followingStatements(parts.schema)
    this.#leases = new PostgresLeases({ reader: parts.reader, writer: parts.leasing, sql: this.#sql })
  }

  now(): Promise<number> {
    return this.#leases.now()
  }

  acquire(subscription: string, owner: string, leaseMs: number): Promise<Acquired | undefined> {
    return this.#leases.acquire(subscription, owner, leaseMs)
  }

  renew(lease: Lease, leaseMs: number): Promise<boolean> {
    return this.#leases.renew(lease, leaseMs)
  }

  release(lease: Lease): Promise<void> {
    return this.#leases.release(lease)
  }

  noteTrial(lease: Lease, trial: Trial | undefined): Promise<boolean> {
    return this.#leases.noteTrial(lease, trial)
  }

  leases(): Promise<readonly LeaseStatus[]> {
    return this.#leases.leases()
  }

  pause(subscription: string, isPaused: boolean): Promise<void> {
    return this.#leases.pause(subscription, isPaused)
  }

  join(group: string, owner: string, memberMs: number): Promise<readonly string[]> {
    return this.#leases.join(group, owner, memberMs)
  }

  leave(group: string, owner: string): Promise<void> {
    return this.#leases.leave(group, owner)
  }

  parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]> {
    return this.#parts.reader.repeatable((runner) =>
      readParked(runner, selectParked(this.#parts.schema, filter, false)),
    )
  }

  countParked(): Promise<
    readonly { readonly subscription: string; readonly status: ParkedStatus; readonly count: number }[]
  > {
    return this.#parts.reader.repeatable(async (runner) => {
      const rows = await runner.run(this.#sql.countParked)
      return rows.map(([subscription, status, count]) => ({
        subscription: String(subscription),
        status: status as ParkedStatus,
        count: Number(count),
      }))
    })
  }

  readModels(): Promise<readonly ReadModelRecord[]> {
    return this.#parts.reader.repeatable(async (runner) =>
      (await runner.run(this.#sql.readReadModels)).map(recordFrom),
    )
  }

  transaction<Result>(
    work: (transaction: FollowingTransaction) => Promise<Result>,
    isDurable = false,
  ): Promise<Result> {
    const { name, derived } = this.#parts
    return followingTransaction(
      name,
      (body) => derived.certainTransaction((transaction) => body(this.#within(transaction)), isDurable),
      work,
    )
  }

  #within(transaction: Transaction): FollowingTransaction {
    const { schema } = this.#parts
    const sql = this.#sql
    return {
      ...changesIn(transaction, schema),
      move: (subscription, fromPosition, checkpoint, lease) =>
        moveCheckpoint(transaction, schema, { subscription, fromPosition, checkpoint, lease }),
      holds: (lease) => holdsLease(transaction, sql, lease),
      putParked: async (event) => void (await transaction.run(sql.putParked, parkedCells(event))),
      dropParked: async (subscription, position) => {
        await transaction.run(sql.dropParked, [subscription, position])
      },
      parked: (filter) => readParked(transaction, selectParked(schema, filter, true)),
      seen: async (subscription, eventIds) => {
        const rows = await transaction.run(sql.readSeen, [subscription, textArray(eventIds)])
        return new Set(rows.map(([id]) => String(id)))
      },
      remember: async (subscription, events) => {
        const ids = textArray(events.map(({ id }) => id))
        const positions = int8Array(events.map(({ position }) => position))
        await transaction.run(sql.rememberSeen, [subscription, ids, positions])
      },
      forgetSeen: async (subscription, throughPosition) => {
        await transaction.run(sql.forgetSeen, [subscription, throughPosition])
      },
      readModel: async (name) => {
        const [, rows] = await together([
          transaction.run(sql.lockReadModel, [name]),
          transaction.run(sql.readReadModel, [name]),
        ])
        return rows.map(recordFrom)[0]
      },
      putReadModel: async (record) => {
        await together([
          transaction.run(sql.lockReadModel, [record.name]),
          transaction.run(sql.putReadModel, recordCells(record)),
        ])
      },
      sql: this.#userSql.on(transaction),
    }
  }
}

async function readParked(runner: Runner, { text, values }: BoundText): Promise<readonly ParkedEvent[]> {
  const cells = values.map((value) => (Array.isArray(value) ? textArray(value) : value))
  return (await runner.run(statement(text), cells)).map(parkedFrom)
}

function parkedCells(event: ParkedEvent): readonly (string | number | null)[] {
  const { subscription, position, eventId, stream, type, status, attempts, error } = event
  const { nextAtMs, failedAtMs, changedAtMs, reason, actor } = event
  const what = [subscription, position, eventId, stream, type, status, attempts, error]
  return [...what, nextAtMs, failedAtMs, changedAtMs, reason, actor]
}

function parkedFrom(row: Row): ParkedEvent {
  const [subscription, position, eventId, stream, type, status, attempts, error, ...others] = row
  const [nextAtMs, failedAtMs, changedAtMs, reason, actor] = others
  return {
    subscription: String(subscription),
    position: Number(position),
    eventId: String(eventId),
    stream: String(stream),
    type: String(type),
    status: status as ParkedStatus,
    attempts: Number(attempts),
    error: error ?? null,
    nextAtMs: nextAtMs === null ? null : Number(nextAtMs),
    failedAtMs: Number(failedAtMs),
    changedAtMs: Number(changedAtMs),
    reason: reason ?? null,
    actor: actor ?? null,
  }
}

function recordCells({
  name,
  serving,
  previous,
  next,
  changedAtMs,
}: ReadModelRecord): readonly (string | number | null)[] {
  const copies = [serving, previous, next].flatMap((copy) => [
    copy?.version ?? null,
    copy?.generation ?? null,
  ])
  return [name, ...copies, changedAtMs]
}

function recordFrom(row: Row): ReadModelRecord {
  const [name, servingVersion, servingGeneration, ...others] = row
  const [previousVersion, previousGeneration, nextVersion, nextGeneration, changedAtMs] = others
  return {
    name: String(name),
    serving: { version: Number(servingVersion), generation: Number(servingGeneration) },
    previous: copyFrom(previousVersion, previousGeneration),
    next: copyFrom(nextVersion, nextGeneration),
    changedAtMs: Number(changedAtMs),
  }
}

function copyFrom(
  version: string | null | undefined,
  generation: string | null | undefined,
): ReadModelCopy | undefined {
  if (version === null || version === undefined) return undefined
  return { version: Number(version), generation: Number(generation) }
}
