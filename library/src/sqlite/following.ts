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
import type { Host } from '../core/ports/host.ts'
import type { Cell, Connection, Row, Writer } from './connection.ts'
import { translated } from './errors.ts'
import * as sql from './following-statements.ts'
import { changesIn, moveCheckpoint } from './read-models.ts'
import { sqlOn } from './user-sql.ts'

/** What the following of one file needs. */
export interface SqliteFollowingParts {
  readonly name: string
  readonly host: Host
  readonly reader: () => Connection
  /** Its commits wait for the disk. */
  readonly writer: Writer
  /** Its commits leave the flush to whatever is flushed next. */
  readonly derived: Writer
}

/** Leases, members of groups, parked events, inboxes and the copies of read models in one SQLite file. */
export class SqliteFollowing implements FollowingStore {
  readonly #parts: SqliteFollowingParts

  constructor(parts: SqliteFollowingParts) {
    this.#parts = parts
  }

  async now(): Promise<number> {
    return this.#parts.host.now()
  }

  acquire(subscription: string, owner: string, leaseMs: number): Promise<Acquired | undefined> {
    return this.#parts.derived.transaction((connection) => {
      const nowMs = this.#parts.host.now()
      const row = connection.first(sql.acquireLease, subscription, owner, nowMs, nowMs + leaseMs)
      if (row === undefined) return undefined
      const [token, isTakenOver, position, attempts] = row
      return {
        lease: { subscription, owner, token: Number(token) },
        isTakenOver: isTakenOver === 1,
        trial: trialFrom(position, attempts),
      }
    })
  }

  renew(lease: Lease, leaseMs: number): Promise<boolean> {
    return this.#parts.derived.transaction((connection) => {
      const nowMs = this.#parts.host.now()
      return connection.run(sql.renewLease, ...leaseCells(lease), nowMs, nowMs + leaseMs) === 1
    })
  }

  async release(lease: Lease): Promise<void> {
    await this.#parts.derived.transaction((connection) =>
      connection.run(sql.releaseLease, ...leaseCells(lease)),
    )
  }

  noteTrial(lease: Lease, trial: Trial | undefined): Promise<boolean> {
    const cells = [trial?.position ?? null, trial?.attempts ?? null]
    return this.#parts.writer.transaction(
      (connection) => connection.run(sql.noteTrial, ...leaseCells(lease), ...cells) === 1,
    )
  }

  leases(): Promise<readonly LeaseStatus[]> {
    return this.#read((connection) => connection.all(sql.readLeases).map(leaseStatusFrom))
  }

  async pause(subscription: string, isPaused: boolean): Promise<void> {
    await this.#parts.writer.transaction((connection) =>
      connection.run(sql.pauseLease, subscription, Number(isPaused)),
    )
  }

  join(group: string, owner: string, memberMs: number): Promise<readonly string[]> {
    return this.#parts.derived.transaction((connection) => {
      const nowMs = this.#parts.host.now()
      connection.run(sql.joinGroup, group, owner, nowMs + memberMs)
      connection.run(sql.dropLateMembers, group, nowMs)
      return connection.all(sql.readMembers, group).map(([member]) => String(member))
    })
  }

  async leave(group: string, owner: string): Promise<void> {
    await this.#parts.derived.transaction((connection) => connection.run(sql.leaveGroup, group, owner))
  }

  parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]> {
    return this.#read((connection) => selectParked(connection, filter))
  }

  countParked(): Promise<
    readonly { readonly subscription: string; readonly status: ParkedStatus; readonly count: number }[]
  > {
    return this.#read((connection) =>
      connection.all(sql.countParked).map(([subscription, status, count]) => ({
        subscription: String(subscription),
        status: status as ParkedStatus,
        count: Number(count),
      })),
    )
  }

  readModels(): Promise<readonly ReadModelRecord[]> {
    return this.#read((connection) => connection.all(sql.readReadModels).map(recordFrom))
  }

  transaction<Result>(
    work: (transaction: FollowingTransaction) => Promise<Result>,
    isDurable = false,
  ): Promise<Result> {
    const { name, writer, derived } = this.#parts
    const chosen = isDurable ? writer : derived
    return followingTransaction(
      name,
      (body) => chosen.awaitingTransaction((connection) => body(transactionOn(connection))),
      work,
    )
  }

  async #read<Result>(work: (connection: Connection) => Result): Promise<Result> {
    try {
      return work(this.#parts.reader())
    } catch (error) {
      throw translated(error, this.#parts.name)
    }
  }
}

/** The transaction under way on this connection. */
function transactionOn(connection: Connection): FollowingTransaction {
  return {
    ...changesIn(connection),
    move: async (subscription, fromPosition, checkpoint, lease) =>
      moveCheckpoint(connection, { subscription, fromPosition, checkpoint, lease }),
    holds: async (lease) => connection.first(sql.holdsLease, ...leaseCells(lease)) !== undefined,
    putParked: async (event) => void connection.run(sql.putParked, ...parkedCells(event)),
    dropParked: async (subscription, position) => {
      connection.run(sql.dropParked, subscription, position)
    },
    parked: async (filter) => selectParked(connection, filter),
    seen: async (subscription, eventIds) => {
      const rows = connection.all(sql.readSeen, subscription, JSON.stringify(eventIds))
      return new Set(rows.map(([id]) => String(id)))
    },
    remember: async (subscription, events) => {
      for (const { id, position } of events) connection.run(sql.rememberSeen, subscription, id, position)
    },
    forgetSeen: async (subscription, throughPosition) => {
      connection.run(sql.forgetSeen, subscription, throughPosition)
    },
    readModel: async (name) => connection.all(sql.readReadModel, name).map(recordFrom)[0],
    putReadModel: async (record) => void connection.run(sql.putReadModel, ...recordCells(record)),
    sql: sqlOn(connection),
  }
}

function selectParked(connection: Connection, filter: ParkedFilter): readonly ParkedEvent[] {
  const { text, values } = sql.selectParked(filter)
  return connection.all(text, ...values).map(parkedFrom)
}

function leaseCells({ subscription, owner, token }: Lease): readonly Cell[] {
  return [subscription, owner, token]
}

function leaseStatusFrom(row: Row): LeaseStatus {
  const [subscription, owner, token, renewedAtMs, untilMs, isPaused, position, attempts] = row
  return {
    subscription: String(subscription),
    owner: owner === null ? undefined : String(owner),
    token: Number(token),
    renewedAtMs: Number(renewedAtMs),
    untilMs: Number(untilMs),
    isPaused: isPaused === 1,
    trial: trialFrom(position, attempts),
  }
}

function trialFrom(position: Cell | undefined, attempts: Cell | undefined): Trial | undefined {
  if (position === null || position === undefined) return undefined
  return { position: Number(position), attempts: Number(attempts) }
}

function parkedCells(event: ParkedEvent): readonly Cell[] {
  const { subscription, position, eventId, stream, type, status, attempts, error } = event
  const { nextAtMs, failedAtMs, changedAtMs, reason, actor } = event
  const what: readonly Cell[] = [subscription, position, eventId, stream, type, status, attempts, error]
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
    error: textOrNull(error),
    nextAtMs: nextAtMs === null ? null : Number(nextAtMs),
    failedAtMs: Number(failedAtMs),
    changedAtMs: Number(changedAtMs),
    reason: textOrNull(reason),
    actor: textOrNull(actor),
  }
}

function textOrNull(cell: Cell | undefined): string | null {
  return cell === null || cell === undefined ? null : String(cell)
}

function recordCells({ name, serving, previous, next, changedAtMs }: ReadModelRecord): readonly Cell[] {
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

function copyFrom(version: Cell | undefined, generation: Cell | undefined): ReadModelCopy | undefined {
  if (version === null || version === undefined) return undefined
  return { version: Number(version), generation: Number(generation) }
}
