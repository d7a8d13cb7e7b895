/** For the tests: compares what the read models say with sums that anybody would make of the bank's history. */
import assert from 'node:assert/strict'
import type { Book } from 'daybook'
import { dashboard } from './dashboard.ts'
import type { HistoryStep } from './pkdd/history.ts'
import { dailySummaries, transactions } from './projections.ts'

type Steps = readonly HistoryStep[]

/** Throws an AssertionError that shows the difference. */
export async function checkReadModels(book: Book, steps: Steps) {
  const notBefore = await book.head()
  await checkDays(book, steps, notBefore)
  await checkMonths(book, steps, notBefore)
  await checkTransactions(book, steps, notBefore)
}

const sumOf = (steps: Steps) => steps.reduce((sum, { amountCents }) => sum + amountCents, 0)
const entriesBy = <Key>(steps: Steps, keyOf: (step: HistoryStep) => Key) => [...Map.groupBy(steps, keyOf)]

async function checkDays(book: Book, steps: Steps, notBefore: number) {
  const expected = entriesBy(steps, ({ date }) => date).map(([date, own]) => {
    const credits = own.filter(({ signedCents }) => signedCents > 0)
    const debits = own.filter(({ signedCents }) => signedCents <= 0)
    return [date, credits.length, sumOf(credits), debits.length, sumOf(debits)] as const
  })
  const found = await book.read(dailySummaries).find({ notBefore })
  const moved = found.filter(({ document }) => document.credits + document.debits > 0)
  assert.deepEqual(
    moved.map(({ key, document: day }) => [key, day.credits, day.creditCents, day.debits, day.debitCents]),
    expected,
  )
}

async function checkMonths(book: Book, steps: Steps, notBefore: number) {
  const expected = entriesBy(steps, ({ date }) => date.slice(0, 7)).map(([month, own]) => {
    const centsOf = (wanted: HistoryStep['kind']) => sumOf(own.filter(({ kind }) => kind === wanted))
    return {
      month,
      depositedCents: centsOf('cashDeposit'),
      withdrawnCents: centsOf('cashWithdrawal'),
      interestCents: centsOf('interest'),
      feeCents: centsOf('statementFee'),
    }
  })
  const found = await book.read(dashboard).find({ orderBy: { month: 'asc' }, notBefore })
  assert.deepEqual(
    found.map(({ document }) => document),
    expected,
  )
}

/** Every transaction, account by account; of the account that has most, page by page from the newest. */
async function checkTransactions(book: Book, steps: Steps, notBefore: number) {
  const model = book.read(transactions)
  const found = new Map<string, (string | undefined)[]>()
  for await (const { document } of model.all({ notBefore })) {
    const own = found.get(document.account) ?? []
    own.push(`${document.reference} ${document.date} ${document.cents}`)
    found.set(document.account, own)
  }
  const told = (own: Steps) => own.map((step) => `${step.transactionId} ${step.date} ${step.signedCents}`)
  const byAccount = entriesBy(steps, ({ accountId }) => accountId)
  assert.deepEqual(found, new Map(byAccount.map(([accountId, own]) => [accountId, told(own)])))

  const [busiest = '', its = []] =
    byAccount.toSorted(([, one], [, other]) => other.length - one.length)[0] ?? []
  const query = { where: { account: busiest }, orderBy: { key: 'desc' }, limit: 20 } as const
  const references: (string | undefined)[] = []
  for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
    const page = await model.page({ ...query, after })
    assert.ok(page.items.length <= 20)
    references.push(...page.items.map(({ document }) => document.reference))
    after = page.next
  }
  assert.deepEqual(references, its.map(({ transactionId }) => transactionId).toReversed())
}
