import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { accepted, type Book } from 'daybook'
import { memory } from 'daybook/memory'
import { openInvestments } from './investing.ts'
import { investment } from './investment.ts'
import { PaymentGateway } from './payment-gateway.ts'
import { investments } from './projections.ts'

async function submit(book: Book, id: string, cents: number) {
  accepted(await book.execute(investment.draft(id, { investor: 'Ada', fund: 'Harbour', cents })))
  const [submitted] = accepted(await book.execute(investment.submit(id))).events
  assert.ok(submitted)
  return submitted
}

async function outcomes(book: Book, limit: number) {
  const query = { types: ['InvestmentSettled', 'InvestmentFailed'] }
  return book.readLog({ query, follow: true, limit }).toArray()
}

test('a payment whose answer is lost is asked for again under the same key, and made once', async () => {
  const gateway = new PaymentGateway({ lostAnswers: 3 })
  await using book = await openInvestments(memory(), gateway)
  const submitted = await submit(book, '1', 500_00)
  const [settled] = await outcomes(book, 1)
  const request = { idempotencyKey: submitted.id, payer: 'Ada', cents: 500_00 }
  assert.ok(gateway.requests.length >= 4)
  for (const repeat of gateway.requests) assert.deepEqual(repeat, request)
  assert.deepEqual(gateway.payments, [request])
  assert.deepEqual(settled?.data, { payment: 'payment-1' })
  assert.equal(settled?.metadata.causationId, submitted.id)
})

test('an investment fails when the gateway declines', async () => {
  const gateway = new PaymentGateway({ limitCents: 500_00 })
  await using book = await openInvestments(memory(), gateway)
  await submit(book, '1', 500_01)
  await outcomes(book, 1)
  assert.deepEqual(gateway.payments, [])
  assert.deepEqual(await book.read(investments).get('1', { notBefore: await book.head() }), {
    investor: 'Ada',
    fund: 'Harbour',
    cents: 500_01,
    status: 'failed',
    reason: 'the bank declined',
  })
})

test('investments are found by their status', async () => {
  await using book = await openInvestments(memory(), new PaymentGateway({ limitCents: 100 }))
  for (const [id, cents] of [
    ['1', 50],
    ['2', 150],
    ['3', 60],
  ] as const)
    await submit(book, id, cents)
  await outcomes(book, 3)
  await book.execute(investment.draft('4', { investor: 'Ada', fund: 'Forest', cents: 10 }))
  await book.execute(investment.draft('5', { investor: 'Ada', fund: 'Forest', cents: 10 }))
  await book.execute(investment.cancel('5', { reason: 'changed her mind' }))
  const notBefore = await book.head()
  const byStatus = async (status: string) =>
    (await book.read(investments).find({ where: { status }, notBefore })).map(({ key }) => key)
  assert.deepEqual(await byStatus('settled'), ['1', '3'])
  assert.deepEqual(await byStatus('failed'), ['2'])
  assert.deepEqual(await byStatus('draft'), ['4'])
  assert.deepEqual(await byStatus('cancelled'), ['5'])
  assert.deepEqual(await byStatus('submitted'), [])
})

test('the story is told, and what it claims happens', async () => {
  const story = resolve(import.meta.dirname, 'story.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [story])
  assert.match(stdout, /asked \d+ times and paid 1 time\n/)
  assert.match(stdout, /Grace's investment has failed: the bank declined/)
  assert.equal(stdout.match(/^ {2}(submit|cancel): accepted$/gm)?.length, 1)
  assert.equal(stdout.match(/^ {2}(submit|cancel): NotADraft$/gm)?.length, 1)
})
