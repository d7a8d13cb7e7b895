import type { Checkpoint, ReadModelTransaction } from './read-models.ts'

/**
 * The right to run a subscription, or one shard of it, until it is given back or somebody else takes it. Others may take
 * it once its time is over; until one does, it is still held.
 */
export interface Lease {
  readonly subscription: string
  /** Who holds it: unique to one opening of a book. */
  readonly owner: string
  /** Fencing token: grows each time the lease is taken. A write that carries an older one is refused. */
  readonly token: number
}

/** What was begun under a lease, and may have been done when its owner ended without a word. */
export interface Trial {
  /** Events behind the checkpoint up to here may have been handled. */
  readonly position: number
  /** Attempts at the first event behind the checkpoint that were begun, and of which nothing was heard. */
  readonly attempts: number
}

/** A lease that was got. */
export interface Acquired {
  readonly lease: Lease
  /**
   * True when the last other owner neither renewed nor released it: it died, or hangs. An owner that takes it again
   * without having given it back is told the same once more.
   */
  readonly isTakenOver: boolean
  readonly trial: Trial | undefined
}

/** Who runs a subscription, for those who watch. Times are by the store's clock, ms since 1970-01-01 UTC. */
export interface LeaseStatus {
  readonly subscription: string
  /** Undefined when nobody does. */
  readonly owner: string | undefined
  readonly token: number
  readonly renewedAtMs: number
  readonly untilMs: number
  readonly isPaused: boolean
  readonly trial: Trial | undefined
}

/** What became of an event that could not be handled at once. */
export type ParkedStatus =
  /** Failed, and is tried again at `nextAtMs`. */
  | 'retrying'
  /** An earlier event of its stream is retrying or parked. */
  | 'waiting'
  /** Failed as often as it may; waits for a person. */
  | 'parked'
  /** A person decided that it is not to be handled; kept as a record. */
  | 'skipped'

/** An event kept aside by a subscription: the checkpoint has passed it, and it is not done. */
export interface ParkedEvent {
  readonly subscription: string
  readonly position: number
  readonly eventId: string
  readonly stream: string
  readonly type: string
  readonly status: ParkedStatus
  readonly attempts: number
  /** The last error as text; null for one that only waits. NUL and half a surrogate pair come back as U+FFFD, here and below. */
  readonly error: string | null
  /** When it is tried again; null for one that is not. Store's clock. */
  readonly nextAtMs: number | null
  readonly failedAtMs: number
  readonly changedAtMs: number
  /** Why, and by whom, it was skipped. */
  readonly reason: string | null
  readonly actor: string | null
}

/** Which parked events: all conditions hold; ordered by subscription and position. */
export interface ParkedFilter {
  readonly subscription?: string | undefined
  readonly statuses?: readonly ParkedStatus[] | undefined
  readonly stream?: string | undefined
  readonly position?: number | undefined
  /** Only those to be tried again at or before this time. */
  readonly dueAtMs?: number | undefined
  /** Exclusive. */
  readonly afterPosition?: number | undefined
  readonly limit: number
}

/** One stored copy of a read model: a version of its code, filled for the first time (1) or again (2, 3 …). */
export interface ReadModelCopy {
  readonly version: number
  readonly generation: number
}

/** Which copies of a read model there are, and what each is for. */
export interface ReadModelRecord {
  readonly name: string
  /** Questions are answered from this one. */
  readonly serving: ReadModelCopy
  /** The one that served before, to go back to. */
  readonly previous: ReadModelCopy | undefined
  /** The one that is being filled beside. */
  readonly next: ReadModelCopy | undefined
  readonly changedAtMs: number
}

/** SQL on the database of the book, inside the transaction that moves the checkpoint. */
export interface SqlTransaction {
  readonly dialect: 'sqlite' | 'postgres'
  /**
   * Runs one statement with parameters (`?` on SQLite, `$1` on PostgreSQL); rows as objects by column name, of the values
   * that the driver makes: a `bigint` of PostgreSQL is a string, a boolean in SQLite 0 or 1. Rejects with the driver's own
   * error, and with `ILLEGAL_ARGUMENT` for several statements and for one that would end the transaction.
   */
  query(text: string, values?: readonly unknown[]): Promise<readonly { readonly [column: string]: unknown }[]>
}

/**
 * Changes of subscriptions inside one transaction: all of them or none. None as well when `change`, `move` or `holds` was
 * answered with false, whatever else is done. Rejects with `TRANSACTION_INVALID` when the transaction is over.
 */
export interface FollowingTransaction extends ReadModelTransaction {
  /** Moves a checkpoint; false when it is not at `fromPosition` any more or the lease is no longer held. */
  move(subscription: string, fromPosition: number, checkpoint: Checkpoint, lease?: Lease): Promise<boolean>
  /** True when the lease is still held; holds it until the transaction ends. */
  holds(lease: Lease): Promise<boolean>
  /** Keeps an event aside, in place of what was kept of it before. */
  putParked(event: ParkedEvent): Promise<void>
  /** Forgets a parked event that is done. */
  dropParked(subscription: string, position: number): Promise<void>
  /** Nobody else changes or drops what is found until the transaction ends. */
  parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]>
  /** Which of these event ids a subscription remembers. */
  seen(subscription: string, eventIds: readonly string[]): Promise<ReadonlySet<string>>
  remember(
    subscription: string,
    events: readonly { readonly id: string; readonly position: number }[],
  ): Promise<void>
  /** Forgets ids of events up to a position (inclusive). */
  forgetSeen(subscription: string, throughPosition: number): Promise<void>
  /** What is read here, be it nothing, stays so until the transaction ends. */
  readModel(name: string): Promise<ReadModelRecord | undefined>
  putReadModel(record: ReadModelRecord): Promise<void>
  /** The user's own tables. Undefined where the store has no SQL. */
  readonly sql: SqlTransaction | undefined
}

/**
 * What the engine of subscriptions needs of a store besides checkpoints: leases with fencing tokens, members of groups,
 * parked events, an inbox of seen ids, and which copy of a read model serves. Time is the store's own clock, so that
 * machines whose clocks differ agree on who holds a lease and on what is due.
 */
export interface FollowingStore {
  /** The store's clock, ms since 1970-01-01 UTC: of the database server, else of the host. */
  now(): Promise<number>
  /**
   * Takes the lease of a subscription whose checkpoint is prepared, for so long; undefined when somebody else holds it, or
   * it is paused. Whoever held it before, the token grows.
   */
  acquire(subscription: string, owner: string, leaseMs: number): Promise<Acquired | undefined>
  /** Keeps it for so long from now; false when it is not held any more, or was paused: then stop at once. */
  renew(lease: Lease, leaseMs: number): Promise<boolean>
  /** Gives it back, for others to take at once. */
  release(lease: Lease): Promise<void>
  /** Notes durably that an event is about to be tried; undefined ends the trial. False when the lease is not held. */
  noteTrial(lease: Lease, trial: Trial | undefined): Promise<boolean>
  /** All prepared subscriptions, in the byte order of their names. */
  leases(): Promise<readonly LeaseStatus[]>
  /**
   * While paused nobody can take or renew the lease; who holds it may end what is under way. Does nothing when the
   * subscription is not prepared.
   */
  pause(subscription: string, isPaused: boolean): Promise<void>
  /** Tells that an owner is there for a group, for so long from now; returns all who are, in byte order. */
  join(group: string, owner: string, memberMs: number): Promise<readonly string[]>
  leave(group: string, owner: string): Promise<void>
  parked(filter: ParkedFilter): Promise<readonly ParkedEvent[]>
  /** How many events are kept aside, by subscription and status, in the byte order of both. */
  countParked(): Promise<
    readonly { readonly subscription: string; readonly status: ParkedStatus; readonly count: number }[]
  >
  /** In the byte order of their names. */
  readModels(): Promise<readonly ReadModelRecord[]>
  /**
   * Runs work in one transaction of the store; from the start again when the store took it back and certainly nothing of
   * it was done. Whatever the work throws takes everything back and comes out. Within it nothing else of this store may be
   * waited for, but reads.
   *
   * @param isDurable on the disk when it resolves: for what a person decided; else a crash of the database may take it back
   * together with the checkpoint, that of this process does not
   */
  transaction<Result>(
    work: (transaction: FollowingTransaction) => Promise<Result>,
    isDurable?: boolean,
  ): Promise<Result>
}
