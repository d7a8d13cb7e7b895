/** Connections that are used again: to make one takes PostgreSQL longer than most tests of a store take. */
import { EventEmitter } from 'node:events'
import pg, { type Client, type ClientConfig, type QueryArrayConfig, type QueryArrayResult } from 'pg'

/** A driver whose connections are kept when they are ended, and given to the next who wants one with the same settings. */
export interface RecyclingDriver {
  readonly Client: new (settings: ClientConfig) => RecycledClient
  /** Ends those that are kept. */
  close(): Promise<void>
}

/** What the types of `pg` do not tell of. */
interface KeptClient extends Client {
  readonly connection: Client['connection'] & { parsedStatements?: { readonly [name: string]: string } }
  getTransactionStatus?(): string | null
}

const PgClient = pg.Client as new (settings: ClientConfig) => KeptClient

const relayed = ['error', 'end', 'notice', 'notification'] as const

export function recyclingDriver(): RecyclingDriver {
  const idle = new Map<string, KeptClient[]>()
  return {
    Client: class extends RecycledClient {
      constructor(settings: ClientConfig) {
        super(settings, idle)
      }
    },
    close: async () => {
      const kept = [...idle.values()].flat()
      idle.clear()
      await Promise.all(kept.map((client) => client.end()))
    },
  }
}

/** One use of a connection. What a session can change is as it was when the next use begins. */
export class RecycledClient extends EventEmitter {
  readonly #settings: ClientConfig
  readonly #idle: Map<string, KeptClient[]>
  readonly #relays = relayed.map((name) => [name, (value: unknown) => void this.emit(name, value)] as const)
  #client: KeptClient | undefined

  constructor(settings: ClientConfig, idle: Map<string, KeptClient[]>) {
    super()
    this.#settings = settings
    this.#idle = idle
  }

  /** The socket below, while it is in use. */
  get connection(): { readonly stream?: Client['connection']['stream'] } {
    return this.#client?.connection ?? {}
  }

  async connect(): Promise<void> {
    const kept = this.#kept()
    const recycled = kept.pop()
    const client = recycled ?? this.#made(kept)
    for (const [name, relay] of this.#relays) client.on(name, relay)
    this.#client = client
    if (recycled === undefined) await client.connect()
  }

  query(query: QueryArrayConfig): Promise<QueryArrayResult> {
    if (this.#client === undefined) return Promise.reject(new Error('the connection was ended'))
    return this.#client.query(query)
  }

  getTransactionStatus(): string | null {
    return this.#client?.getTransactionStatus?.() ?? null
  }

  async end(): Promise<void> {
    const client = this.#client
    if (client === undefined) return
    if (client.getTransactionStatus?.() !== 'I') return client.end()
    this.#client = undefined
    try {
      await client.query('DISCARD ALL')
    } catch {
      return client.end()
    }
    // What the server has forgotten by now, the driver must not take for prepared.
    client.connection.parsedStatements = {}
    for (const [name, relay] of this.#relays) client.off(name, relay)
    this.#kept().push(client)
  }

  /** A new one, which is kept no longer when the server has ended it. */
  #made(kept: KeptClient[]): KeptClient {
    const client = new PgClient(this.#settings)
    client.on('error', () => undefined)
    client.once('end', () => {
      const place = kept.indexOf(client)
      if (place >= 0) kept.splice(place, 1)
    })
    return client
  }

  #kept(): KeptClient[] {
    const key = JSON.stringify(this.#settings)
    const kept = this.#idle.get(key) ?? []
    this.#idle.set(key, kept)
    return kept
  }
}
