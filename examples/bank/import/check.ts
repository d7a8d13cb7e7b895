import type { Book } from 'daybook'
import { account } from '../account.ts'
import { compareBalance, type History, type HistoryStep } from '../pkdd/history.ts'
import { balances, dailySummaries, transactions } from '../projections.ts'
import { ImportFailure } from './failure.ts'

/** How the steps agree with the bank's running balance; `rounding` is off by 0.10 or less. */
export interface Agreements {
  exact: number
  rounding: number
  other: number
}

/** Long enough for a slow disk; what lags longer is named by the error. */
const mostWaitMs = 600_000

/**
 * Holds the book against the history: every step is there once, in its order and to the cent; each account's folded
 * balance and its row in the read model are the sum of its amounts. Throws `ImportFailure` `CHECK_FAILED`. Returns how
 * the balance after each step agrees with the one that the bank stated.
 */
export async function checkBook(book: Book, history: History): Promise<Agreements> {
  const freshness = { notBefore: await book.head(), timeoutMs: mostWaitMs }
  await book.read(dailySummaries).count(freshness)
  const agreements: Agreements = { exact: 0, rounding: 0, other: 0 }
  const byAccount = Map.groupBy(history.steps, (step) => step.accountId)
  const cursors = new Map([...byAccount].map(([id, steps]) => [id, new Cursor(id, steps)]))
  for await (const { document } of book.read(transactions).all(freshness)) {
    const { account: id, cents, reference } = document
    const cursor = cursors.get(id) ?? fail(`account ${id} is not of this history`)
    agreements[cursor.agreementOf(cents, reference)]++
  }
  const inModel = new Map<string, number>()
  for await (const { key, document } of book.read(balances).all(freshness)) inModel.set(key, document.cents)
  for (const [id, cursor] of cursors) {
    const cents = cursor.sum()
    const { state } = await book.load(account, id)
    if (state.cents !== cents)
      fail(`account ${id} folds to ${state.cents} cents, its amounts sum to ${cents}`)
    if (inModel.get(id) !== cents)
      fail(`the read model has ${inModel.get(id)} cents for account ${id}, its amounts sum to ${cents}`)
  }
  return agreements
}

/** Walks along the steps of one account. */
class Cursor {
  readonly #id: string
  readonly #steps: readonly HistoryStep[]
  #next = 0
  #balanceCents = 0
  /** By how much the balance that the bank stated last was off ours. */
  #driftCents = 0

  constructor(id: string, steps: readonly HistoryStep[]) {
    this.#id = id
    this.#steps = steps
  }

  /** Takes the next movement of the book, which must be the next step; tells how its balance agrees. */
  agreementOf(cents: number, reference: string | undefined) {
    const step = this.#steps[this.#next++]
    if (step?.transactionId !== reference || step?.signedCents !== cents) {
      const expected = step === undefined ? 'nothing' : `${step.transactionId} of ${step.signedCents} cents`
      fail(
        `account ${this.#id} has transaction ${reference} of ${cents} cents where the bank has ${expected}`,
      )
    }
    const before = this.#balanceCents + this.#driftCents
    this.#balanceCents += cents
    this.#driftCents = step.statedBalanceCents - this.#balanceCents
    return compareBalance(before, cents, step.statedBalanceCents).agreement
  }

  /** The sum of all amounts, once every step was seen. */
  sum() {
    const left = this.#steps.length - this.#next
    if (left > 0) fail(`account ${this.#id} lacks its last ${left} transactions`)
    return this.#steps.reduce((sum, { signedCents }) => sum + signedCents, 0)
  }
}

function fail(problem: string): never {
  throw new ImportFailure('CHECK_FAILED', problem, 'The import is not to be trusted; please report this.')
}
