import { DatabaseSync } from 'node:sqlite'

export interface Charge {
  readonly idempotencyKey: string
  readonly order: string
  readonly customer: string
  readonly cents: number
  /** Given back with a confirmation that comes later, so that it can be told what it belongs to. */
  readonly correlationId: string
}

export interface Refund {
  readonly idempotencyKey: string
  readonly order: string
  readonly cents: number
}

export type ChargeAnswer =
  | { readonly status: 'paid'; readonly reference: string }
  | { readonly status: 'declined'; readonly reason: string }
  /** The customer has yet to agree; the gateway will call when that has happened. */
  | { readonly status: 'waiting' }

/** What the gateway calls about, when a customer who took some time has paid. */
export interface Confirmation {
  readonly order: string
  readonly reference: string
  readonly correlationId: string
}

/** Money that moved: towards the shop, or back when negative. */
export interface Movement {
  readonly order: string
  readonly cents: number
  /** How often this one movement was asked for. */
  readonly asked: number
}

export interface GatewayOptions {
  /** Where it keeps its own books, for tests that kill the shop; in memory unless given. */
  readonly file?: string
  /** Customers whose bank says no. */
  readonly declined?: readonly string[]
  /** Customers who take their time. */
  readonly slow?: readonly string[]
}

/** A payment gateway. It lives elsewhere: it keeps its own books, and moves money once for each key, however often asked. */
export class PaymentGateway {
  readonly #books: DatabaseSync
  readonly #options: GatewayOptions
  readonly #asked = new Map<string, PromiseWithResolvers<Charge>>()

  constructor(options: GatewayOptions = {}) {
    this.#options = options
    this.#books = new DatabaseSync(options.file ?? ':memory:', { timeout: 30_000 })
    this.#books.exec(`
      CREATE TABLE IF NOT EXISTS movement (
        key TEXT PRIMARY KEY, purchase TEXT NOT NULL, cents INTEGER NOT NULL, asked INTEGER NOT NULL
      )`)
  }

  async charge(charge: Charge): Promise<ChargeAnswer> {
    const { idempotencyKey, order, customer, cents } = charge
    const { declined = [], slow = [] } = this.#options
    if (declined.includes(customer)) return { status: 'declined', reason: 'the bank declined' }
    if (slow.includes(customer)) {
      this.#askedFor(order).resolve(charge)
      return { status: 'waiting' }
    }
    this.#move(idempotencyKey, order, cents)
    return { status: 'paid', reference: `receipt-${order}` }
  }

  /** The customer agrees, once asked. Returns what the shop is told; it may be told twice. */
  async confirm(order: string): Promise<Confirmation> {
    const { idempotencyKey, cents, correlationId } = await this.#askedFor(order).promise
    this.#move(idempotencyKey, order, cents)
    return { order, reference: `receipt-${order}`, correlationId }
  }

  async refund({ idempotencyKey, order, cents }: Refund): Promise<void> {
    this.#move(idempotencyKey, order, -cents)
  }

  /** Everything that moved, by order. */
  movements(): readonly Movement[] {
    const rows = this.#books.prepare(
      'SELECT purchase, cents, asked FROM movement ORDER BY purchase, cents DESC',
    )
    return rows.all().map(({ purchase, cents, asked }) => ({
      order: String(purchase),
      cents: Number(cents),
      asked: Number(asked),
    }))
  }

  close(): void {
    this.#books.close()
  }

  #askedFor(order: string) {
    const asked = this.#asked.get(order) ?? Promise.withResolvers<Charge>()
    this.#asked.set(order, asked)
    return asked
  }

  #move(key: string, order: string, cents: number) {
    this.#books
      .prepare('INSERT INTO movement VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET asked = asked + 1')
      .run(key, order, cents)
  }
}
