import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { DaybookError } from '../core/errors.ts'
import type { Mutex } from '../core/mutex.ts'
import type { Host } from '../core/ports/host.ts'
import { isBusy, isIoFailure, translated } from './errors.ts'
import * as sql from './statements.ts'

/** How hard a connection presses its commits to the disk. */
export type Durability = 'commit' | 'checkpoint' | 'never'

const synchronous: { readonly [durability in Durability]: string } = {
  commit: sql.syncOnCommit,
  checkpoint: sql.syncOnCheckpoint,
  never: sql.syncNever,
}

/** The answers of `PRAGMA synchronous`. */
const synchronousLevels = ['off', 'normal', 'full', 'extra']

/** SQLite itself waits this long for a lock, blocking the thread; beyond it we wait without blocking. */
const blockingWaitMs = 5
/** A reader is in nobody's way but while another process recovers the file after a crash, which takes milliseconds. */
const readerWaitMs = 1_000

/** A value of a row, in the order of the statement's columns. */
export type Cell = string | number | null | Uint8Array
export type Row = readonly Cell[]

/** A connection with its prepared statements, each prepared once. Rows come as arrays: objects take half as long again. */
export class Connection {
  readonly database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  all(text: string, ...values: readonly Cell[]): readonly Row[] {
    return this.prepare(text).all(...values) as unknown[] as Row[]
  }

  first(text: string, ...values: readonly Cell[]): Row | undefined {
    return this.all(text, ...values)[0]
  }

  /** Returns how many rows changed. */
  run(text: string, ...values: readonly Cell[]): number {
    return Number(this.prepare(text).run(...values).changes)
  }

  prepare(text: string): StatementSync {
    let statement = this.#statements.get(text)
    if (statement === undefined) {
      statement = this.database.prepare(text)
      statement.setReturnArrays(true)
      // A caller's own connection may read integers as bigints; ours are below 2^53.
      statement.setReadBigInts(false)
      this.#statements.set(text, statement)
    }
    return statement
  }
}

/** What opening a connection needs to know. */
export interface ConnectionOptions {
  readonly path: string
  readonly name: string
  readonly durability: Durability
  readonly isReadOnly: boolean
}

/** Opens a connection and its settings; throws coded errors. */
export function connect({ path, name, durability, isReadOnly }: ConnectionOptions): Connection {
  try {
    const timeout = isReadOnly ? readerWaitMs : blockingWaitMs
    const database = new DatabaseSync(path, { timeout, readOnly: isReadOnly })
    try {
      database.exec(sql.settings)
      database.exec(synchronous[durability])
      return new Connection(database)
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    throw translated(error, name)
  }
}

/** How long to wait for a lock, and by which clock. */
export interface Patience {
  readonly name: string
  readonly host: Host
  readonly lockTimeoutMs: number
}

/**
 * Runs work that needs a lock, again as long as somebody else holds it, without blocking the thread in between;
 * throws `STORE_BUSY` when the time-out is over. Opening a connection needs one too, while another process turns on
 * write-ahead logging or recovers the file.
 */
export async function whenFree<Result>(patience: Patience, work: () => Result): Promise<Result> {
  const { name, host, lockTimeoutMs } = patience
  const startMs = performance.now()
  for (;;) {
    try {
      return work()
    } catch (error) {
      const waitedMs = performance.now() - startMs
      if (!isBusy(error)) throw error
      if (waitedMs >= lockTimeoutMs) throw busyFor(name, waitedMs, error)
    }
    await host.sleep(1 + host.random() * 4)
  }
}

/**
 * A connection that writes: one transaction at a time in this process, `BEGIN IMMEDIATE` so that no other process
 * writes between what we read and what we insert.
 */
export class Writer {
  readonly #options: ConnectionOptions
  readonly #patience: Patience
  readonly #mutex: Mutex
  #connection: Connection | undefined
  #isClosed = false

  constructor(options: ConnectionOptions, patience: Patience, mutex: Mutex) {
    this.#options = options
    this.#patience = patience
    this.#mutex = mutex
  }

  /**
   * Runs work in a transaction and commits it; whatever is thrown rolls everything back and comes out translated. All of it
   * is one piece: code of this process that ran in between, and never ended, would hold the lock against everybody.
   */
  transaction<Result>(work: (connection: Connection) => Result): Promise<Result> {
    return this.#inTurn(async () => {
      const end = await whenFree(this.#patience, () => {
        const connection = this.#begin()
        return ended(() => {
          const result = work(connection)
          connection.run(sql.commit)
          return result
        }, this.#abandon)
      })
      return end()
    })
  }

  /**
   * As `transaction`, for work that awaits what is done at once, as nearly all work of a file is. It begins in a turn of its
   * own: nothing else of the process comes in between, unless the work waits for something else.
   */
  awaitingTransaction<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    return this.#inTurn(async () => {
      await this.#patience.host.nextTurn()
      const connection = await whenFree(this.#patience, () => this.#begin())
      const result = await work(connection)
      connection.run(sql.commit)
      return result
    })
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#mutex.run(async () => {
      const { name, isReadOnly } = this.#options
      if (this.#isClosed) throw new DaybookError('BOOK_CLOSED', `${name} is closed`)
      // SQLite itself would refuse no more than what changes something.
      if (isReadOnly) {
        throw new DaybookError('STORE_READ_ONLY', `${name} was opened with readOnly: true`, { store: name })
      }
      try {
        return await work()
      } catch (error) {
        this.#abandon(error)
        throw translated(error, name)
      }
    })
  }

  /** What SQLite itself says of how commits are flushed; 'none' before the first transaction. */
  get synchronous(): string {
    const level = this.#connection?.first(sql.readSynchronous)?.[0]
    return synchronousLevels[Number(level ?? -1)] ?? 'none'
  }

  #begin(): Connection {
    this.#connection ??= connect(this.#options)
    this.#connection.run(sql.begin)
    return this.#connection
  }

  readonly #abandon = (error: unknown): void => {
    try {
      if (this.#connection?.database.isTransaction) this.#connection.run(sql.rollback)
    } catch {
      this.#discard()
    }
    // After a failed flush the pages this connection holds may not be what the disk holds: start from the file.
    if (isIoFailure(error)) this.#discard()
  }

  #discard(): void {
    const connection = this.#connection
    this.#connection = undefined
    try {
      connection?.database.close()
    } catch {
      // It is given up either way.
    }
  }

  close(): Promise<void> {
    return this.#mutex.run(() => {
      this.#isClosed = true
      this.#discard()
    })
  }
}

/** How work ended, to be returned or thrown later; what failed is cleared away at once. */
function ended<Result>(work: () => Result, onError: (error: unknown) => void): () => Result {
  try {
    const result = work()
    return () => result
  } catch (error) {
    onError(error)
    return () => {
      throw error
    }
  }
}

function busyFor(name: string, waitedMs: number, cause: unknown): DaybookError {
  const rounded = Math.round(waitedMs)
  return new DaybookError(
    'STORE_BUSY',
    `${name}: another transaction has held the write lock for ${rounded} ms`,
    { store: name, waitedMs: rounded },
    cause,
  )
}
