/** What happens to three investments: `node examples/investments/story.ts`. The book is in memory, and gone afterwards. */
import type { Book } from 'daybook'
import { memory } from 'daybook/memory'
import { openInvestments } from './investing.ts'
import { investment } from './investment.ts'
import { PaymentGateway } from './payment-gateway.ts'
import { investments } from './projections.ts'

async function ordinary(book: Book, gateway: PaymentGateway) {
  console.log('Ada invests 500.00, and the first answer of the payment gateway is lost:')
  await book.execute(investment.draft('1', { investor: 'Ada', fund: 'Harbour', cents: 500_00 }), {
    actor: 'Ada',
  })
  const submitted = await book.execute(investment.submit('1'), { actor: 'Ada' })
  // Read from the command's outcome: the read model is a moment behind.
  console.log(`  submitted, as version ${submitted.version} of its stream`)
  await outcomes(book, 1)
  console.log(
    `  the gateway was asked ${gateway.requests.length} times and paid ${gateway.payments.length} time`,
  )
}

async function tooMuch(book: Book) {
  console.log('\nGrace invests more than her bank lets her:')
  await book.execute(investment.draft('2', { investor: 'Grace', fund: 'Harbour', cents: 9_000_00 }))
  await book.execute(investment.submit('2'))
  await outcomes(book, 2)
  const [failed] = await book.read(investments).find({
    where: { status: 'failed' },
    notBefore: await book.head(),
  })
  console.log(`  ${failed?.document.investor}'s investment has failed: ${failed?.document.reason}`)
}

async function submitAndCancel(book: Book) {
  console.log('\nHedy submits, and her adviser cancels, at once:')
  await book.execute(investment.draft('3', { investor: 'Hedy', fund: 'Forest', cents: 250_00 }))
  const [submitted, cancelled] = await Promise.all([
    book.execute(investment.submit('3'), { actor: 'Hedy' }),
    book.execute(investment.cancel('3', { reason: 'changed her mind' }), { actor: 'adviser' }),
  ])
  console.log(`  submit: ${submitted.refused?.reason ?? 'accepted'}`)
  console.log(`  cancel: ${cancelled.refused?.reason ?? 'accepted'}`)
  if (submitted.refused === undefined) await outcomes(book, 3)
}

/** Waits until so many investments are settled or have failed. */
async function outcomes(book: Book, limit: number) {
  const query = { types: ['InvestmentSettled', 'InvestmentFailed'] }
  await book.readLog({ query, follow: true, limit }).toArray()
}

const gateway = new PaymentGateway({ limitCents: 5_000_00, lostAnswers: 1 })
await using book = await openInvestments(memory(), gateway)
await ordinary(book, gateway)
await tooMuch(book)
await submitAndCancel(book)

console.log('\nWhere they are now:')
for (const { key, document } of await book.read(investments).find({ notBefore: await book.head() }))
  console.log(`  ${key}  ${document.status.padEnd(9)}  ${document.investor}`)
console.log('\nWhat happened to the first:')
for await (const { version, type, metadata } of book.readStream('investment-1'))
  console.log(`  ${version}  ${type}  by ${metadata.actor}`)
