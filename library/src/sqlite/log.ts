import { DatabaseSync } from 'node:sqlite'
import {
  type AppendOutcome,
  type AppendPlan,
  type HeldFacts,
  needsOf,
  planAppend,
} from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import { DaybookError } from '../core/errors.ts'
import { Mutex } from '../core/mutex.ts'
import { utf8Length } from '../core/names.ts'
import type { Host } from '../core/ports/host.ts'
import type { BookIdentity, BriefPage, EventLog, InlineStep, LogSlice } from '../core/ports/store.ts'
import { RowHasher } from '../core/row-hash.ts'
import { Connection, type Writer } from './connection.ts'
import { translated } from './errors.ts'
import { readIdentity } from './migrate.ts'
import type { ReadAhead } from './read-ahead.ts'
import { changesIn } from './read-models.ts'
import { firstMatch, readHead, readKeys, SqliteReader } from './reading.ts'
import * as sql from './statements.ts'

/** What the log of one file needs. */
export interface SqliteLogParts {
  readonly name: string
  readonly host: Host
  readonly identity: BookIdentity
  readonly reader: () => Connection
  readonly writer: Writer
  readonly ahead: ReadAhead
  /** True when an acknowledged append must have reached the disk. */
  readonly isDurable: boolean
}

/** Appends that join one transaction take turns: savepoints nest, they do not interleave. */
const turns = new WeakMap<DatabaseSync, Mutex>()

/** The log in one SQLite file. Other processes may append to the same file at the same time. */
export class SqliteLog extends SqliteReader implements EventLog {
  readonly #parts: SqliteLogParts
  readonly #hasher: RowHasher
  readonly #listeners = new Set<() => void>()
  #watch: NodeJS.Timeout | undefined
  #dataVersion: unknown
  #briefHead = 0

  constructor(parts: SqliteLogParts) {
    super(parts.reader, parts.name)
    this.#parts = parts
    this.#hasher = new RowHasher(parts.host.sha256)
  }

  async append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    const { writer, host, name } = this.#parts
    const planned = (connection: Connection): AppendPlan =>
      appendRows(connection, requests, host.now(), this.#hasher)
    const { outcomes } = await (inline === undefined
      ? writer.transaction(planned)
      : writer.awaitingTransaction(async (connection) => {
          const plan = planned(connection)
          const reader = new SqliteReader(() => connection, name)
          if (plan.rows.length > 0) await inline(plan.rows, changesIn(connection), reader)
          return plan
        }))
    if (outcomes.some((outcome) => outcome.kind === 'appended')) this.#notify()
    return outcomes
  }

  override async readBriefly(slice: LogSlice): Promise<BriefPage> {
    const page = (await this.#parts.ahead.read(slice, this.#briefHead)) ?? (await super.readBriefly(slice))
    this.#briefHead = page.head
    return page
  }

  within(transaction: unknown): EventLog {
    return new JoinedLog(this.#parts, this.#hasher, this.#joined(transaction))
  }

  /** The caller's connection, after making sure that it is in a transaction on this very book. */
  #joined(transaction: unknown): Connection {
    const { name, identity } = this.#parts
    if (!(transaction instanceof DatabaseSync)) {
      throw new DaybookError(
        'TRANSACTION_INVALID',
        `${name}: the transaction must be a DatabaseSync of node:sqlite`,
        { store: name },
      )
    }
    if (!transaction.isOpen || !transaction.isTransaction) {
      throw new DaybookError(
        'TRANSACTION_INVALID',
        `${name}: the connection given has no open transaction; run BEGIN IMMEDIATE first`,
        { store: name },
      )
    }
    const connection = new Connection(transaction)
    if (this.#parts.isDurable && Number(connection.first(sql.readSynchronous)?.[0]) < sql.fullSynchronous) {
      throw new DaybookError(
        'STORE_UNSAFE',
        `${name}: the connection given has PRAGMA synchronous below FULL`,
        {
          store: name,
          setting: 'synchronous',
        },
      )
    }
    try {
      if (readIdentity(connection).bookId === identity.bookId) return connection
    } catch (cause) {
      throw new DaybookError(
        'TRANSACTION_INVALID',
        `${name}: the connection given cannot read this book`,
        { store: name },
        cause,
      )
    }
    throw new DaybookError('TRANSACTION_INVALID', `${name}: the connection given is to another book`, {
      store: name,
    })
  }

  /** What is visible is on the disk: a commit flushes the write-ahead log before it shows. */
  async whenDurable(): Promise<void> {}

  onAppended(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#startWatching()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.stopWatching()
    }
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  // What other processes commit shows as a new data_version; asking costs microseconds.
  #startWatching(): void {
    if (this.#watch !== undefined) return
    this.#hasChanged()
    this.#watch = setInterval(() => {
      if (this.#hasChanged()) this.#notify()
    }, 25)
    this.#watch.unref()
  }

  #hasChanged(): boolean {
    try {
      const version = this.#parts.reader().first(sql.readDataVersion)?.[0]
      const hasChanged = version !== this.#dataVersion
      this.#dataVersion = version
      return hasChanged
    } catch {
      // A hint that cannot be given now is given at the next tick; reads report the fault itself.
      return false
    }
  }

  stopWatching(): void {
    clearInterval(this.#watch)
    this.#watch = undefined
  }
}

/** The log from inside the caller's transaction: sees its uncommitted rows, commits nothing. */
class JoinedLog extends SqliteReader implements EventLog {
  readonly #parts: SqliteLogParts
  readonly #hasher: RowHasher
  readonly #connection: Connection

  constructor(parts: SqliteLogParts, hasher: RowHasher, connection: Connection) {
    super(() => connection, parts.name)
    this.#parts = parts
    this.#hasher = hasher
    this.#connection = connection
  }

  append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    const { database } = this.#connection
    const turn = turns.get(database) ?? new Mutex()
    turns.set(database, turn)
    return turn.run(() => this.#append(requests, inline))
  }

  async #append(requests: readonly AppendRequest[], inline?: InlineStep): Promise<readonly AppendOutcome[]> {
    const connection = this.#connection
    try {
      connection.database.exec(sql.savepoint)
      const plan = appendRows(connection, requests, this.#parts.host.now(), this.#hasher)
      if (inline !== undefined && plan.rows.length > 0) await inline(plan.rows, changesIn(connection), this)
      connection.database.exec(sql.releaseSavepoint)
      return plan.outcomes
    } catch (error) {
      if (connection.database.isTransaction) connection.database.exec(sql.rollbackToSavepoint)
      throw translated(error, this.#parts.name)
    }
  }

  within(): EventLog {
    return this
  }

  async whenDurable(): Promise<void> {}

  onAppended(): () => void {
    return () => undefined
  }
}

/** Looks up, plans and inserts a batch, inside a transaction that holds the write lock. */
function appendRows(
  connection: Connection,
  requests: readonly AppendRequest[],
  nowMs: number,
  hasher: RowHasher,
): AppendPlan {
  const plan = planAppend(heldFacts(connection, requests), requests, nowMs, hasher)
  const insert = connection.prepare(sql.insertEvent)
  let largest = 0
  for (const row of plan.rows) {
    insert.run(
      row.position,
      row.stream,
      row.version,
      row.type,
      row.schemaVersion,
      row.id,
      row.data,
      row.metadata,
      row.tags,
      row.recordedAtMs,
      row.leafHash,
      row.chainHash,
    )
    for (const tag of row.tagList) connection.run(sql.insertTag, tag, row.position)
    const characters = row.data.length + row.metadata.length
    if (characters > largest) largest = Math.max(largest, utf8Length(row.data) + utf8Length(row.metadata))
  }
  if (largest > 0) connection.run(sql.raiseLargestEvent, largest)
  for (const { key, fingerprint, firstPosition, eventCount } of plan.keys) {
    connection.run(sql.insertKey, key, fingerprint, firstPosition, eventCount)
  }
  return plan
}

function heldFacts(connection: Connection, requests: readonly AppendRequest[]): HeldFacts {
  const needs = needsOf(requests)
  const versions = connection.all(sql.readVersions, JSON.stringify(needs.streams))
  const ids = needs.ids.length === 0 ? [] : connection.all(sql.readIds, JSON.stringify(needs.ids))
  return {
    head: readHead(connection),
    versions: new Map(versions.map(([stream, version]) => [String(stream), Number(version ?? 0)])),
    keys: needs.keys.length === 0 ? new Map() : readKeys(connection, needs.keys),
    ids: new Set(ids.map(([id]) => String(id))),
    matches: needs.conditions.map(({ items, after }) => firstMatch(connection, items, after)),
  }
}
