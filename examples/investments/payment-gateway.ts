/** What the gateway is asked to do. The same key means the same payment, however often it is asked. */
export interface PaymentRequest {
  readonly idempotencyKey: string
  readonly payer: string
  readonly cents: number
}

export type PaymentAnswer =
  | { readonly isPaid: true; readonly reference: string }
  | { readonly isPaid: false; readonly reason: string }

export interface GatewayOptions {
  /** What nobody can pay: a request for more is declined. */
  readonly limitCents?: number
  /** How many answers are lost on their way back, after the payment was made. */
  readonly lostAnswers?: number
}

/** A payment gateway as they all are: it lives elsewhere, remembers keys for longer than we live, and may not answer. */
export class PaymentGateway {
  /** Everything it was asked, repeats included. */
  readonly requests: PaymentRequest[] = []
  readonly #payments = new Map<string, PaymentRequest>()
  readonly #answers = new Map<string, PaymentAnswer>()
  readonly #limitCents: number
  #lostAnswers: number

  constructor({ limitCents = Number.POSITIVE_INFINITY, lostAnswers = 0 }: GatewayOptions = {}) {
    this.#limitCents = limitCents
    this.#lostAnswers = lostAnswers
  }

  /** Money that really moved, in order. */
  get payments(): readonly PaymentRequest[] {
    return [...this.#payments.values()]
  }

  async charge(request: PaymentRequest, signal: AbortSignal): Promise<PaymentAnswer> {
    signal.throwIfAborted()
    this.requests.push(request)
    const answer = this.#answers.get(request.idempotencyKey) ?? this.#pay(request)
    if (this.#lostAnswers > 0) {
      this.#lostAnswers--
      throw new Error('the connection to the payment gateway broke before it answered')
    }
    return answer
  }

  #pay(request: PaymentRequest): PaymentAnswer {
    const { idempotencyKey, cents } = request
    const isPaid = cents <= this.#limitCents
    if (isPaid) this.#payments.set(idempotencyKey, request)
    const answer: PaymentAnswer = isPaid
      ? { isPaid, reference: `payment-${this.#payments.size}` }
      : { isPaid, reason: 'the bank declined' }
    this.#answers.set(idempotencyKey, answer)
    return answer
  }
}
