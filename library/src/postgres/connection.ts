import { DaybookError, messageOf } from '../core/errors.ts'
import type { Host } from '../core/ports/host.ts'
import type {
  PostgresClient,
  PostgresConnection,
  PostgresDriver,
  PostgresQuery,
  PostgresResult,
  PostgresSettings,
} from './driver.ts'
import { ConnectionLost, connectionFailure, isConnectionLoss, isServerError, translated } from './errors.ts'
import type { Statement } from './statements.ts'

/** A row, in the order of the statement's columns: everything comes as text, and is read where it is used. */
export type Row = readonly (string | null)[]

/** Whatever runs statements: a connection of ours, or the caller's. */
export interface Runner {
  run(statement: Statement | string, values?: readonly unknown[]): Promise<readonly Row[]>
}

// Parsing by type would cost time and change numbers; what needs another type than text converts it.
const asText = (text: string): string => text
const types: NonNullable<PostgresQuery['types']> = { getTypeParser: () => asText }

/** How statements run on a connection. */
export interface StatementOptions {
  readonly isPrepared: boolean
  /** Longest wait for the reply, in ms; without it a server that has vanished is waited for for ever. */
  readonly replyTimeoutMs?: number
}

/** What is done first on each new connection, with the options of its session. */
type OnConnected = (client: PostgresConnection, options: StatementOptions) => Promise<void> | void

/** Runs a statement on a connection of `pg`; rows are arrays of texts. */
export async function runOn(
  client: PostgresClient,
  statement: Statement | string,
  values: readonly unknown[] = [],
  options: StatementOptions = { isPrepared: true },
): Promise<readonly Row[]> {
  return ((await resultOn(client, statement, values, options)).rows ?? []) as Row[]
}

/** As `runOn`, with how many rows were written. */
export async function resultOn(
  client: PostgresClient,
  statement: Statement | string,
  values: readonly unknown[],
  options: StatementOptions,
): Promise<PostgresResult> {
  const timeout = options.replyTimeoutMs === undefined ? {} : { query_timeout: options.replyTimeoutMs }
  const plain = { rowMode: 'array', types, ...timeout } as const
  const { text, name } = typeof statement === 'string' ? { text: statement, name: undefined } : statement
  const named = name !== undefined && options.isPrepared ? { name } : {}
  const withValues = typeof statement === 'string' ? {} : { values: [...values] }
  try {
    return await client.query({ text, ...named, ...withValues, ...plain })
  } catch (error) {
    throw isServerError(error) ? error : new ConnectionLost(error)
  }
}

/** How to reach the server, and how long to wait for it. */
export interface ServerAddress {
  /** For people: `postgres:bank/daybook`. */
  readonly name: string
  readonly driver: PostgresDriver
  readonly settings: PostgresSettings
  readonly host: Host
  /** How long to wait for a reply, for the lock, and for a server that is away to come back, in ms. */
  readonly timeoutMs: number
  /** False behind a pooler that loses prepared statements. */
  readonly isPrepared: boolean
}

/**
 * One connection, opened when it is first needed and again when it was lost. Statements are sent without waiting for
 * the answers of those before them.
 */
export class Session implements Runner {
  readonly address: ServerAddress
  readonly #purpose: string
  readonly #onConnected: OnConnected | undefined
  #current: PostgresConnection | undefined
  #opening: Promise<PostgresConnection> | undefined
  #isClosed = false

  /** @param onConnected runs once on each new connection, before anything else */
  constructor(address: ServerAddress, purpose: string, onConnected?: OnConnected) {
    this.address = address
    this.#purpose = purpose
    this.#onConnected = onConnected
  }

  /** Runs one statement; throws the server's error as it is, or `ConnectionLost`. */
  async run(statement: Statement | string, values?: readonly unknown[]): Promise<readonly Row[]> {
    const client = await this.connected()
    try {
      return await runOn(client, statement, values, this.options)
    } catch (error) {
      if (isConnectionLoss(error)) this.drop(client)
      throw error
    }
  }

  /**
   * Runs what changes nothing, or may well be done twice; again on a new connection when the old one was lost, until
   * the time-out. Throws coded errors.
   */
  async repeatable<Result>(work: (runner: Runner) => Promise<Result>): Promise<Result> {
    const { host, timeoutMs, name } = this.address
    const startMs = performance.now()
    for (let delayMs = 10; ; delayMs = Math.min(500, delayMs * 2)) {
      try {
        return await work(this)
      } catch (error) {
        const isOver = performance.now() - startMs >= timeoutMs
        if (this.#isClosed || isOver || !isConnectionLoss(error)) throw translated(error, name)
      }
      await host.sleep(delayMs * (0.5 + host.random()))
    }
  }

  /** The open connection; opens it when there is none. */
  connected(): Promise<PostgresConnection> {
    if (this.#isClosed) {
      return Promise.reject(new DaybookError('BOOK_CLOSED', `${this.address.name} is closed`))
    }
    if (this.#opening !== undefined) return this.#opening
    const opening = this.#connect()
    this.#opening = opening
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined
    })
    return opening
  }

  /** How statements run on this session's connection. */
  get options(): StatementOptions {
    // The server itself gives up first, when it is there: it waits for locks no longer than timeoutMs.
    return { isPrepared: this.address.isPrepared, replyTimeoutMs: this.address.timeoutMs + 1_000 }
  }

  /** Gives a connection up; the server rolls back what was under way. The next statement opens another. */
  drop(client: PostgresConnection): void {
    // Every statement that was lost with it says so.
    if (this.#current !== client) return
    this.#current = undefined
    this.#opening = undefined
    void this.#leave(client)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const client = await this.#opening?.catch(() => undefined)
    this.#current = undefined
    this.#opening = undefined
    if (client !== undefined) await this.#leave(client)
  }

  /** Says goodbye, and waits for the other side to do so no longer than for any answer: it may be gone without a word. */
  async #leave(client: PostgresConnection): Promise<void> {
    const { host, timeoutMs } = this.address
    const overdue = new AbortController()
    const late = host.sleep(timeoutMs, overdue.signal).catch(() => undefined)
    await Promise.race([client.end().catch(() => undefined), late])
    overdue.abort()
    client.connection?.stream?.destroy?.()
  }

  async #connect(): Promise<PostgresConnection> {
    const client = newClient(this.address, this.#purpose)
    this.#current = client
    client.on('error', () => this.drop(client))
    client.on('end', () => this.drop(client))
    try {
      await client.connect()
      await this.#onConnected?.(client, this.options)
      if (this.#isClosed) this.drop(client)
      return client
    } catch (error) {
      this.drop(client)
      throw connectionFailure(error, client, this.address.name)
    }
  }
}

/** A client that is not connected yet. The driver reads files of certificates here, and may find none. */
function newClient(
  { name, driver, settings, timeoutMs }: ServerAddress,
  purpose: string,
): PostgresConnection {
  try {
    return new driver.Client({
      keepAlive: true,
      fallback_application_name: `daybook ${purpose}`,
      connectionTimeoutMillis: timeoutMs,
      ...settings,
      pipeline: true,
    })
  } catch (cause) {
    throw new DaybookError(
      'STORE_CANNOT_OPEN',
      `${name}: the driver does not take the settings: ${messageOf(cause)}`,
      { store: name },
      cause,
    )
  }
}
