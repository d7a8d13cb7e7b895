import type { Acquired, Lease, LeaseStatus, Trial } from '../core/ports/following.ts'
import type { Row, Session } from './connection.ts'
import type { DerivedWriter } from './derived-writer.ts'
import type { FollowingStatements } from './following-statements.ts'
import { type Transaction, together } from './transaction.ts'

/** What leases need. */
export interface LeaseParts {
  readonly reader: Session
  /**
   * On a connection of its own, so that a lease is renewed while a transaction of documents is under way; whoever moves
   * the very checkpoint holds it up all the same, and then nobody else can take the lease either.
   */
  readonly writer: DerivedWriter
  readonly sql: FollowingStatements
}

/** Who runs which subscription, and who is there to share its work. */
export class PostgresLeases {
  readonly #parts: LeaseParts

  constructor(parts: LeaseParts) {
    this.#parts = parts
  }

  async now(): Promise<number> {
    const [row] = await this.#parts.reader.repeatable((runner) => runner.run(this.#parts.sql.readNow))
    return Number(row?.[0])
  }

  acquire(subscription: string, owner: string, leaseMs: number): Promise<Acquired | undefined> {
    const { writer, sql } = this.#parts
    return writer.transaction(async (transaction) => {
      const [, [row]] = await together([
        transaction.run(sql.lockLease, [subscription]),
        transaction.run(sql.acquireLease, [subscription, owner, leaseMs]),
      ])
      if (row === undefined) return undefined
      const [token, isTakenOver, position, attempts] = row
      return {
        lease: { subscription, owner, token: Number(token) },
        isTakenOver: isTakenOver === 't',
        trial: trialFrom(position, attempts),
      }
    })
  }

  renew(lease: Lease, leaseMs: number): Promise<boolean> {
    const { writer, sql } = this.#parts
    return writer.transaction(async (transaction) => {
      const [, rows] = await together([
        transaction.run(sql.lockLease, [lease.subscription]),
        transaction.run(sql.renewLease, [...leaseCells(lease), leaseMs]),
      ])
      return rows.length === 1
    })
  }

  async release(lease: Lease): Promise<void> {
    const { writer, sql } = this.#parts
    await writer.transaction((transaction) => transaction.run(sql.releaseLease, leaseCells(lease)))
  }

  noteTrial(lease: Lease, trial: Trial | undefined): Promise<boolean> {
    const { writer, sql } = this.#parts
    const cells = [...leaseCells(lease), trial?.position ?? null, trial?.attempts ?? null]
    return writer.durableTransaction(
      async (transaction) => (await transaction.run(sql.noteTrial, cells)).length === 1,
    )
  }

  leases(): Promise<readonly LeaseStatus[]> {
    const { reader, sql } = this.#parts
    return reader.repeatable(async (runner) => (await runner.run(sql.readLeases)).map(leaseStatusFrom))
  }

  async pause(subscription: string, isPaused: boolean): Promise<void> {
    const { writer, sql } = this.#parts
    await writer.durableTransaction((transaction) =>
      transaction.run(sql.pauseLease, [subscription, isPaused]),
    )
  }

  join(group: string, owner: string, memberMs: number): Promise<readonly string[]> {
    const { writer, sql } = this.#parts
    return writer.transaction(async (transaction) => {
      const [, , rows] = await together([
        transaction.run(sql.joinGroup, [group, owner, memberMs]),
        transaction.run(sql.dropLateMembers, [group]),
        transaction.run(sql.readMembers, [group]),
      ])
      return rows.map(([member]) => String(member))
    })
  }

  async leave(group: string, owner: string): Promise<void> {
    const { writer, sql } = this.#parts
    await writer.transaction((transaction) => transaction.run(sql.leaveGroup, [group, owner]))
  }
}

/** The lease is held; it stays so until the transaction ends. */
export async function holdsLease(
  transaction: Pick<Transaction, 'run'>,
  sql: FollowingStatements,
  lease: Lease,
): Promise<boolean> {
  return (await transaction.run(sql.holdsLease, leaseCells(lease))).length === 1
}

function leaseCells({ subscription, owner, token }: Lease): readonly (string | number)[] {
  return [subscription, owner, token]
}

function leaseStatusFrom(row: Row): LeaseStatus {
  const [subscription, owner, token, renewedAtMs, untilMs, isPaused, position, attempts] = row
  return {
    subscription: String(subscription),
    owner: owner ?? undefined,
    token: Number(token),
    renewedAtMs: Number(renewedAtMs),
    untilMs: Number(untilMs),
    isPaused: isPaused === 't',
    trial: trialFrom(position, attempts),
  }
}

function trialFrom(
  position: string | null | undefined,
  attempts: string | null | undefined,
): Trial | undefined {
  if (position === null || position === undefined) return undefined
  return { position: Number(position), attempts: Number(attempts) }
}
