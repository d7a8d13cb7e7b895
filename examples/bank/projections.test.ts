import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openBook, type Projection } from 'daybook'
import { memory } from 'daybook/memory'
import { foldProjection } from 'daybook/testing'
import { account } from './account.ts'
import { bank } from './bank.ts'
import { checkReadModels } from './check-read-models.ts'
import { dashboard } from './dashboard.ts'
import { bookingsOf } from './import/bookings.ts'
import { generateHistory } from './pkdd/generate.ts'
import { balances, dailySummaries, transactions } from './projections.ts'

const history = generateHistory({ seed: 7, accounts: 15, months: 14, overdraftShare: 0.3 })

async function filledBook() {
  const book = await openBook({ store: memory(), ...bank })
  for (const booking of bookingsOf(history, 'test'))
    assert.equal((await booking.run(book)).refused, undefined)
  return book
}

// Filled once: nothing here appends to it.
const book = await filledBook()
after(() => book.close())

test('the read models are what anyone would add up from the history', async () => {
  const freshness = { notBefore: await book.head() }
  const sums = new Map<string, number>()
  for (const { accountId, signedCents } of history.steps)
    sums.set(accountId, (sums.get(accountId) ?? 0) + signedCents)
  const found = await book.read(balances).find(freshness)
  assert.deepEqual(new Map(found.map(({ key, document }) => [key, document.cents])), sums)
  for (const { accountId, owner, closedOn, openedOn } of history.accounts) {
    const document = await book.read(balances).get(accountId)
    const status = closedOn === undefined ? 'open' : 'closed'
    assert.ok(document)
    assert.equal(document.owner, owner.name)
    assert.equal(document.status, status)
    assert.equal(document.openedOn, openedOn)
    const last = history.steps.findLast((step) => step.accountId === accountId)
    assert.equal(document.lastMovedOn, last?.date)
  }
  await checkReadModels(book, history.steps)
})

test('the transactions of an account are its steps, in order', async () => {
  const [{ accountId } = { accountId: '' }] = history.accounts
  const own = history.steps.filter((step) => step.accountId === accountId)
  const found = await book.read(transactions).find({
    where: { account: accountId },
    orderBy: { key: 'asc' },
    notBefore: await book.head(),
  })
  assert.deepEqual(
    found.map(({ document }) => [document.reference, document.date, document.cents, document.purpose]),
    own.map((step) => [step.transactionId, step.date, step.signedCents, step.purpose]),
  )
  assert.equal(await book.read(transactions).count({ notBefore: await book.head() }), history.steps.length)
})

test('stored read models equal a fold over the whole log', async () => {
  const events = await book.readLog().toArray()
  const notBefore = await book.head()
  const check = async <Document, Columns>(projection: Projection<Document, Columns>) => {
    const stored = new Map<string, Document>()
    for await (const { key, document } of book.read(projection).all({ notBefore })) stored.set(key, document)
    assert.deepEqual(stored, new Map(foldProjection(projection, events)))
  }
  await check(balances)
  await check(transactions)
  await check(dailySummaries)
  await check(dashboard)
})

test('corrections and overdrafts show; a correction downwards is a debit of its day', async () => {
  await using corrected = await openBook({ store: memory(), ...bank })
  const on = (day: number) => ({ occurredAt: `1993-05-0${day}` })
  await corrected.execute(account.open('1', { owner: 'Hana' }), on(1))
  await corrected.execute(account.chargeFee('1', { cents: 10 }), on(2))
  const correction = { reason: 'booked twice', operator: 'operator-7' }
  await corrected.execute(account.adjust('1', { cents: 15, ...correction }), on(3))
  await corrected.execute(account.adjust('1', { cents: -5, ...correction }), on(3))
  const freshness = { notBefore: await corrected.head() }
  assert.deepEqual(await corrected.read(balances).get('1', freshness), {
    owner: 'Hana',
    status: 'open',
    cents: 0,
    movements: 3,
    timesOverdrawn: 1,
    openedOn: '1993-05-01',
    lastMovedOn: '1993-05-03',
  })
  assert.deepEqual(await corrected.read(dailySummaries).get('1993-05-03', freshness), {
    date: '1993-05-03',
    credits: 1,
    creditCents: 15,
    debits: 1,
    debitCents: 5,
    accountsOpened: 0,
    accountsClosed: 0,
  })
})
